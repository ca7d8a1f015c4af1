/**
 * What an operator does with a data folder: invites, users. While a server runs, it does the work itself, asked over a
 * socket in the folder that only its owner can open; otherwise the store is opened for the one thing.
 *
 *     request := JSON {command, …} "\n"        answer := JSON {result} | {code, text} "\n"
 */
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { sha256, systemEntropy } from '@securechat/crypto';
import { defaultLimits, isCode, limits, normaliseUsername, SecureChatError, toBase64url } from '@securechat/wire';
import type { AccountId } from '@securechat/wire';
import { INVITE_BYTES, newInvite } from './core/invites.ts';
import type { AccountRecord } from './core/records.ts';
import { decodeRecord, encodeRecord } from './core/records.ts';
import { dataFiles, prepareDataFolder } from './data-folder.ts';
import { openStore } from './open-store.ts';
import { accountNamed, readRecord } from './shell/records.ts';
import { StartError } from './start-error.ts';
import type { Store } from './stores/port.ts';
import { DATABASE_FILE } from './stores/sqlite/index.ts';

export interface AdminInvite {
  readonly code: string;
  /** `securechat:` address, fingerprint and code; empty when the server never listened. */
  readonly link: string;
  readonly expiresMs: number;
  readonly uses: number;
}

export interface AdminUser {
  readonly username: string;
  readonly disabled: boolean;
  readonly devices: number;
}

export type AdminRequest =
  | { readonly command: 'invite'; readonly uses: number; readonly hours: number }
  | { readonly command: 'users' }
  | { readonly command: 'disable' | 'enable'; readonly username: string };

/** USAGE for numbers out of range. Defaults: one use, 24 hours. */
export function adminInvite(
  data: string,
  options: { readonly uses?: number; readonly hours?: number } = {},
): Promise<AdminInvite> {
  const { uses = 1, hours = 24 } = options;
  return ask(data, { command: 'invite', uses, hours }) as Promise<AdminInvite>;
}

/** Sorted by name. */
export function adminUsers(data: string): Promise<readonly AdminUser[]> {
  return ask(data, { command: 'users' }) as Promise<readonly AdminUser[]>;
}

/** NO_SUCH_USER, NAME_INVALID. Its connections end; mail for it is kept. */
export async function adminDisable(data: string, username: string): Promise<void> {
  await ask(data, { command: 'disable', username });
}

export async function adminEnable(data: string, username: string): Promise<void> {
  await ask(data, { command: 'enable', username });
}

/** What the commands need of a server, running or not. */
export interface AdminParts {
  readonly store: Store;
  readonly nowMs: () => number;
  /** The connections of an account that was disabled end. */
  readonly onDisabled: (account: AccountId) => void;
}

/** The key of the record with the address that invite links name. */
export const ADDRESS_KEY = 'address';

export async function runAdmin(request: AdminRequest, parts: AdminParts): Promise<unknown> {
  switch (request.command) {
    case 'invite':
      return makeInvite(request, parts);
    case 'users':
      return listUsers(parts.store);
    case 'disable':
      return setDisabled(request.username, true, parts);
    case 'enable':
      return setDisabled(request.username, false, parts);
  }
}

export async function makeInvite(
  { uses, hours }: { readonly uses: number; readonly hours: number },
  { store, nowMs }: Pick<AdminParts, 'store' | 'nowMs'>,
): Promise<AdminInvite> {
  const within = (value: number, max: number): boolean => Number.isInteger(value) && value >= 1 && value <= max;
  if (!within(uses, limits.inviteUsesMax.value) || !within(hours, limits.inviteHoursMax.value))
    throw new SecureChatError('USAGE', {
      text: `An invite has 1 to ${limits.inviteUsesMax.value} uses and 1 to ${limits.inviteHoursMax.value} hours.`,
    });
  const bytes = systemEntropy(INVITE_BYTES);
  const fresh = { code: toBase64url(bytes), hash: toBase64url(sha256(bytes)) };
  const { write, answer } = newInvite(fresh, { uses, hours }, nowMs());
  await store.put([write]);
  const address = (await store.get('server', [ADDRESS_KEY])).get(ADDRESS_KEY);
  const link = address === undefined ? '' : inviteLink(new TextDecoder().decode(address.value), answer.code);
  return { ...answer, link };
}

/** `address` with its fingerprint. */
export function inviteLink(address: string, code: string): string {
  return `securechat:${address}?invite=${code}`;
}

const PAGE = 200;

async function listUsers(store: Store): Promise<readonly AdminUser[]> {
  const users: AdminUser[] = [];
  for (let after = ''; ;) {
    const page = await store.list('account', '', after, PAGE);
    for (const stored of page) {
      const record = decodeRecord('account', stored)?.value;
      if (record !== undefined)
        users.push({ username: record.username, disabled: record.disabled, devices: record.devices.length });
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) break;
    after = last.key;
  }
  return users.sort((a, b) => (a.username < b.username ? -1 : 1));
}

async function setDisabled(name: string, disabled: boolean, { store, onDisabled }: AdminParts): Promise<null> {
  const username = normaliseUsername(name);
  for (;;) {
    const found = await accountNamed(store, username);
    const stored = found && (await readRecord(store, 'account', found.account));
    if (found === undefined || stored === undefined) throw new SecureChatError('NO_SUCH_USER');
    const record: AccountRecord = { ...stored.value, disabled };
    const value = encodeRecord('account', record);
    const { ok } = await store.put([{ space: 'account', key: found.account, ifVersion: stored.version, value }]);
    if (!ok) continue;
    if (disabled) onDisabled(found.account);
    return null;
  }
}

async function ask(data: string, request: AdminRequest): Promise<unknown> {
  // A mistyped path must not become a server without users.
  if (!existsSync(join(data, DATABASE_FILE)))
    throw new StartError(2, `There is no server in the data folder ${data}. Name its folder with --data.`);
  prepareDataFolder(data);
  const answer = await askRunning(join(data, dataFiles.adminSocket), request);
  if (answer instanceof SecureChatError) throw answer;
  if (answer !== undefined) return answer.result;
  const store = await openStore({ directory: data, limits: defaultLimits, onFatal: () => undefined });
  try {
    return await runAdmin(request, { store, nowMs: () => Date.now(), onDisabled: () => undefined });
  } finally {
    await store.close();
  }
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const ANSWER_MS = 10_000;

/** Undefined when nobody listens. */
function askRunning(
  path: string,
  request: AdminRequest,
): Promise<{ readonly result: unknown } | SecureChatError | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new SecureChatError('TIMEOUT')));
    socket.on('connect', () => socket.end(`${JSON.stringify(request)}\n`));
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      bytes += part.length;
      if (bytes > ANSWER_BYTES_MAX) socket.destroy(new SecureChatError('TOO_LARGE'));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (
        error.code === 'ENOENT' ||
        error.code === 'ECONNREFUSED' ||
        error.code === 'ENAMETOOLONG' ||
        error.code === 'EINVAL'
      )
        resolve(undefined);
      else reject(error);
    });
    socket.on('end', () => resolve(parseAnswer(Buffer.concat(parts).toString('utf8'))));
  });
}

function parseAnswer(text: string): { readonly result: unknown } | SecureChatError {
  // The server went away before it answered.
  if (text === '') return new SecureChatError('SHUTTING_DOWN');
  const answer = JSON.parse(text) as { readonly result?: unknown; readonly code?: unknown; readonly text?: string };
  if (!isCode(answer.code)) return { result: answer.result };
  return new SecureChatError(answer.code, answer.text === undefined ? {} : { text: answer.text });
}
