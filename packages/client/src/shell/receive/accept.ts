/**
 * From the mailbox to the screen, one row after the other. Everything a row changes (message or parked row, group state,
 * cursor) is one commit; then it is shown and acknowledged. What cannot be read yet is parked; what never can be is a
 * visible gap.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Code, control, Deliver, MailboxSeq } from '@securechat/wire';
import { limits, SecureChatError } from '@securechat/wire';
import { acceptRun, plainRun } from './accept-run.ts';
import { Backlog } from './backlog.ts';
import { Gaps } from './gaps.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { Parked } from './parked.ts';
import { inConversation, readRow } from './read-row.ts';

const ofTheDisk: ReadonlySet<Code> = new Set<Code>(['PROFILE_UNWRITABLE', 'OUTCOME_UNKNOWN']);
/** After a full disk: how long to wait before the same row is tried again. */
const RETRY_MS = 1_000;
/** Rows processed between two acknowledgements while more are waiting. */
const ACK_ROWS = 32;

export class Inbox {
  readonly parked: Parked;
  readonly backlog: Backlog;
  readonly #account: OpenAccount;
  readonly #gaps: Gaps;
  readonly #rows: Deliver[] = [];
  readonly #later: (() => void)[] = [];
  #running = false;
  #unacked = 0;

  constructor(account: OpenAccount) {
    this.#account = account;
    this.#gaps = new Gaps(account);
    this.parked = new Parked(account, this.#gaps);
    this.backlog = new Backlog(account, this.#gaps, () => this.#running);
  }

  /** A new link: rows not processed yet come again. */
  attached(answer: control.Attached, rolledBack: boolean): void {
    this.#rows.length = 0;
    this.#unacked = 0;
    this.#gaps.attached();
    this.backlog.attached(answer, rolledBack);
  }

  push(row: Deliver): void {
    // Beyond the window of the protocol: a server that does not count would fill the memory.
    if (this.#rows.length >= limits.deliverRowsInFlightMax.value) return this.#account.link()?.close();
    this.#rows.push(row);
    void this.#run();
  }

  /** The end of the account cuts the waiting short. */
  async #unlessEnded(promise: Promise<unknown>): Promise<void> {
    const { promise: woken, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await Promise.race([promise, woken]);
  }
  #wake: () => void = () => undefined;

  /**
   * Before an attach: what is under way is stored or left to come again, so that the cursor stands still while the server
   * counts from it. A row of the connection before would otherwise move it past rows that a server which was put back
   * gave the same numbers.
   */
  async pause(): Promise<void> {
    this.#rows.length = 0;
    await this.idle();
  }

  /** When the row under way is done, after the account has ended. */
  async idle(): Promise<void> {
    this.backlog.stop();
    this.#wake();
    while (this.#running) await this.rowsDone();
  }

  /** When every row that is here now has been processed. */
  rowsDone(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#later.push(resolve));
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let row = this.#rows[0]; row !== undefined && !this.#account.ended(); row = this.#rows[0]) {
        const room = this.#account.room(this.backlog.behind);
        if (room !== undefined) {
          await this.#unlessEnded(room);
          continue;
        }
        const run = plainRun(this.#account, this.#rows);
        const done = run.length < 2 ? 0 : await acceptRun(this.#account, run).catch(() => 0);
        if (done === 0) await this.#store(row);
        // A new link starts over with rows of its own.
        const count = this.#rows[0] === row ? this.#rows.splice(0, Math.max(1, done)).length : 1;
        this.#acknowledge(count);
      }
    } finally {
      this.#running = false;
      for (const work of this.#later.splice(0)) work();
    }
  }

  /**
   * Until it is on disk: a full disk delays everything behind it, and loses nothing. A row whose reading fails otherwise
   * (certificates that have expired, damage, a bug of ours) must not stop all that come after it: it is parked as it is.
   */
  async #store(row: Deliver): Promise<void> {
    let unreadable = false;
    for (;;) {
      try {
        await (unreadable ? this.#park(row) : this.#accept(row));
        return;
      } catch (error) {
        if (this.#account.ended() || this.#rows[0] !== row) return;
        const full = error instanceof SecureChatError && ofTheDisk.has(error.code);
        const first = !full && !unreadable;
        unreadable ||= !full;
        // A timer left behind by the end of the account holds nothing up.
        if (!first) await this.#unlessEnded(delay(RETRY_MS, undefined, { ref: false }));
      }
    }
  }

  async #accept(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (row.seq <= ledger.cursor) return;
    const queued = row.kind !== 'invitation' && ledger.userOfGroup(row.group) !== undefined;
    this.#gaps.tellMissingBefore(row);
    const outcome = await inConversation(this.#account, row, async () => {
      // A commit of ours may have made them readable in this moment: they came first, and are shown first.
      for (const earlier of queued ? this.parked.of(row.group) : [])
        await this.parked.read(earlier).catch(() => undefined);
      const read = await readRow(this.#account, row);
      const parked: LedgerChange[] =
        read.park === true ? [{ put: 'parked', value: { row, parkedMs: this.#account.nowMs() } }] : [];
      this.#gaps.tell(row, read.gap);
      await ledger.commit([...read.changes, ...parked, { put: 'cursor', value: row.seq }]);
      read.after();
      return read;
    });
    if (outcome.park === true) await this.parked.giveUp();
  }

  async #park(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (row.seq <= ledger.cursor) return;
    this.#gaps.tellMissingBefore(row);
    const value = { row, parkedMs: this.#account.nowMs() };
    await ledger.commit([
      { put: 'parked', value },
      { put: 'cursor', value: row.seq },
    ]);
    await this.parked.giveUp();
  }

  #acknowledge(rows: number): void {
    this.#unacked += rows;
    if (this.#rows.length === 0 || this.#unacked >= ACK_ROWS || this.backlog.justRead) {
      this.#unacked = 0;
      this.#account.link()?.ack(this.#account.ledger.cursor as MailboxSeq);
    }
    this.backlog.advanced();
  }
}
