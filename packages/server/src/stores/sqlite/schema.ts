/**
 * The schema, as numbered steps that only go forward. A released step never changes; a change is a new step.
 *
 * Ids are text (22 characters of base64url). Devices have a row number of their own, because hot rows name them.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../port.ts';

/** 'SCht', so that `file` and we ourselves can tell this database from another one. */
export const APPLICATION_ID = 0x53436874;

/** A name for the history that mailbox numbers belong to; no secret. */
export const RANDOM_HISTORY = 'abs(random() % 140737488355328)';

const steps: readonly string[] = [
  // 1: the first schema
  `
  CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- change: +1 whenever devices or identity of the account change; groups remember it from their founding
  CREATE TABLE person (account TEXT PRIMARY KEY, sequence INTEGER NOT NULL, change INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- AUTOINCREMENT: a row number that a stored body names must never mean another device
  CREATE TABLE device (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    mailbox_next INTEGER NOT NULL DEFAULT 1,
    mailbox_rows INTEGER NOT NULL DEFAULT 0,
    mailbox_bytes INTEGER NOT NULL DEFAULT 0,
    submit_highest INTEGER NOT NULL DEFAULT 0,
    forgotten_below INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX device_account ON device (account);

  -- mailbox_rows: how many rows point here; shared: it was more than one once; day: guarded day of storing (clock.ts)
  CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    mailbox_rows INTEGER NOT NULL,
    shared INTEGER NOT NULL,
    day INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    client TEXT NOT NULL,
    mls_group TEXT NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE mailbox (
    device INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (device, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE resync (
    device INTEGER NOT NULL,
    mls_group TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (device, mls_group)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dedupe (
    device INTEGER NOT NULL,
    client TEXT NOT NULL,
    submit_number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (device, client)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE mls_group (
    id TEXT PRIMARY KEY,
    slot BLOB NOT NULL,
    generation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    founder TEXT NOT NULL,
    founder_change INTEGER NOT NULL,
    peer TEXT NOT NULL,
    peer_change INTEGER NOT NULL,
    devices TEXT NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX group_slot ON mls_group (slot, generation);
  CREATE INDEX group_founder ON mls_group (founder);
  CREATE INDEX group_peer ON mls_group (peer);
  CREATE TABLE slot (slot BLOB PRIMARY KEY, mls_group TEXT NOT NULL, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE capsule (
    mls_group TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    capsule BLOB NOT NULL,
    UNIQUE (mls_group, epoch)
  ) STRICT;

  CREATE TABLE block (
    owner TEXT NOT NULL,
    other TEXT NOT NULL,
    quiet INTEGER NOT NULL,
    PRIMARY KEY (owner, other)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX block_other ON block (other);
  CREATE TABLE wrote (account TEXT NOT NULL, peer TEXT NOT NULL, PRIMARY KEY (account, peer)) STRICT, WITHOUT ROWID;
  CREATE INDEX wrote_peer ON wrote (peer);

  -- A package that was handed out keeps its hash and loses its bytes: a repeated upload cannot bring it back.
  CREATE TABLE key_package (
    row INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    hash BLOB NOT NULL,
    package BLOB,
    UNIQUE (device, hash)
  ) STRICT;
  CREATE INDEX key_package_stock ON key_package (device) WHERE package IS NOT NULL;
  CREATE TABLE last_resort (device INTEGER PRIMARY KEY, package BLOB NOT NULL) STRICT;

  CREATE TABLE record (
    row INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_ms INTEGER,
    value BLOB NOT NULL,
    UNIQUE (space, key)
  ) STRICT;
  CREATE INDEX record_expires ON record (expires_ms) WHERE expires_ms IS NOT NULL;
  `,
  // 2: a name for the history that mailbox numbers belong to, below 2^47; put-back.ts draws another
  `INSERT INTO fact VALUES ('history', ${RANDOM_HISTORY});`,
];

/** The schema that this program writes. */
export const SCHEMA_VERSION: number = steps.length;

/**
 * Brings a database to `SCHEMA_VERSION`, each step in a transaction of its own. Throws StoreError 'schema-newer' for one
 * written by a newer program and 'corrupt' for a file that is not ours; both leave it untouched.
 */
export function migrate(db: DatabaseSync): void {
  const owner = pragma(db, 'application_id');
  const objects = db.prepare('SELECT count(*) AS objects FROM sqlite_schema').get()?.['objects'];
  if (owner !== APPLICATION_ID && (owner !== 0 || objects !== 0))
    throw new StoreError('corrupt', { retry: 'never', outcome: 'none', cause: new Error('not a SecureChat database') });
  if (owner === 0)
    inTransaction(db, () => {
      db.exec(`PRAGMA application_id = ${APPLICATION_ID};
        CREATE TABLE schema_version (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
        INSERT INTO schema_version VALUES (1, 0);`);
    });
  const version = Number(db.prepare('SELECT version FROM schema_version').get()?.['version']);
  if (version > SCHEMA_VERSION) throw new StoreError('schema-newer', { retry: 'never', outcome: 'none' });
  for (const [index, step] of steps.entries())
    if (index >= version)
      inTransaction(db, () => {
        db.exec(step);
        db.prepare('UPDATE schema_version SET version = ?').run(index + 1);
      });
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN EXCLUSIVE');
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}
