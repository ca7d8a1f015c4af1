/** The file of a store as it lies there, without its key: copied as a whole, and looked at for damage. */
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SecureChatError } from '@securechat/wire';
import { openDatabase, profileError } from './database.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts';

export const STORE_FILE = 'store.db';

/** In one step: nobody else has the file open. */
const PAGES_AT_ONCE = 0x7fff_ffff;

/** A copy of all that was committed, its log included, durable when it resolves. The caller holds the account's lock. */
export async function copyStoreFile(from: string, to: string): Promise<void> {
  let source: DatabaseSync | undefined;
  try {
    openDatabase(to).close();
    source = toRead(from);
    await backup(source, to, { rate: PAGES_AT_ONCE });
    const copy = new DatabaseSync(to);
    try {
      copy.exec('PRAGMA journal_mode = DELETE');
    } finally {
      copy.close();
    }
    const file = openSync(to, 'r');
    fsyncSync(file);
    closeSync(file);
  } catch (cause) {
    throw profileError(cause);
  } finally {
    source?.close();
  }
}

/** Sentences about the store in an account's folder; none when it is sound. Reads all of it, changes nothing. */
export function storeFileProblems(folder: string): readonly string[] {
  const path = join(folder, STORE_FILE);
  if (!existsSync(path)) return ['store.db is missing.'];
  let database: DatabaseSync | undefined;
  try {
    database = toRead(path);
    const pragma = (name: string): unknown => Object.values(database?.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    if (pragma('application_id') !== APPLICATION_ID) return ['store.db is not a SecureChat store.'];
    if (Number(pragma('user_version')) > SCHEMA_VERSION) return ['store.db was written by a newer SecureChat.'];
    const verdict = pragma('integrity_check(1)');
    return verdict === 'ok' ? [] : [`store.db is damaged: ${String(verdict)}.`];
  } catch (cause) {
    const error = profileError(cause);
    if (error.code !== 'PROFILE_DAMAGED') throw error;
    return [new SecureChatError('PROFILE_DAMAGED', { text: 'store.db is damaged.' }).message];
  } finally {
    database?.close();
  }
}

/** A log beside the file belongs to it, and is moved into it; without one the file is read without leaving a trace. */
function toRead(path: string): DatabaseSync {
  if (existsSync(`${path}-wal`)) return new DatabaseSync(path, { timeout: 0 });
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return new DatabaseSync(url, { readOnly: true });
}
