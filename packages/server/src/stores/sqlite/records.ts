/** Small versioned records. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AccountId } from '@securechat/wire';
import type { RecordSpace, RecordWrite, StoredRecord } from '../port.ts';

/** Above every character that a key may contain. */
const LAST = '\u{10FFFF}';

export class Records {
  readonly #get: StatementSync;
  readonly #version: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteRange: StatementSync;
  readonly #list: StatementSync;
  readonly #expire: StatementSync;

  constructor(db: DatabaseSync) {
    const live = '(expires_ms IS NULL OR expires_ms > ?)';
    this.#get = db.prepare(`SELECT key, version, value FROM record WHERE space = ? AND key = ? AND ${live}`);
    this.#version = db.prepare(`SELECT version FROM record WHERE space = ? AND key = ? AND ${live}`);
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO record (space, key, version, expires_ms, value) VALUES (?, ?, ?, ?, ?)',
    );
    this.#delete = db.prepare('DELETE FROM record WHERE space = ? AND key = ?');
    this.#deleteRange = db.prepare('DELETE FROM record WHERE space = ? AND key >= ? AND key < ?');
    this.#list = db.prepare(
      `SELECT key, version, value FROM record WHERE space = ? AND key >= ? AND key > ? AND key < ? AND ${live}
       ORDER BY key LIMIT ?`,
    );
    this.#expire = db.prepare(
      'DELETE FROM record WHERE row IN (SELECT row FROM record WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)',
    );
  }

  get(space: RecordSpace, keys: readonly string[], nowMs: number): StoredRecord[] {
    return keys
      .map((key) => this.#get.get(space, key, nowMs))
      .filter((row) => row !== undefined)
      .map(recordOf);
  }

  /** True when every `ifVersion` holds. Changes nothing. */
  allows(writes: readonly RecordWrite[], nowMs: number): boolean {
    return writes.every(({ space, key, ifVersion }) => {
      if (ifVersion === 'any') return true;
      return this.#versionOf(space, key, nowMs) === ifVersion;
    });
  }

  /** Only what `allows` holds to be right: a version that was named is the one that is there. */
  put(writes: readonly RecordWrite[], nowMs: number): void {
    for (const { space, key, ifVersion, value, expiresMs } of writes) {
      if (value === null) {
        this.#delete.run(space, key);
        continue;
      }
      const before = ifVersion === 'any' ? this.#versionOf(space, key, nowMs) : ifVersion;
      this.#put.run(space, key, before + 1, expiresMs ?? null, value);
    }
  }

  list(space: RecordSpace, prefix: string, after: string, limit: number, nowMs: number): StoredRecord[] {
    return this.#list.all(space, prefix, after, prefix + LAST, nowMs, limit).map(recordOf);
  }

  /** What belongs to the account under its id, or under its id and a suffix. */
  removeOf(account: AccountId): void {
    for (const space of ['account', 'vault'] as const) this.#delete.run(space, account);
    this.#deleteRange.run('counter', account, account + LAST);
  }

  /** How many were removed, at most `rowsMax`. */
  expire(nowMs: number, rowsMax: number): number {
    return Number(this.#expire.run(nowMs, rowsMax).changes);
  }

  /** 0 for none. */
  #versionOf(space: RecordSpace, key: string, nowMs: number): number {
    return Number(this.#version.get(space, key, nowMs)?.['version'] ?? 0);
  }
}

function recordOf(row: Record<string, unknown>): StoredRecord {
  return { key: String(row['key']), version: Number(row['version']), value: row['value'] as Uint8Array };
}
