/** Rows that were taken and cannot be read yet: tried again when something changed, given up as gaps in the end. */
import type { Deliver, GroupId } from '@securechat/wire';
import type { ParkedRecord } from '../../core/record-parked.ts';
import { overdue } from '../../core/record-parked.ts';
import type { Gaps } from './gaps.ts';
import type { OpenAccount } from '../open-account.ts';
import { inConversation, readRow } from './read-row.ts';
import { unreadable } from './row-outcome.ts';

export class Parked {
  readonly #account: OpenAccount;
  readonly #gaps: Gaps;

  constructor(account: OpenAccount, gaps: Gaps) {
    this.#account = account;
    this.#gaps = gaps;
  }

  /** A commit or a join may have made them readable. Runs between rows. */
  retry(group: GroupId): void {
    void this.#retry(({ row }) => row.group === group);
  }

  /** What could not be read for a reason that may have passed. */
  retryAll(): Promise<void> {
    return this.#retry(() => true);
  }

  /** Of a group, in order. */
  of(group: GroupId): readonly Deliver[] {
    const rows = [...this.#account.ledger.parked.values()].map(({ row }) => row);
    return rows.filter((row) => row.group === group).sort((a, b) => a.seq - b.seq);
  }

  /** In the queue of its conversation. */
  async read(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (!ledger.parked.has(row.seq)) return;
    const outcome = await readRow(this.#account, row);
    if (outcome.park === true) return;
    this.#gaps.tell(row, outcome.gap);
    await ledger.commit([...outcome.changes, { drop: 'parked', key: row.seq }]);
    outcome.after();
  }

  /** What waited too long becomes a gap. */
  async giveUp(): Promise<void> {
    const { ledger } = this.#account;
    for (const { row } of overdue([...ledger.parked.values()], this.#account.nowMs())) {
      this.#gaps.tell(row, unreadable(row).gap);
      await ledger.commit([{ drop: 'parked', key: row.seq }]);
    }
  }

  async #retry(which: (parked: ParkedRecord) => boolean): Promise<void> {
    const account = this.#account;
    const rows = [...account.ledger.parked.values()].filter(which);
    rows.sort((a, b) => a.row.seq - b.row.seq);
    for (const { row } of rows) {
      if (account.ended()) return;
      // It stays, to be tried again.
      await inConversation(account, row, () => this.read(row)).catch(() => undefined);
    }
  }
}
