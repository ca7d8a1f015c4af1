import { SecureChatError } from '@securechat/client';
import type { Client, Code } from '@securechat/client';
import { sanitizeLine } from '../sanitize.ts';
import { asSecureChatError } from '../sentence.ts';
import { askPassword, askRecoveryWords, askUsername, beginsAnew, NEVER_IN_LINE, TRIES_MAX } from './account-prompts.ts';
import type { Session } from './session.ts';

type Credentials = Parameters<Client['login']>[0];

/** Prompts: user name, password, and on an empty profile the recovery words. */
export async function login(session: Session, rest = ''): Promise<void> {
  const { client, screen } = session;
  if (/\s/.test(rest)) return session.warning(NEVER_IN_LINE);
  if (session.username !== undefined) return session.failure(new SecureChatError('ALREADY_LOGGED_IN'));
  if (screen.interactive && !(await knowsServer(session))) return;
  const username = await askUsername(session, rest);
  if (username === undefined) return;
  const password = await askPassword(session);
  if (password === undefined) return;
  try {
    if (screen.interactive) return await loginByHand(session, { username, password });
    if (await client.hasProfile(username)) return await loginOnce(session, { username, password });
    const recoveryWords = await askRecoveryWords(session);
    if (recoveryWords !== undefined) await loginOnce(session, { username, password, recoveryWords });
  } catch (error) {
    screen.setStatus(undefined);
    session.accountFailed(error);
  }
}

/** Nobody types a password for a server whose key they have not agreed to. One that is known need not be there. */
async function knowsServer(session: Session): Promise<boolean> {
  const { client, screen } = session;
  try {
    if ((await client.status()).serverFingerprint === null) await client.registration();
    return true;
  } catch (error) {
    screen.setStatus(undefined);
    session.accountFailed(error);
    return false;
  }
}

/** What was mistyped is asked for again, and the recovery words only behind a password that is right. */
async function loginByHand(session: Session, credentials: Credentials): Promise<void> {
  let mistakes = 0;
  for (let given: Credentials | undefined = credentials; given !== undefined;) {
    try {
      return await loginOnce(session, given);
    } catch (error) {
      session.screen.setStatus(undefined);
      const { code } = asSecureChatError(error);
      const missing = given.recoveryWords === undefined && needsWords.has(code);
      if (!missing && !(mistyped.has(code) && ++mistakes < TRIES_MAX)) throw error;
      if (code === 'RECOVERY_WORDS_REQUIRED') session.notice(bringsBack(given.username));
      else session.failure(error);
      given = await askOnce(session, given, code);
    }
  }
}

const needsWords: ReadonlySet<Code> = new Set(['RECOVERY_WORDS_REQUIRED', 'DEVICE_REVOKED']);
const mistyped: ReadonlySet<Code> = new Set(['AUTH_FAILED', 'RECOVERY_WORDS_WRONG']);

function bringsBack(username: string): string {
  return (
    `There is no profile of ${sanitizeLine(username)} here. The recovery words bring the account back; ` +
    'the device that has it now is logged out.'
  );
}

async function askOnce(session: Session, given: Credentials, code: Code): Promise<Credentials | undefined> {
  if (code === 'AUTH_FAILED') {
    const password = await askPassword(session);
    return password === undefined || beginsAnew(session, password) ? undefined : { ...given, password };
  }
  const recoveryWords = await askRecoveryWords(session);
  const other = recoveryWords === undefined || beginsAnew(session, recoveryWords);
  return other ? undefined : { ...given, recoveryWords };
}

async function loginOnce(session: Session, credentials: Credentials): Promise<void> {
  await session.enter(async () => {
    const loggedIn = await session.client.login(credentials);
    session.screen.setStatus(undefined);
    session.loggedIn(loggedIn.username);
    session.notice(`Logged in as ${loggedIn.username}.`);
    if (credentials.recoveryWords !== undefined && session.screen.interactive)
      session.notice('The account is on this device now. Earlier messages stay on the device that received them.');
    await session.showUnread(loggedIn.unread);
  });
}
