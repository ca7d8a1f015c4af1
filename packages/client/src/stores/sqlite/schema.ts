/**
 * The tables of store.db and how an older file becomes a newer one. Steps are numbered by `user_version`, run once each,
 * forward only; a step that was released is never changed.
 */
import { SecureChatError } from '@securechat/wire';
import type { DatabaseSync } from './database.ts';

/** 'ScS1': tells a SecureChat store from any other SQLite file. */
export const APPLICATION_ID = 0x53635331;

const steps: readonly string[] = [
  `CREATE TABLE record (
     collection INTEGER NOT NULL,
     tag BLOB NOT NULL,
     value BLOB NOT NULL
   );
   CREATE UNIQUE INDEX record_tag ON record (collection, tag);
   CREATE TABLE message (
     position INTEGER PRIMARY KEY,
     conversation BLOB NOT NULL,
     tag BLOB NOT NULL UNIQUE,
     value BLOB NOT NULL
   );
   CREATE INDEX message_conversation ON message (conversation, position);`,
];

export const SCHEMA_VERSION: number = steps.length;

/** Brings the file to this program's schema in one transaction. SCHEMA_NEWER, PROFILE_DAMAGED (not a store of ours). */
export function migrate(database: DatabaseSync): void {
  const version = pragma(database, 'user_version');
  const application = pragma(database, 'application_id');
  if (version > SCHEMA_VERSION) throw new SecureChatError('SCHEMA_NEWER');
  if (version > 0 && application !== APPLICATION_ID)
    throw new SecureChatError('PROFILE_DAMAGED', { text: 'store.db is not a SecureChat store.' });
  if (version === SCHEMA_VERSION) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const step of steps.slice(version)) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** True for a file in which no step has run. */
export function isEmptyStore(database: DatabaseSync): boolean {
  return pragma(database, 'user_version') === 0;
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}
