/**
 * Guarded days, by which mailboxes expire. They advance with the wall clock, but never faster than the monotonic clock of
 * the running server: a clock that jumps by a month expires nothing, and neither does a month switched off.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

const DAY_MS = 24 * 60 * 60 * 1000;

export class GuardedClock {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  #guardedMs = 0;
  #wallMs: number | undefined;
  #monotonicMs: number;

  constructor(db: DatabaseSync, monotonicMs: number) {
    this.#read = db.prepare('SELECT value FROM fact WHERE name = ?');
    this.#write = db.prepare('INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)');
    this.#monotonicMs = monotonicMs;
    this.reload();
  }

  /** After a rollback: what was not committed has not passed. */
  reload(): void {
    this.#guardedMs = Number(this.#read.get('guarded_ms')?.['value'] ?? 0);
  }

  get day(): number {
    return Math.floor(this.#guardedMs / DAY_MS);
  }

  /** To be called now and then while the server runs; the time between two calls counts once. */
  advance(wallMs: number, monotonicMs: number): void {
    const ran = Math.max(0, monotonicMs - this.#monotonicMs);
    const passed = this.#wallMs === undefined ? ran : Math.min(ran, Math.max(0, wallMs - this.#wallMs));
    this.#guardedMs += Math.floor(passed);
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    this.#write.run('guarded_ms', this.#guardedMs);
  }
}
