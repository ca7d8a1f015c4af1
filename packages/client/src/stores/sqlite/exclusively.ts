/**
 * Locks between processes. The kernel releases them when the holder ends, however it ends, so there is no stale lock and
 * no guessing by process id: a database file held in an exclusive transaction.
 */
import type { DatabaseSync } from './database.ts';
import { openDatabase, profileError } from './database.ts';

const WAIT_MS = 5_000;

/** Runs a few milliseconds of work that no other process does at the same time. PROFILE_LOCKED after 5 s. */
export function exclusively<T>(path: string, work: () => T): T {
  const database = openDatabase(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${WAIT_MS}; BEGIN EXCLUSIVE`);
    return work();
  } catch (cause) {
    throw profileError(cause);
  } finally {
    database.close();
  }
}

export interface HeldFile {
  /** Idempotent. */
  release(): void;
}

/** Takes the file for as long as this process lives or until `release`; undefined when another holder has it. */
export function holdFile(path: string): HeldFile | undefined {
  const database = openDatabase(path);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    const error = profileError(cause);
    if (error.code === 'PROFILE_LOCKED') return undefined;
    throw error;
  }
  return { release: () => close(database) };
}

function close(database: DatabaseSync): void {
  if (database.isOpen) database.close();
}
