/**
 * The door to node:sqlite: how the database is opened, and what its errors mean here.
 *
 * WAL with `synchronous=FULL`: a commit is on the disk before it returns. `secure_delete`: what was acknowledged is
 * overwritten, not only unlinked.
 */
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../port.ts';
import { makeDataFolder, privateFile } from './folder.ts';
import { migrate } from './schema.ts';

export interface OpenedDatabase {
  readonly db: DatabaseSync;
  /** Checkpoints, closes, and lets the folder go. */
  close(): void;
}

/**
 * `logBytes`: how long the write-ahead log gets before it is moved into the database.
 * StoreErrors: 'in-use' when another process (or store) holds the folder, 'schema-newer', 'corrupt', 'full',
 * 'unavailable'.
 */
export function openDatabase(directory: string, logBytes: number): OpenedDatabase {
  let lock: DatabaseSync | undefined;
  let db: DatabaseSync | undefined;
  try {
    makeDataFolder(directory);
    lock = lockFolder(directory);
    db = new DatabaseSync(privateFile(directory, 'securechat.db'), { timeout: 2000 });
    // auto_vacuum before anything is written: free pages can be given back to a full disk (writer.ts).
    db.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
      PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;
      PRAGMA wal_autocheckpoint = ${Math.max(16, Math.floor(logBytes / 4096))};
      PRAGMA journal_size_limit = 67108864;`);
    migrate(db);
    const opened = db;
    const held = lock;
    return {
      db,
      close: () => {
        try {
          opened.exec('PRAGMA wal_checkpoint(TRUNCATE)');
        } finally {
          opened.close();
          held.close();
        }
      },
    };
  } catch (error) {
    db?.close();
    lock?.close();
    throw failureOf(error);
  }
}

/** An exclusive transaction on a file of its own: the kernel lets it go with the process, however that ends. */
function lockFolder(directory: string): DatabaseSync {
  const lock = new DatabaseSync(privateFile(directory, 'securechat.lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (resultCode(error) === SQLITE_BUSY) throw new StoreError('in-use', { retry: 'never', outcome: 'none' });
    throw error;
  }
}

const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;

/** https://sqlite.org/rescode.html: the lowest byte of an extended code is its primary code. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** What an error of a statement means for the caller. */
export function failureOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error;
  switch (resultCode(error)) {
    case SQLITE_FULL:
      return new StoreError('full', { retry: 'same', outcome: 'none', cause });
    case SQLITE_IOERR:
      return new StoreError('unavailable', { retry: 'same', outcome: 'unknown', cause });
    case SQLITE_BUSY:
    case SQLITE_CANTOPEN:
      return new StoreError('unavailable', { retry: 'same', outcome: 'none', cause });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new StoreError('corrupt', { retry: 'never', outcome: 'unknown', cause });
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
      return new StoreError('invalid', { retry: 'never', outcome: 'none', cause });
    default:
      return new StoreError('invalid', { retry: 'never', outcome: 'none', cause });
  }
}

/** After one of these nothing may be written any more: what the kernel kept of the failed write is not known. */
export function isFatal(error: StoreError): boolean {
  return error.code === 'corrupt' || (error.code === 'unavailable' && error.outcome === 'unknown');
}
