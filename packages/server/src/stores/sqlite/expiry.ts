/** The sweep: expired records at once, expired mailbox rows once per guarded day. */
import type { Limits } from '@securechat/wire';
import type { AppendedRow, Maintained } from '../port.ts';
import type { GuardedClock } from './clock.ts';
import type { Mailboxes } from './mailboxes.ts';
import type { Records } from './records.ts';

/** Work between two looks at the budget. */
const RECORDS_AT_ONCE = 200;
const ROWS_AT_ONCE = 500;

export interface ExpiryParts {
  readonly limits: Limits;
  readonly clock: GuardedClock;
  readonly mailboxes: Mailboxes;
  readonly records: Records;
}

export class Expiry {
  readonly #parts: ExpiryParts;
  /** Mailboxes were swept for this first day to keep; none since the start. */
  #sweptFor = -1;
  /** Where the sweep of now stands: the row number of the last device done. */
  #at = 0;

  constructor(parts: ExpiryParts) {
    this.#parts = parts;
  }

  run(nowMs: number, monotonicMs: number, budgetMs: number): Maintained {
    const rows: AppendedRow[] = [];
    return { more: this.#sweep(nowMs, monotonicMs, budgetMs, rows), rows };
  }

  #sweep(nowMs: number, monotonicMs: number, budgetMs: number, bounces: AppendedRow[]): boolean {
    const { clock, mailboxes, records, limits } = this.#parts;
    const endsAt = performance.now() + budgetMs;
    clock.advance(nowMs, monotonicMs);
    while (records.expire(nowMs, RECORDS_AT_ONCE) === RECORDS_AT_ONCE) if (performance.now() >= endsAt) return true;

    const dayFirst = clock.day - limits.mailboxDays;
    if (dayFirst <= 0 || dayFirst <= this.#sweptFor) return false;
    for (;;) {
      const next = mailboxes.nextWithRows(this.#at);
      if (next === undefined) break;
      const now = { storedAtMs: nowMs, day: clock.day };
      for (;;) {
        const expired = mailboxes.expire(next.device, dayFirst, ROWS_AT_ONCE, now);
        if (expired === undefined) break;
        bounces.push(...expired);
        if (performance.now() >= endsAt) return true;
      }
      this.#at = next.row;
      if (performance.now() >= endsAt) return true;
    }
    this.#sweptFor = dayFirst;
    this.#at = 0;
    return false;
  }

  /** After a rollback: sweep again. */
  forget(): void {
    this.#sweptFor = -1;
    this.#at = 0;
  }
}
