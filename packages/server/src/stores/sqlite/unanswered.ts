/**
 * How many messages an account wrote today to people who never wrote back, whoever they are: one number, in memory alone.
 * What a rollback takes back stays counted.
 */
import type { AccountId } from '@securechat/wire';
import type { DayCount } from '../../core/records.ts';
import { countToday, todayOf } from '../../core/records.ts';

export class Unanswered {
  /** One entry for each account that wrote so today. */
  readonly #counts = new Map<AccountId, DayCount>();
  #day = 0;

  today(account: AccountId, nowMs: number): number {
    return todayOf(this.#counts.get(account), nowMs);
  }

  note(account: AccountId, nowMs: number): void {
    const count = countToday(this.#counts.get(account), nowMs, Infinity);
    if (count === undefined) return;
    if (count.day !== this.#day) this.#counts.clear();
    this.#day = count.day;
    this.#counts.set(account, count);
  }
}
