import { normaliseUsername, SecureChatError } from '@securechat/client';
import type { Code } from '@securechat/client';
import { parseInviteLink } from '../invite-link.ts';
import { sanitizeLine } from '../sanitize.ts';
import { asSecureChatError } from '../sentence.ts';
import { parseAnswer, parseIntent } from './intent.ts';
import type { Session } from './session.ts';

const neverInLine = 'A password is never part of the line; it is asked for.';

/** Prompts: user name, password (a terminal asks twice), and an invite where the server wants one. */
export async function register(session: Session, rest = ''): Promise<void> {
  const { client, screen } = session;
  if (/\s/.test(rest)) return session.warning(neverInLine);
  if (session.username !== undefined) return session.failure(new SecureChatError('ALREADY_LOGGED_IN'));
  if (screen.interactive && !(await mayRegister(session))) return;
  const username = await askUsername(session, rest);
  if (username === undefined) return;
  const password = await askNewPassword(session);
  if (password === undefined) return;
  try {
    let { invite } = session;
    if (invite === undefined && (await client.registration()) === 'invite') {
      invite = (await screen.ask('Invite: '))?.trim();
      if (invite === undefined || invite === '') return session.notice('Not registered.');
    }
    const code = invite === undefined ? {} : { invite: parseInviteLink(invite)?.invite ?? invite };
    await session.enter(async () => {
      const made = await client.register({ username, password, ...code });
      screen.setStatus(undefined);
      const { username: name } = await client.status();
      session.loggedIn(name ?? username);
      session.notice(`Registered and logged in as ${session.username}.`);
      showRecoveryWords(session, made.recoveryWords);
    });
  } catch (error) {
    screen.setStatus(undefined);
    if (refusesInvite.has(asSecureChatError(error).code)) session.invite = undefined;
    session.accountFailed(error);
  }
}

/** The next `!register` asks for another one. */
const refusesInvite: ReadonlySet<Code> = new Set(['INVITE_INVALID', 'INVITE_REQUIRED']);

/** Nobody thinks of a password for a server that is not there, or takes nobody. */
async function mayRegister(session: Session): Promise<boolean> {
  try {
    if ((await session.client.registration()) === 'closed') throw new SecureChatError('REGISTRATION_CLOSED');
    return true;
  } catch (error) {
    session.screen.setStatus(undefined);
    session.accountFailed(error);
    return false;
  }
}

/** Prompts: user name, password, and on an empty profile the recovery words. */
export async function login(session: Session, rest = ''): Promise<void> {
  const { client, screen } = session;
  if (/\s/.test(rest)) return session.warning(neverInLine);
  if (session.username !== undefined) return session.failure(new SecureChatError('ALREADY_LOGGED_IN'));
  const username = await askUsername(session, rest);
  if (username === undefined) return;
  const password = await askPassword(session);
  if (password === undefined) return;
  try {
    const known = await client.hasProfile(username);
    if (!known && screen.interactive) {
      session.notice(
        `There is no profile of ${sanitizeLine(username)} here. The recovery words bring the account back.`,
      );
    }
    const recoveryWords = known ? undefined : await screen.ask('Recovery words: ', { hidden: true });
    if (!known && (recoveryWords === undefined || recoveryWords.trim() === '')) return session.notice('Not logged in.');
    await session.enter(async () => {
      const words = recoveryWords === undefined ? {} : { recoveryWords };
      const loggedIn = await client.login({ username, password, ...words });
      screen.setStatus(undefined);
      session.loggedIn(loggedIn.username);
      session.notice(`Logged in as ${loggedIn.username}.`);
      await session.showUnread(loggedIn.unread);
    });
  } catch (error) {
    screen.setStatus(undefined);
    session.accountFailed(error);
  }
}

export async function logout(session: Session): Promise<void> {
  const { unsent } = await session.client.status();
  await session.client.logout();
  session.loggedOut();
  session.notice(unsent > 0 ? `Logged out. ${unsent} unsent stay queued until the next login.` : 'Logged out.');
}

export async function resetKeys(session: Session): Promise<void> {
  const sure = await confirmed(session, 'All contacts will see a new identity. Reset the keys? y/n ');
  if (!sure) return session.notice('Nothing was changed.');
  session.reconnecting = true;
  try {
    const { fingerprint } = await session.client.resetKeys();
    session.screen.setStatus(undefined);
    session.notice(`New keys. Your fingerprint: ${fingerprint}. Contacts are told.`);
  } catch (error) {
    session.screen.setStatus(undefined);
    session.reconnecting = false;
    throw error;
  }
  if ((await session.client.status()).connection !== 'online') session.connectionLost();
}

export async function deleteAccount(session: Session): Promise<void> {
  const { username } = session;
  if (username === undefined) return session.failure(new SecureChatError('NOT_LOGGED_IN'));
  if (session.screen.interactive) {
    const typed = await session.screen.ask(
      `Everything of this account goes, here and on the server. Type ${username}: `,
    );
    if (typed?.trim() !== username) return session.notice('Nothing was deleted.');
  }
  await session.client.deleteAccount(username);
  session.loggedOut();
  session.notice(`The account ${username} is deleted.`);
}

/** y/n on a terminal; a pipe is not asked. */
export async function confirmed(session: Session, question: string): Promise<boolean> {
  if (!session.screen.interactive) return true;
  return parseAnswer((await session.screen.ask(question)) ?? '') === true;
}

/** A person hears of a name that is none before they think of a password; a script has its lines ready. */
async function askUsername(session: Session, given: string): Promise<string | undefined> {
  const { screen } = session;
  for (let offered = given; ; offered = '') {
    const typed = offered === '' ? (await screen.ask('Username: '))?.trim() : offered;
    if (typed === undefined || typed === '') {
      session.notice('No user name, nothing done.');
      return undefined;
    }
    const username = typed.replace(/^@/, '');
    if (!screen.interactive) return username;
    if (parseIntent(typed).kind === 'command') {
      session.typedInstead = typed;
      return undefined;
    }
    try {
      return normaliseUsername(username);
    } catch (error) {
      session.failure(error);
    }
  }
}

async function askPassword(session: Session): Promise<string | undefined> {
  const once = session.passwordOnce;
  session.passwordOnce = undefined;
  const password = once ?? (await session.screen.ask('Password: ', { hidden: true }));
  if (password !== undefined && password !== '') return password;
  session.notice('No password, nothing done.');
  return undefined;
}

async function askNewPassword(session: Session): Promise<string | undefined> {
  const given = session.passwordOnce !== undefined;
  const password = await askPassword(session);
  if (password === undefined || given || !session.screen.interactive) return password;
  const again = await session.screen.ask('Password again: ', { hidden: true });
  if (again === password) return password;
  session.warning('The two passwords differ; nothing done.');
  return undefined;
}

function showRecoveryWords(session: Session, words: string): void {
  if (!session.screen.interactive) {
    session.notice(`Recovery words: ${words}`);
    session.notice('They are shown once and bring the account back on a new device. Keep them safe.');
    return;
  }
  const list = words.split(' ');
  const rows = [list.slice(0, 6).join(' '), list.slice(6).join(' ')].filter((row) => row !== '');
  session.notice('Recovery words:');
  session.notice(rows.map((row) => `  ${session.screen.style.bold(row)}`).join('\n'));
  session.notice('Write them down now: they are shown once, and bring the account back on a new device.');
}
