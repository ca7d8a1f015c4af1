/** Who blocks whom, and who wrote to whom (both ways: contacts). */
import type { AccountId } from '@securechat/wire';
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Pairs remembered as written already, so that a conversation costs one write and not one a message. */
const WROTE_KEPT_MAX = 20_000;

export class Blocks {
  readonly #max: number;
  readonly #one: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #wrote: StatementSync;
  readonly #hasWritten: StatementSync;
  readonly #contacts: StatementSync;
  readonly #removals: readonly StatementSync[];
  readonly #noted = new Set<string>();

  constructor(db: DatabaseSync, blocksMax: number) {
    this.#max = blocksMax;
    this.#one = db.prepare('SELECT quiet FROM block WHERE owner = ? AND other = ?');
    this.#all = db.prepare('SELECT other, quiet FROM block WHERE owner = ? ORDER BY other');
    this.#count = db.prepare('SELECT count(*) AS blocks FROM block WHERE owner = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO block (owner, other, quiet) VALUES (?, ?, ?)');
    this.#delete = db.prepare('DELETE FROM block WHERE owner = ? AND other = ?');
    this.#wrote = db.prepare('INSERT OR IGNORE INTO wrote (account, peer) VALUES (?, ?)');
    this.#hasWritten = db.prepare('SELECT 1 FROM wrote WHERE account = ? AND peer = ?');
    this.#contacts = db.prepare(
      `SELECT mine.peer FROM wrote AS mine JOIN wrote AS theirs ON theirs.account = mine.peer AND theirs.peer = mine.account
       WHERE mine.account = ? ORDER BY mine.peer`,
    );
    this.#removals = [
      db.prepare('DELETE FROM block WHERE owner = ?1 OR other = ?1'),
      db.prepare('DELETE FROM wrote WHERE account = ?1 OR peer = ?1'),
    ];
  }

  /** What `owner` holds against `other`. */
  of(owner: AccountId, other: AccountId): 'none' | 'blocked' | 'quiet' {
    const row = this.#one.get(owner, other);
    if (row === undefined) return 'none';
    return row['quiet'] === 1 ? 'quiet' : 'blocked';
  }

  set(owner: AccountId, other: AccountId, blocked: boolean, quiet: boolean): boolean {
    if (!blocked) {
      this.#delete.run(owner, other);
      return true;
    }
    const full = Number(this.#count.get(owner)?.['blocks']) >= this.#max;
    if (full && this.#one.get(owner, other) === undefined) return false;
    this.#put.run(owner, other, quiet ? 1 : 0);
    return true;
  }

  list(owner: AccountId): { readonly account: AccountId; readonly quiet: boolean }[] {
    return this.#all
      .all(owner)
      .map((row) => ({ account: String(row['other']) as AccountId, quiet: row['quiet'] === 1 }));
  }

  noteWrote(account: AccountId, peer: AccountId): void {
    const pair = account + peer;
    if (this.#noted.has(pair)) return;
    this.#wrote.run(account, peer);
    this.#noted.add(pair);
  }

  hasWritten(account: AccountId, peer: AccountId): boolean {
    return this.#noted.has(account + peer) || this.#hasWritten.get(account, peer) !== undefined;
  }

  contacts(account: AccountId): AccountId[] {
    return this.#contacts.all(account).map((row) => String(row['peer']) as AccountId);
  }

  removeOf(account: AccountId): void {
    for (const statement of this.#removals) statement.run(account);
    this.#noted.clear();
  }

  trim(): void {
    if (this.#noted.size > WROTE_KEPT_MAX) this.#noted.clear();
  }

  forget(): void {
    this.#noted.clear();
  }
}
