import { SecureChatError } from '@securechat/client';
import type { Client, ClientEvent } from '@securechat/client';
import { sanitizeLine } from '../sanitize.ts';
import { nearest } from '../suggestion.ts';
import { commands } from './commands.ts';
import { elsewhere } from './elsewhere.ts';
import { answerOffer } from './file-commands.ts';
import { showEvent } from './incoming.ts';
import { parseAnswer, parseIntent } from './intent.ts';
import { login } from './login-command.ts';
import { sendText } from './message-commands.ts';
import { register } from './register-command.ts';
import type { Entry, Screen } from './screen.ts';
import { Session } from './session.ts';
import type { LineOptions } from './session.ts';

/** Nobody is called so; what was meant is seen at the beginning of it anyway. */
const USERNAME_UNITS_MAX = 64;
const LOOK_AGAIN_MS = 250;

/**
 * Line mode: reads lines until the input ends or `!exit`, and resolves with the exit code. A command is finished, its
 * answer printed, before the next line is taken, so that a script of lines runs the same way every time. The client is
 * closed afterwards.
 */
export async function runLineMode(client: Client, screen: Screen, options: LineOptions): Promise<number> {
  const session = new Session(client, screen, options);
  const events = client.events();
  const listening = listen(session, events);
  session.showPrompt();
  try {
    const conversed = begin(session).then(() => converse(session));
    const code = await Promise.race([conversed, screen.departed]);
    if (code !== undefined) return code;
    if (screen.interactive) await sayUnsent(session);
    else await drain(session);
    return session.outcome();
  } finally {
    await client.close();
    await listening;
  }
}

/** With an invite straight to choosing a name, with a user name straight to the password. */
async function begin(session: Session): Promise<void> {
  const { invite, user } = session.options;
  if (invite !== undefined) {
    if (session.screen.interactive && user === undefined)
      session.notice('Welcome to SecureChat. Choose a name for your new account; an empty line leads to the commands.');
    return register(session, user);
  }
  if (user !== undefined) return login(session, user);
  if (session.screen.interactive) {
    session.notice('Welcome to SecureChat. !register makes an account, !login opens it, !help lists the rest.');
  }
}

/** The exit code where one is decided already (interrupted), otherwise undefined. */
async function converse(session: Session): Promise<number | undefined> {
  for (;;) {
    const entry = takeTyped(session) ?? (await session.screen.next());
    if (entry.kind === 'end') return entry.code;
    if (entry.kind === 'too-long') {
      session.lineFailed(new SecureChatError('TEXT_TOO_LONG'));
      continue;
    }
    if (entry.kind === 'not-text') {
      session.lineFailed(new SecureChatError('USAGE', { text: 'This line is not UTF-8 text. Nothing was sent.' }));
      continue;
    }
    try {
      if ((await obey(session, entry)) === 'leave') return undefined;
    } catch (error) {
      session.lineFailed(error);
    }
  }
}

function takeTyped(session: Session): Entry | undefined {
  const text = session.typedInstead;
  session.typedInstead = undefined;
  return text === undefined ? undefined : { kind: 'line', text, pasted: false, begunAfter: 0 };
}

async function obey(session: Session, entry: Extract<Entry, { kind: 'line' }>): Promise<void | 'leave'> {
  const offer = session.offers[0];
  if (offer !== undefined && entry.begunAfter >= offer.shownAt) {
    const answer = parseAnswer(entry.text);
    if (answer !== undefined) return answerOffer(session, '', answer);
  }
  const intent = parseIntent(entry.text);
  switch (intent.kind) {
    case 'nothing':
      return;
    case 'command':
      if (entry.text.includes('\n')) {
        return session.warning('Several lines are not a command. A space in front sends them as they stand.');
      }
      return command(session, intent.name, intent.rest);
    case 'direct':
      if (intent.user.length > USERNAME_UNITS_MAX) return session.lineFailed(new SecureChatError('NO_SUCH_USER'));
      session.peer = intent.user;
      session.showPrompt();
      if (intent.text !== '') return sendText(session, intent.user, intent.text, entry.pasted);
      if (!session.screen.interactive) session.notice(`Lines go to ${sanitizeLine(intent.user)} now.`);
      return;
    case 'unaddressed':
      return session.warning('To whom? @user message, the name right behind the @. Nothing was sent.');
    case 'group':
      return session.warning('Groups are not available in this version. Nothing was sent.');
    case 'literal':
    case 'text':
      if (session.peer === undefined) {
        return session.notice('To whom? Write @user message. !help lists the commands. Nothing was sent.');
      }
      return sendText(session, session.peer, intent.text, entry.pasted);
  }
}

async function command(session: Session, name: string, rest: string): Promise<void | 'leave'> {
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (found !== undefined) return found.run(session, rest);
  if (name === '') return session.notice('The name of a command follows at once: !help. Nothing was sent.');
  const near = nearest(name, Object.keys(commands));
  const meant = elsewhere.get(name) ?? (near === undefined ? undefined : `!${near}`);
  const hint = meant === undefined ? 'See !help.' : `Did you mean ${meant}?`;
  session.notice(`There is no command !${sanitizeLine(name)}. ${hint} Nothing was sent.`);
}

/** Belong to the way in, not to what is behind it. */
const atOnce: ReadonlySet<ClientEvent['kind']> = new Set(['connection', 'serverPinned', 'loggedOut']);

async function listen(session: Session, events: AsyncIterable<ClientEvent>): Promise<void> {
  for await (const event of events) {
    if (!atOnce.has(event.kind)) await session.entering;
    showEvent(session, event);
    // Shown is read, so that no other terminal of the profile shows it again.
    if (event.kind === 'message') await session.markSeen();
  }
}

/** What was said must leave the house before the door closes: at most `drainMs` without progress. */
async function drain(session: Session): Promise<void> {
  if (session.username === undefined) return;
  const events = session.client.events();
  let next = events.next();
  let deadline = performance.now() + session.options.drainMs;
  while (performance.now() < deadline && session.username !== undefined) {
    const { unsent } = await session.client.status();
    if (unsent === 0 && session.transfers.size === 0) break;
    // Not everything that is accepted is told as an event.
    const event = await withDeadline(next, Math.min(deadline, performance.now() + LOOK_AGAIN_MS));
    if (event === undefined) continue;
    if (event.done === true) break;
    if (event.value.kind === 'fileProgress') deadline = performance.now() + session.options.drainMs;
    next = events.next();
  }
  await sayUnsent(session);
  if (session.transfers.size > 0) session.notice('Files on their way go on at the next login.');
}

async function sayUnsent(session: Session): Promise<void> {
  if (session.username === undefined) return;
  const { unsent } = await session.client.status();
  if (unsent === 0) return;
  session.notice(`${unsent} unsent ${unsent === 1 ? 'message stays' : 'messages stay'} queued until the next login.`);
}

async function withDeadline<T>(work: Promise<T>, deadline: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), deadline - performance.now());
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
