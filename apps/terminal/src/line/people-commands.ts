import { SecureChatError } from '@securechat/client';
import type { Contact } from '@securechat/client';
import { sanitizeLine } from '../sanitize.ts';
import { asSecureChatError } from '../sentence.ts';
import { parseUser } from './intent.ts';
import type { Session } from './session.ts';

export async function who(session: Session, rest: string): Promise<void> {
  const user = oneUser(session, rest, '!who user');
  if (user === undefined) return;
  const presence = await session.client.presence(user);
  session.notice(
    presence === 'unknown' ? `Whether ${user} is online is not for you to know.` : `${user} is ${presence}.`,
  );
}

export async function users(session: Session): Promise<void> {
  const contacts = await session.client.contacts();
  if (contacts.length === 0) return session.notice('Nobody yet. Write to somebody: @user message');
  const width = Math.max(...contacts.map(({ user }) => user.length));
  session.notice(contacts.map((contact) => `${contact.user.padEnd(width)}  ${traits(contact)}`).join('\n'));
}

function traits(contact: Contact): string {
  return [
    contact.presence === 'unknown' ? 'presence unknown' : contact.presence,
    contact.verified ? 'verified' : 'not verified',
    ...(contact.changed ? ['identity changed'] : []),
    ...(contact.blocked ? ['blocked'] : []),
    ...(contact.unread > 0 ? [`${contact.unread} unread`] : []),
  ].join(', ');
}

export async function block(session: Session, rest: string): Promise<void> {
  const words = rest.split(/\s+/).filter((word) => word !== '--quiet');
  const quiet = /(^|\s)--quiet(\s|$)/.test(rest);
  const user = oneUser(session, words.join(' '), '!block user [--quiet]');
  if (user === undefined) return;
  await session.client.block(user, { quiet });
  session.notice(quiet ? `${user} is blocked, and not told.` : `${user} is blocked.`);
}

export async function unblock(session: Session, rest: string): Promise<void> {
  const user = oneUser(session, rest, '!unblock user');
  if (user === undefined) return;
  await session.client.unblock(user);
  session.notice(`${user} is no longer blocked.`);
}

/** Without a number: shows it. With one: compares, and marks the person as verified only if it is the right one. */
export async function verify(session: Session, rest: string): Promise<void> {
  const [name = '', ...digits] = rest.split(/\s+/);
  const user = oneUser(session, name, '!verify user [number]');
  if (user === undefined) return;
  const number = digits.join('');
  if (number === '') {
    return showSafetyNumber(session, user);
  }
  const { verified } = await session.client.verify(user, number);
  if (verified) session.notice(`${user} is verified.`);
  else session.warning(`This is not the safety number with ${user}. Not verified: somebody may be in between.`);
}

/** On a terminal in rows that can be read out; over a pipe in one line. */
async function showSafetyNumber(session: Session, user: string): Promise<void> {
  const { screen } = session;
  const { safetyNumber, verified } = await session.client.safetyNumber(user);
  const next = verified
    ? `${user} is verified.`
    : `Compare it with ${user} by voice or in person, then: !verify ${user} and the number they read out.`;
  if (!screen.interactive) {
    session.notice(`Safety number with ${user}: ${safetyNumber}`);
    return session.notice(next);
  }
  session.notice(`Safety number with ${user}; the same twelve groups must stand on their screen (!verify):`);
  const groups = safetyNumber.split(' ');
  for (let row = 0; row < groups.length; row += GROUPS_PER_ROW) {
    session.notice(`  ${screen.style.bold(groups.slice(row, row + GROUPS_PER_ROW).join('  '))}`);
  }
  session.showQr(groups.join(''));
  session.notice(next);
  const contact = (await session.client.contacts()).find((one) => one.user === user);
  if (contact !== undefined) session.notice(screen.style.dim(`Fingerprint of ${user}: ${contact.fingerprint}`));
}

const GROUPS_PER_ROW = 4;

export async function invite(session: Session, rest: string): Promise<void> {
  const [uses, hours] = rest.split(/\s+/).filter(Boolean).map(Number);
  for (const value of [uses, hours]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      return session.notice('Usage: !invite [uses] [hours]');
    }
  }
  const asked = { ...(uses !== undefined && { uses }), ...(hours !== undefined && { hours }) };
  const made = await session.client.invite(asked).catch((error: unknown) => {
    if (asSecureChatError(error).code !== 'TOO_LARGE') throw error;
    const text = 'This server makes no invites for so many registrations or so many hours. Ask for fewer.';
    throw new SecureChatError('TOO_LARGE', { text }, { cause: error });
  });
  const { interactive, style } = session.screen;
  session.notice(`Invite: ${made.code}`);
  session.notice(`Link: ${made.link}`, { verbatim: true });
  session.notice(
    `For ${made.uses} ${made.uses === 1 ? 'registration' : 'registrations'}, until ${session.moment(made.expiresAt)}.`,
  );
  if (!interactive) return;
  session.showQr(made.link);
  session.notice('Pass it on in private. The command to join with it:');
  session.notice(style.bold(`  npx securechat --server '${made.link}'`), { verbatim: true });
}

export async function status(session: Session): Promise<void> {
  const now = await session.client.status();
  const rows = [
    ['Connection', now.connection],
    ['Server', now.server],
    ['Server fingerprint', now.serverFingerprint ?? 'not known yet'],
    ['Account', now.username ?? 'not logged in'],
    ['Fingerprint', now.fingerprint ?? '-'],
    ['Device', now.device ?? '-'],
    ['Certified until', now.deviceEnds === null ? '-' : certifiedUntil(now.deviceEnds)],
    ['Unsent', String(now.unsent)],
  ] as const;
  session.notice(rows.map(([name, value]) => `${name}: ${sanitizeLine(value)}`).join('\n'));
}

/** Renewed by logins in the last 180 days: with less than this left none did. */
const SOON_MS = 60 * 24 * 60 * 60 * 1000;

function certifiedUntil(at: string): string {
  const soon = Date.parse(at) - Date.now() < SOON_MS;
  return `${at.slice(0, 10)}${soon ? ' (then others refuse it: !logout and !login while connected renew it)' : ''}`;
}

export function version(session: Session): void {
  session.notice(`SecureChat ${session.options.version}`);
}

function oneUser(session: Session, text: string, usage: string): string | undefined {
  const user = parseUser(text.trim());
  if (user !== '' && !/\s/.test(user)) return user;
  session.notice(`Usage: ${usage}`);
  return undefined;
}
