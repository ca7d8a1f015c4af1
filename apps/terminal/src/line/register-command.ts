import { SecureChatError } from '@securechat/client';
import type { Client, Code } from '@securechat/client';
import { parseInviteLink } from '../invite-link.ts';
import { asSecureChatError } from '../sentence.ts';
import { askNewPassword, askUsername, NEVER_IN_LINE, nothingDone, TRIES_MAX } from './account-prompts.ts';
import type { Session } from './session.ts';

/** Prompts: user name, password (a terminal asks twice), and an invite where the server wants one. */
export async function register(session: Session, rest = ''): Promise<void> {
  const { client, screen } = session;
  if (/\s/.test(rest)) return session.warning(NEVER_IN_LINE);
  if (session.username !== undefined) return session.failure(new SecureChatError('ALREADY_LOGGED_IN'));
  if (screen.interactive && !(await mayRegister(session))) return;
  let username = await askUsername(session, rest);
  if (username === undefined) return;
  const password = await askNewPassword(session, username);
  if (password === undefined) return;
  let { invite } = session;
  for (let tries = 1; ; tries++) {
    try {
      if (invite === undefined && (await client.registration()) === 'invite') {
        invite = (await screen.ask('Invite: '))?.trim();
        if (invite === undefined || invite === '') return nothingDone(session, 'Not registered.');
      }
      const code = invite === undefined ? {} : { invite: parseInviteLink(invite)?.invite ?? invite };
      return await registerOnce(session, { username, password, ...code });
    } catch (error) {
      screen.setStatus(undefined);
      const { code } = asSecureChatError(error);
      if (refusesInvite.has(code)) session.invite = invite = undefined;
      const askedAgain = refusesInvite.has(code) || code === 'NAME_TAKEN';
      if (!screen.interactive || !askedAgain || tries >= TRIES_MAX) return session.accountFailed(error);
      session.failure(error);
      if (code === 'NAME_TAKEN') username = await askUsername(session, '');
      if (username === undefined) return;
    }
  }
}

type Registration = Parameters<Client['register']>[0];

async function registerOnce(session: Session, account: Registration): Promise<void> {
  const { client, screen } = session;
  await session.enter(async () => {
    const made = await client.register(account);
    screen.setStatus(undefined);
    const { username: name } = await client.status();
    session.loggedIn(name ?? account.username);
    session.notice(`Registered and logged in as ${session.username}.`);
    showRecoveryWords(session, made.recoveryWords);
  });
}

/** Asked for again at a terminal, or by the next `!register`. */
const refusesInvite: ReadonlySet<Code> = new Set(['INVITE_INVALID', 'INVITE_REQUIRED']);

/** Nobody thinks of a password for a server that is not there, whose key they do not trust, or that takes nobody. */
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
  session.notice('Now write to somebody: @name message. !invite brings in others, !help lists the rest.');
}
