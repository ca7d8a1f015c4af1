import { SecureChatError } from '@securechat/client';
import type { Code, Message, SendResult } from '@securechat/client';
import { formatBytes } from '../byte-size.ts';
import { sanitizeLine } from '../sanitize.ts';
import { asSecureChatError } from '../sentence.ts';
import { confirmed } from './account-prompts.ts';
import { parseUser } from './intent.ts';
import { showState } from './incoming.ts';
import { marks } from './marks.ts';
import type { MessageFailure, Session } from './session.ts';

/** Beyond these a terminal asks before it sends: more was pasted than anybody reads on the way. */
const LINES_UNASKED_MAX = 20;
const BYTES_UNASKED_MAX = 4096;
const SENT_REMEMBERED_MAX = 1000;

const offlineSentence = 'User is offline. Your message will be delivered, encrypted, when they return.';
const queuedSentence = 'The server cannot be reached. Your message is queued and goes out when it can.';

/** Sends one line. The answer is printed before this resolves. */
export async function sendText(session: Session, user: string, text: string, pasted = false): Promise<void> {
  if (session.username === undefined) return sendFailed(session, user, new SecureChatError('NOT_LOGGED_IN'));
  if (!(await mayGo(session, user, text, pasted))) return session.notice('Nothing was sent.');
  const { onlineOnly, requireVerified } = session.options;
  const options = {
    ...(onlineOnly === true && { onlineOnly }),
    ...(requireVerified === true && { requireVerified }),
  };
  await sending(session, { user, text }, () => session.client.send(`@${user}`, text, options));
}

/** A refusal comes twice, as the answer and as an event: said once, and remembered for `!resend`. */
async function sending(
  session: Session,
  { user, text, id }: { readonly user: string; readonly text: string; readonly id?: string },
  send: () => Promise<SendResult>,
): Promise<void> {
  const failures: MessageFailure[] = [];
  session.sending = { user, id, failures };
  session.refused = undefined;
  let failed: MessageFailure | undefined;
  try {
    const result = await send();
    session.sending = undefined;
    report(session, user, text, result);
  } catch (error) {
    session.sending = undefined;
    const { code } = asSecureChatError(error);
    failed = failures.findLast((failure) => failure.code === code);
    const failedId = failed?.id ?? id;
    if (failedId === undefined) session.refused = { user, text, code };
    else {
      session.sent.set(failedId, { user, text });
      session.failed.push(failedId);
    }
    sendFailed(session, user, error);
  }
  for (const failure of failures) if (failure !== failed) showState(session, failure);
}

export async function resend(session: Session): Promise<void> {
  const id = session.failed.at(-1);
  if (id === undefined) return session.notice('There is no failed message to send again.');
  const { user, text } = session.sent.get(id) ?? { user: '?', text: '' };
  session.failed.pop();
  await sending(session, { user, text, id }, () => session.client.resend(id));
}

export async function edit(session: Session, rest: string): Promise<void> {
  const user = rest === '' ? session.peer : parseUser(rest);
  if (user === undefined) return session.notice('To whom? !edit user, or write @user first.');
  if (!session.screen.interactive) return session.notice('!edit needs a terminal.');
  const text = (await session.screen.suspend(() => session.options.editor(''))).replace(/\n+$/, '');
  if (text.trim() === '') return session.notice('Empty, nothing was sent.');
  session.peer = user;
  session.showPrompt();
  const lines = text.split('\n').length;
  const size = `${lines} ${lines === 1 ? 'line' : 'lines'}, ${formatBytes(Buffer.byteLength(text))}`;
  if (!(await confirmed(session, `Send ${size} to ${user}? y/n `))) return session.notice('Nothing was sent.');
  await sendText(session, user, text);
}

export async function history(session: Session, rest: string): Promise<void> {
  const [name = '', count = '20'] = rest.split(/\s+/);
  const user = parseUser(name);
  const limit = Number(count);
  if (user === '' || !Number.isSafeInteger(limit) || limit < 1) return session.notice('Usage: !history user [n]');
  const messages = await session.client.history({ with: `@${user}`, limit });
  if (messages.length === 0) return session.notice(`No messages with ${sanitizeLine(user)}.`);
  for (const message of messages) showPast(session, message);
}

function showPast(session: Session, message: Message): void {
  const { name, dim } = session.screen.style;
  const { text, layout } = session.spoken(message.at, `${name(`@${message.from}`)}: `, message.text);
  const state = message.own && message.state !== undefined && session.screen.interactive;
  session.notice(state ? `${text} ${dim(marks[message.state ?? 'sent'])}` : text, layout);
}

/** Questions a terminal asks first: somebody new, or more than one sees at a glance. */
async function mayGo(session: Session, user: string, text: string, pasted: boolean): Promise<boolean> {
  if (!session.screen.interactive) return true;
  if (user !== session.username && !session.acquainted.has(user)) {
    const known = (await session.client.contacts()).some((contact) => contact.user === user);
    if (!known && !(await confirmed(session, `You have not written with ${user} yet. Send? y/n `))) return false;
  }
  const lines = text.split('\n').length;
  const bytes = Buffer.byteLength(text);
  const large = lines > LINES_UNASKED_MAX || bytes > BYTES_UNASKED_MAX || (pasted && lines > 1);
  return !large || confirmed(session, `Send ${lines} lines, ${formatBytes(bytes)}, to ${user}? y/n `);
}

function report(session: Session, user: string, text: string, result: SendResult): void {
  session.acquainted.add(user);
  const { time, style } = { time: session.options.now().toISOString(), style: session.screen.style };
  const own = session.spoken(time, `${style.dim(`to ${user}:`)} `, text);
  const printed = session.screen.interactive
    ? session.screen.printOwn(own.text, marks[result.state], own.layout)
    : undefined;
  session.sent.set(result.id, { user, text, ...(printed !== undefined && { remark: (mark) => printed.remark(mark) }) });
  if (session.sent.size > SENT_REMEMBERED_MAX) {
    for (const oldest of session.sent.keys()) {
      session.sent.delete(oldest);
      break;
    }
  }
  if (result.state === 'queued') {
    session.unaccepted.add(result.id);
    // A terminal shows it in the prompt and at every message: said once.
    if (!session.screen.interactive || session.unaccepted.size === 1) session.notice(queuedSentence);
  } else if (result.recipient === 'offline') session.notice(offlineSentence);
}

function sendFailed(session: Session, user: string, error: unknown): void {
  const { code } = asSecureChatError(error);
  session.lineFailed(error);
  if (nobody.has(code) && session.peer === user) {
    // Not back to whoever was current before: a line typed ahead was not meant for them.
    session.peer = undefined;
    session.showPrompt();
  }
}

const nobody: ReadonlySet<Code> = new Set(['NO_SUCH_USER', 'NAME_INVALID', 'SELF']);
