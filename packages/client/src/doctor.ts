/**
 * How a profile is: its files without a password, and with one what waits in an account and every failure it remembers.
 * Changes nothing, but that a store that is opened counts its openings.
 */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { mlsEngine } from '@securechat/e2ee';
import type { Code } from '@securechat/wire';
import { codes, parseServerAddress, SecureChatError } from '@securechat/wire';
import type { FailureRecord } from './core/record-failure.ts';
import { openAccountLock } from './lock.ts';
import { normalisedPassword } from './password.ts';
import { findAccount } from './profile.ts';
import { ownCertificate, WARNING_MS } from './shell/account/renew-device.ts';
import { Ledger } from './shell/ledger/ledger.ts';
import { readKeysFile } from './stores/sqlite/keys-file.ts';
import { readPrivateFile } from './stores/sqlite/private-file.ts';
import { STORE_FILE, storeFileProblems } from './stores/sqlite/store-file.ts';
import { unlockKeys } from './stores/sqlite/open-store.ts';

export interface Finding {
  /** `ok`: as it should be. `note`: something that happened, or good to know. `finding`: something to be done. */
  readonly level: 'ok' | 'note' | 'finding';
  readonly text: string;
  /** What to do about a finding. */
  readonly todo?: string;
  /** A failure that was recorded: when (ISO 8601), of whom, why. */
  readonly failure?: { readonly at: string; readonly user: string; readonly id: string; readonly code: Code };
}

const LOG_BYTES_MAX = 64 * 1024 * 1024;
const FREE_BYTES_MIN = 64 * 1024 * 1024;
const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
const OTHERS = 0o077;

/** `account`: looks inside as well; AUTH_FAILED. */
export async function examineProfile(options: {
  readonly profileDirectory: string;
  readonly nowMs: number;
  readonly account?: { readonly server: string; readonly username: string; readonly password: string };
}): Promise<readonly Finding[]> {
  const { profileDirectory, nowMs, account } = options;
  if (!existsSync(profileDirectory))
    return [finding(`There is no profile ${profileDirectory}.`, 'Register or log in.')];
  const found: Finding[] = [...modes(profileDirectory), ...space(profileDirectory), ...pins(profileDirectory)];
  const folder = join(profileDirectory, 'accounts');
  const accounts = existsSync(folder) ? readdirSync(folder) : [];
  if (accounts.length === 0) found.push(note('There is no account in it.'));
  for (const name of accounts) found.push(...(await accountFiles(join(folder, name), name, nowMs)));
  if (account !== undefined) found.push(...(await inside(profileDirectory, account, nowMs)));
  return found;
}

function* modes(folder: string): Generator<Finding> {
  if (process.platform === 'win32') return;
  const open = [folder, ...entriesOf(folder)].filter((path) => (statSync(path).mode & OTHERS) !== 0);
  for (const path of open) yield finding(`${path} is open to other users of this machine.`, `chmod go= '${path}'`);
  if (open.length === 0) yield ok('Its files are for their owner alone.');
}

/** What the profile keeps; received files are the person's own affair. */
function entriesOf(folder: string): readonly string[] {
  const accounts = join(folder, 'accounts');
  const names = ['servers.json', 'servers.lock', 'accounts'].map((name) => join(folder, name)).filter(existsSync);
  if (!existsSync(accounts)) return names;
  const folders = readdirSync(accounts).map((name) => join(accounts, name));
  const files = folders.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  return [...names, ...folders, ...files];
}

function* space(folder: string): Generator<Finding> {
  const { bavail, bsize } = statfsSync(folder);
  const text = `${Math.floor((bavail * bsize) / 1e6)} MB are free on its disk.`;
  yield bavail * bsize < FREE_BYTES_MIN
    ? finding(text, 'Make room: messages cannot be stored on a full disk.')
    : ok(text);
}

function* pins(folder: string): Generator<Finding> {
  const path = join(folder, 'servers.json');
  if (!existsSync(path)) return;
  try {
    const { servers } = JSON.parse(readPrivateFile(path) ?? '') as { readonly servers: object };
    yield ok(`Servers whose key is remembered: ${Object.keys(servers).length}.`);
  } catch {
    yield finding('servers.json is damaged.', 'Put back a copy; without it every server is taken for a new one.');
  }
}

async function accountFiles(folder: string, name: string, nowMs: number): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const what = `Account ${name.slice(0, 8)}`;
  try {
    if (readKeysFile(folder) === undefined) found.push(note(`${what} was never finished.`));
    else found.push(ok(`${what}: keys.json is readable.`));
  } catch (error) {
    const code = error instanceof SecureChatError ? error.code : 'INTERNAL';
    found.push(
      finding(`${what}: ${codes[code].text}`, 'Put back a backup of the profile, or log in with recovery words.'),
    );
  }
  const newestMs = Math.max(...readdirSync(folder).map((file) => statSync(join(folder, file)).mtimeMs));
  if (newestMs > nowMs + HOUR_MS) {
    const ahead = new Date(newestMs).toISOString();
    found.push(finding(`The clock of this machine is behind: ${what} was written at ${ahead}.`, 'Set the clock.'));
  }
  const log = join(folder, `${STORE_FILE}-wal`);
  if (existsSync(log) && statSync(log).size > LOG_BYTES_MAX)
    found.push(finding(`${what}: the write-ahead log has ${statSync(log).size} bytes.`, 'Start the client once.'));
  const lock = openAccountLock(folder);
  if (lock.kind === 'busy') {
    found.push(note(`${what} is open in process ${lock.holder ?? 'unknown'}; its store is not looked at.`));
    return found;
  }
  try {
    const problems = storeFileProblems(folder);
    found.push(...problems.map((text) => finding(`${what}: ${text}`, 'Put back a backup of the profile.')));
    if (problems.length === 0) found.push(ok(`${what}: store.db is sound.`));
  } finally {
    await lock.release();
  }
  return found;
}

/** The caller's password; nobody is taken over. */
async function inside(
  profileDirectory: string,
  { server, username, password }: { readonly server: string; readonly username: string; readonly password: string },
  nowMs: number,
): Promise<readonly Finding[]> {
  const folder = findAccount(profileDirectory, parseServerAddress(server), username);
  if (folder === undefined)
    return [finding(`There is no account of ${username} at this server.`, 'Check --server and --user.')];
  const keys = await unlockKeys({ directory: folder, password: normalisedPassword(password) });
  const lock = openAccountLock(folder);
  if (lock.kind === 'busy') {
    keys.wipe();
    return [finding(`${username} is open in another process.`, 'End it, and ask again for what is inside.')];
  }
  try {
    const store = await keys.open();
    const ledger = await Ledger.open(store, mlsEngine);
    try {
      return [await lifetime(ledger, nowMs), ...waiting(ledger, nowMs), ...past(ledger.failures)];
    } finally {
      await store.close();
      ledger.wipe();
    }
  } finally {
    keys.wipe();
    await lock.release();
  }
}

async function lifetime({ account }: Ledger, nowMs: number): Promise<Finding> {
  const { notAfterMs } = await ownCertificate(account);
  const text = `This device is certified until ${new Date(notAfterMs).toISOString().slice(0, 10)}.`;
  if (notAfterMs - nowMs >= WARNING_MS) return ok(text);
  const todo =
    account.passwordSlot.length > 0
      ? 'Log in while the server can be reached: that renews it.'
      : 'Log in with the recovery words in a new profile, or reset the keys: !resetkeys';
  return finding(`${text} Others refuse its keys from then on.`, todo);
}

function* waiting(ledger: Ledger, nowMs: number): Generator<Finding> {
  const unsent = [...ledger.outbox.values()].filter(({ acceptedMs }) => acceptedMs === 0);
  const oldest = Math.min(...unsent.map(({ createdMs }) => createdMs));
  if (unsent.length === 0) yield ok('Nothing waits to be sent.');
  else {
    const text = `${unsent.length} wait to be sent, the oldest since ${new Date(oldest).toISOString()}.`;
    yield nowMs - oldest > DAY_MS
      ? finding(text, 'Connect to the server; what it refuses shows as failed.')
      : note(text);
  }
  const parked = [...ledger.parked.values()];
  if (parked.length > 0) {
    const since = new Date(Math.min(...parked.map(({ parkedMs }) => parkedMs))).toISOString();
    yield finding(
      `${parked.length} received rows cannot be read yet, the oldest since ${since}.`,
      'They are tried again at each connection, and given up as missing in the end.',
    );
  }
  const halted = [...ledger.contacts.values()].filter((contact) => contact.changed);
  for (const { user } of halted)
    yield finding(`The identity of ${user} changed.`, `Compare the safety number with them: !verify ${user}`);
}

function* past(failures: readonly FailureRecord[]): Generator<Finding> {
  if (failures.length === 0) yield ok('No failure was recorded.');
  for (const { atMs, what, user, id, code, missing } of failures) {
    const at = new Date(atMs).toISOString();
    const whose = user === '' ? '' : ` with ${user}`;
    const event = {
      message: `a message${whose} failed`,
      gap: `${missing === 0 ? 'messages' : missing}${whose} are missing`,
      file: `a file${whose} failed`,
      session: 'the session ended',
    }[what];
    const text = `${at} ${event}: ${code}. ${codes[code].text}`;
    yield { level: 'note', text, todo: codes[code].hint, failure: { at, user, id, code } };
  }
}

function ok(text: string): Finding {
  return { level: 'ok', text };
}
function note(text: string): Finding {
  return { level: 'note', text };
}
function finding(text: string, todo: string): Finding {
  return { level: 'finding', text, todo };
}
