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

  /** A group at a time: two retries at once must not show a later row before an earlier one. */
  async #retry(which: (parked: ParkedRecord) => boolean): Promise<void> {
    const account = this.#account;
    const rows = [...account.ledger.parked.values()].filter(which).map(({ row }) => row);
    rows.sort((a, b) => a.seq - b.seq);
    const seen = new Set<GroupId>();
    for (const row of rows) {
      if (account.ended()) return;
      // It enters the queue by itself.
      const alone = row.kind === 'invitation';
      if (!alone && seen.has(row.group)) continue;
      if (!alone) seen.add(row.group);
      await inConversation(account, row, () => (alone ? this.#try(row) : this.#tryAll(row.group)));
    }
  }

  async #tryAll(group: GroupId): Promise<void> {
    for (const row of this.of(group)) if (row.kind !== 'invitation') await this.#try(row);
  }

  /** Where it fails it stays, to be tried again. */
  #try(row: Deliver): Promise<void> {
    return this.read(row).catch(() => undefined);
  }
}
