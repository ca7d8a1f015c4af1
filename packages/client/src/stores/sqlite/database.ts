/** The door to node:sqlite: how a file of a profile is opened, and what its errors mean to a person. */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Code } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';

export type { DatabaseSync } from 'node:sqlite';

/** Owner only: a profile is nobody else's business. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** SQLite result codes (https://sqlite.org/rescode.html), primary ones. */
const meanings: ReadonlyMap<number, Code> = new Map([
  [3, 'PROFILE_UNWRITABLE'], // PERM
  [5, 'PROFILE_LOCKED'], // BUSY
  [6, 'PROFILE_LOCKED'], // LOCKED
  [8, 'PROFILE_UNWRITABLE'], // READONLY
  [10, 'PROFILE_UNWRITABLE'], // IOERR
  [11, 'PROFILE_DAMAGED'], // CORRUPT
  [13, 'PROFILE_UNWRITABLE'], // FULL
  [14, 'PROFILE_UNWRITABLE'], // CANTOPEN
  [26, 'PROFILE_DAMAGED'], // NOTADB
]);

const unwritable: ReadonlySet<unknown> = new Set([
  ...['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE'],
  // Something else lies where a folder or a file of the profile belongs.
  ...['ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'],
]);

/** What a failed read or write of a profile file means. INTERNAL for anything that is a fault of ours. */
export function profileError(cause: unknown): SecureChatError {
  if (cause instanceof SecureChatError) return cause;
  if (unwritable.has(property(cause, 'code'))) return new SecureChatError('PROFILE_UNWRITABLE', {}, { cause });
  return new SecureChatError(meanings.get(primaryCode(cause) ?? -1) ?? 'INTERNAL', {}, { cause });
}

/** True when the device itself failed: what is on it now is not known. */
export function isInputOutputError(cause: unknown): boolean {
  return primaryCode(cause) === 10;
}

/**
 * Opens or creates a database file, 0600 from its first moment on. No waiting: a file that another process holds is
 * PROFILE_LOCKED at the first statement.
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    // Created here rather than by SQLite, whose files follow the umask.
    closeSync(openSync(path, 'a', PRIVATE_FILE));
    chmodSync(path, PRIVATE_FILE);
    return new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false, allowExtension: false });
  } catch (cause) {
    throw profileError(cause);
  }
}

function primaryCode(cause: unknown): number | undefined {
  const code = property(cause, 'errcode');
  return typeof code === 'number' ? code & 0xff : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
