/**
 * Copies of the database: taken while a server runs, looked at, and made ready to be put back.
 *
 * A copy that is put back is older than what the world knows of the server. Whatever must not happen twice is taken out
 * of it: numbers get a new history, key packages and resumptions that may have been used since are gone.
 */
import { DatabaseSync, backup } from 'node:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StoredRecord } from '../port.ts';
import { StoreError } from '../port.ts';
import { failureOf } from './database.ts';
import { privateFile } from './folder.ts';
import { APPLICATION_ID, migrate, RANDOM_HISTORY, SCHEMA_VERSION } from './schema.ts';

/** The database's file in a data folder, and in a backup. */
export const DATABASE_FILE = 'securechat.db';

/** All pages in one step: a copy in several would begin anew with each commit of the server. */
const PAGES_AT_ONCE = 0x7fff_ffff;

/**
 * A consistent copy, `DATABASE_FILE` in `into`, of the database in the data folder `from`, whoever writes there at the
 * time: all that was committed before the call, nothing half. StoreError.
 */
export async function copyDatabase(from: string, into: string): Promise<void> {
  const target = privateFile(into, DATABASE_FILE);
  let source: DatabaseSync | undefined;
  try {
    source = toRead(join(from, DATABASE_FILE));
    await backup(source, target, { rate: PAGES_AT_ONCE });
    // One file without a log beside it, on the disk when this returns.
    const copy = new DatabaseSync(target);
    try {
      copy.exec('PRAGMA journal_mode = DELETE');
    } finally {
      copy.close();
    }
  } catch (error) {
    throw failureOf(error);
  } finally {
    source?.close();
  }
}

export interface DatabaseState {
  /** Sentences; none for a sound database of ours. */
  readonly problems: readonly string[];
  readonly schema: number;
  readonly accounts: number;
  readonly devices: number;
  /** Rows that wait in mailboxes. */
  readonly rows: number;
  readonly blobs: readonly StoredRecord[];
}

/** Looks at a database without changing it. A server may have it open. StoreError when it cannot be read at all. */
export function inspectDatabase(path: string): DatabaseState {
  let db: DatabaseSync | undefined;
  try {
    db = toRead(path);
    const state = read(db);
    return { ...state, problems: [...problemsOf(db, state.schema)] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== 'corrupt') throw failure;
    return { problems: ['The database is damaged.'], schema: 0, accounts: 0, devices: 0, rows: 0, blobs: [] };
  } finally {
    db?.close();
  }
}

function read(db: DatabaseSync): Omit<DatabaseState, 'problems'> {
  if (value(db, 'PRAGMA application_id') !== APPLICATION_ID)
    throw new StoreError('corrupt', { retry: 'never', outcome: 'none' });
  const blobs = db.prepare("SELECT key, version, value FROM record WHERE space = 'blob' ORDER BY key").all();
  return {
    schema: value(db, 'SELECT version FROM schema_version'),
    accounts: value(db, "SELECT count(*) FROM record WHERE space = 'account'"),
    devices: value(db, 'SELECT count(*) FROM device WHERE ended = 0'),
    rows: value(db, 'SELECT count(*) FROM mailbox'),
    blobs: blobs.map((row) => ({
      key: String(row['key']),
      version: Number(row['version']),
      value: row['value'] as Uint8Array,
    })),
  };
}

function* problemsOf(db: DatabaseSync, schema: number): Generator<string> {
  if (schema > SCHEMA_VERSION) yield `The database has schema ${schema}; this SecureChat knows ${SCHEMA_VERSION}.`;
  for (const row of db.prepare('PRAGMA integrity_check(5)').all())
    if (row['integrity_check'] !== 'ok') yield `The database is damaged: ${String(row['integrity_check'])}.`;
  const astray = value(
    db,
    'SELECT count(*) FROM mailbox WHERE body NOT IN (SELECT id FROM body) OR device NOT IN (SELECT row FROM device)',
  );
  if (astray > 0) yield `${astray} rows of mailboxes have lost their message or their device.`;
}

/** Makes a copy fit to be served again: see above. Idempotent. StoreError 'schema-newer', 'corrupt', 'full'. */
export function makeServable(path: string): void {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec('PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
    migrate(db);
    forgetFuture(db);
  } catch (error) {
    throw failureOf(error);
  } finally {
    db?.close();
  }
}

/** Of a copy that is older than the world: what must not happen twice goes. One transaction. */
export function forgetFuture(db: DatabaseSync): void {
  db.exec(`BEGIN IMMEDIATE;
    UPDATE fact SET value = ${RANDOM_HISTORY} WHERE name = 'history';
    DELETE FROM record WHERE space IN ('resumption', 'challenge', 'invite');
    UPDATE key_package SET package = NULL;
    COMMIT;`);
}

/** Without a log nobody has it open, and it is read without leaving files beside it. */
function toRead(path: string): DatabaseSync {
  if (existsSync(`${path}-wal`)) return new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return new DatabaseSync(url, { readOnly: true });
}

function value(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}
