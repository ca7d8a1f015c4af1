/**
 * From the mailbox to the screen, one row after the other. Everything a row changes (message or parked row, group state,
 * cursor) is one commit; then it is shown and acknowledged. What cannot be read yet is parked; what never can be is a
 * visible gap.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { wipe } from '@securechat/crypto';
import { decryptRow } from '@securechat/e2ee';
import type { DecryptedContent } from '@securechat/e2ee';
import type { Code, Deliver, GroupId, MailboxSeq } from '@securechat/wire';
import { control, decodeMessage, limits, SecureChatError } from '@securechat/wire';
import { noteChainNumber } from '../core/order.ts';
import type { ParkedRecord } from '../core/record-parked.ts';
import { overdue } from '../core/record-parked.ts';
import type { LedgerChange } from './ledger-change.ts';
import type { OpenAccount } from './open-account.ts';
import { contentOutcome, readRow } from './read-row.ts';
import type { Gap } from './row-outcome.ts';
import { unreadable } from './row-outcome.ts';

const ofTheDisk: ReadonlySet<Code> = new Set<Code>(['PROFILE_UNWRITABLE', 'OUTCOME_UNKNOWN']);
/** After a full disk: how long to wait before the same row is tried again. */
const RETRY_MS = 1_000;
/** Rows processed between two acknowledgements while more are waiting. */
const ACK_ROWS = 32;
/** Messages of one conversation that share a commit while more are waiting. */
const RUN_ROWS = 32;
/** A server that announced rows and sends none: after this long they count as lost, and writing waits no longer. */
const BACKLOG_SILENCE_MS = 8_000;
const ROLLED_BACK_SILENCE_MS = 1_000;

export class Inbox {
  readonly #account: OpenAccount;
  readonly #rows: Deliver[] = [];
  readonly #later: (() => void)[] = [];
  #running = false;
  #unacked = 0;
  /** The last mailbox number of the backlog at attach; undefined once it was read. */
  #backlogUpTo: number | undefined;
  #silence: NodeJS.Timeout | undefined;
  #silenceMs: number = BACKLOG_SILENCE_MS;
  /** Numbers up to here that have not come were shown as a gap already. */
  #toldUpTo = 0;
  /** The row whose gap was shown last. */
  #toldOf: Deliver | undefined;
  /** Invitations up to here may have been read, and written under, in the lost future of an old copy. */
  #joinedBeforeUpTo = 0;
  /** The highest submit number of that future. */
  #raise = 0;

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /** A new link: rows not processed yet come again. */
  attached({ mailboxNext, submitNumberHighest }: control.Attached, rolledBack: boolean): void {
    this.#rows.length = 0;
    this.#unacked = 0;
    this.#backlogUpTo = mailboxNext - 1;
    // An old copy of the profile acknowledged rows that it does not know of: they do not come again.
    this.#silenceMs = rolledBack ? ROLLED_BACK_SILENCE_MS : BACKLOG_SILENCE_MS;
    this.#toldUpTo = 0;
    this.#joinedBeforeUpTo = rolledBack ? mailboxNext - 1 : 0;
    this.#raise = rolledBack ? submitNumberHighest : 0;
    if (!this.behind) this.#account.ledger.raise('submitNumber', this.#raise);
    this.#awaitBacklog();
  }

  /** True while rows that lay in the mailbox at attach are still unread. */
  get behind(): boolean {
    return this.#backlogUpTo !== undefined && this.#account.ledger.cursor < this.#backlogUpTo;
  }

  /** An old copy of the profile may have joined by this invitation before, and written under it. */
  joinedBefore({ seq }: Deliver): boolean {
    return seq <= this.#joinedBeforeUpTo;
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
    clearTimeout(this.#silence);
    this.#wake();
    while (this.#running) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** When every row that is here now has been processed. */
  rowsDone(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#later.push(resolve));
  }

  /** A commit or a join may have made them readable. Runs between rows. */
  retryParked(group: GroupId): void {
    void this.#retry(({ row }) => row.group === group);
  }

  /** What could not be read for a reason that may have passed. */
  retryAllParked(): Promise<void> {
    return this.#retry(() => true);
  }

  async #retry(which: (parked: ParkedRecord) => boolean): Promise<void> {
    const account = this.#account;
    const rows = [...account.ledger.parked.values()].filter(which);
    rows.sort((a, b) => a.row.seq - b.row.seq);
    for (const { row } of rows) {
      if (account.ended()) return;
      // It stays, to be tried again.
      await this.#inConversation(row, () => this.#readParked(row)).catch(() => undefined);
    }
  }

  async #readParked(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (!ledger.parked.has(row.seq)) return;
    const outcome = await readRow(this.#account, row);
    if (outcome.park === true) return;
    this.#tell(row, outcome.gap);
    await ledger.commit([...outcome.changes, { drop: 'parked', key: row.seq }]);
    outcome.after();
  }

  /** Of a group, in order. */
  #parkedOf(group: GroupId): readonly Deliver[] {
    const rows = [...this.#account.ledger.parked.values()].map(({ row }) => row);
    return rows.filter((row) => row.group === group).sort((a, b) => a.seq - b.seq);
  }

  /** Parked rows that waited too long become gaps. */
  async giveUpParked(): Promise<void> {
    const { ledger } = this.#account;
    for (const { row } of overdue([...ledger.parked.values()], this.#account.nowMs())) {
      this.#tell(row, unreadable(row).gap);
      await ledger.commit([{ drop: 'parked', key: row.seq }]);
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let row = this.#rows[0]; row !== undefined && !this.#account.ended(); row = this.#rows[0]) {
        const room = this.#account.room(this.behind);
        if (room !== undefined) {
          await this.#unlessEnded(room);
          continue;
        }
        const run = this.#plainRun();
        const done = run.length < 2 ? 0 : await this.#acceptRun(run).catch(() => 0);
        if (done === 0) await this.#store(row);
        // A new link starts over with rows of its own.
        const count = this.#rows[0] === row ? this.#rows.splice(0, Math.max(1, done)).length : 1;
        this.#acknowledge(count);
      }
    } finally {
      this.#running = false;
    }
    for (const work of this.#later.splice(0)) work();
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

  /** Messages at the head of the queue that belong to one group and follow each other without a gap. */
  #plainRun(): readonly Deliver[] {
    const { ledger } = this.#account;
    const first = this.#rows[0];
    if (first === undefined || ledger.userOfGroup(first.group) === undefined) return [];
    const end = this.#rows.findIndex(
      (row, at) => row.kind !== 'message' || row.group !== first.group || row.seq !== ledger.cursor + 1 + at,
    );
    return this.#rows.slice(0, Math.min(RUN_ROWS, end === -1 ? this.#rows.length : end));
  }

  /**
   * Many messages of one person, one commit. Ends before the first row that is more than a text or a receipt, or comes
   * after a gap: that one goes its own way. Resolves with the number of rows stored.
   */
  #acceptRun(rows: readonly Deliver[]): Promise<number> {
    const account = this.#account;
    const { ledger } = account;
    const [{ group }] = rows as readonly [Deliver];
    const user = ledger.userOfGroup(group) ?? '';
    return account.serial.run(user, async () => {
      const contact = ledger.contacts.get(user);
      let record = await ledger.group(group);
      if (record === undefined || contact === undefined || this.#parkedOf(group).length > 0) return 0;
      const me = await account.people.me();
      const people = [me.person, await account.people.bundle(contact)];
      let conversation = ledger.conversation(user);
      const changes: LedgerChange[] = [];
      const told: (() => void)[] = [];
      const ids = new Set<string>();
      let stored = 0;
      for (const row of rows) {
        const { mls: engine } = account;
        const input = { engine, group, state: record.state, people, nowMs: account.nowMs() };
        const result = decryptRow({ ...input, row: 'message', ciphertext: row.payload });
        if (result.kind !== 'content' || !isPlain(result, ids)) break;
        ids.add(result.content.id);
        const noted = noteChainNumber(record.received, result.author.device, result.content.chainNumber);
        if (noted.missing > 0) break;
        const read = await contentOutcome(account, user, conversation, result, noted.fresh);
        for (const change of read.changes)
          if ('put' in change && change.put === 'conversation') conversation = change.value;
          else changes.push(change);
        record = { ...record, state: result.state, received: noted.received };
        told.push(() => {
          wipe(...result.wipe);
          read.after();
        });
        stored += 1;
      }
      const last = rows[stored - 1];
      if (last === undefined) return 0;
      await ledger.commit([
        ...changes,
        { put: 'group', value: record },
        { put: 'conversation', value: conversation },
        { put: 'cursor', value: last.seq },
      ]);
      for (const tell of told) tell();
      return stored;
    });
  }

  async #accept(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (row.seq <= ledger.cursor) return;
    const queued = row.kind !== 'invitation' && ledger.userOfGroup(row.group) !== undefined;
    this.#tellMissingBefore(row);
    const outcome = await this.#inConversation(row, async () => {
      // A commit of ours may have made them readable in this moment: they came first, and are shown first.
      for (const earlier of queued ? this.#parkedOf(row.group) : [])
        await this.#readParked(earlier).catch(() => undefined);
      const read = await readRow(this.#account, row);
      const parked: LedgerChange[] =
        read.park === true ? [{ put: 'parked', value: { row, parkedMs: this.#account.nowMs() } }] : [];
      this.#tell(row, read.gap);
      await ledger.commit([...read.changes, ...parked, { put: 'cursor', value: row.seq }]);
      read.after();
      return read;
    });
    if (outcome.park === true) await this.giveUpParked();
  }

  /** Before the cursor moves past it on the disk: after a power cut in between nobody would hear of it. */
  #tellMissingBefore(row: Deliver): void {
    const last = firstNumberOf(row) - 1;
    const missing = last - Math.max(this.#account.ledger.cursor, this.#toldUpTo);
    if (missing <= 0) return;
    this.#toldUpTo = last;
    this.#show({ group: undefined, missing, code: 'GAP' });
  }

  /** Once, however often storing has to be tried. */
  #tell(row: Deliver, gap: Gap | undefined): void {
    if (gap === undefined || this.#toldOf === row) return;
    this.#toldOf = row;
    this.#show(gap);
  }

  #show({ group, missing, code }: Gap): void {
    const user = group === undefined ? undefined : this.#account.ledger.userOfGroup(group);
    this.#account.emit({ kind: 'gap', conversation: user === undefined ? '' : `@${user}`, missing, code });
  }

  async #park(row: Deliver): Promise<void> {
    const { ledger } = this.#account;
    if (row.seq <= ledger.cursor) return;
    this.#tellMissingBefore(row);
    const value = { row, parkedMs: this.#account.nowMs() };
    await ledger.commit([
      { put: 'parked', value },
      { put: 'cursor', value: row.seq },
    ]);
    await this.giveUpParked();
  }

  #acknowledge(rows: number): void {
    this.#unacked += rows;
    const caughtUp = this.#backlogUpTo !== undefined && !this.behind;
    if (this.#rows.length === 0 || this.#unacked >= ACK_ROWS || caughtUp) {
      this.#unacked = 0;
      this.#account.link()?.ack(this.#account.ledger.cursor as MailboxSeq);
    }
    if (caughtUp) this.#caughtUp();
    else if (this.#backlogUpTo !== undefined) this.#awaitBacklog();
  }

  #caughtUp(): void {
    clearTimeout(this.#silence);
    this.#backlogUpTo = undefined;
    this.#account.ledger.raise('submitNumber', this.#raise);
    this.#account.dispatch({ kind: 'caught-up' });
  }

  #awaitBacklog(): void {
    clearTimeout(this.#silence);
    if (!this.behind) return;
    this.#silence = setTimeout(() => void this.#askForBacklog(), this.#silenceMs);
    this.#silence.unref();
  }

  /**
   * Silence alone proves nothing: the connection may be dead, or slow. Rows that were sent come ahead of the answer to a
   * question that was asked after them.
   */
  async #askForBacklog(): Promise<void> {
    const { ledger } = this.#account;
    const link = this.#account.link();
    const { cursor } = ledger;
    const upTo = this.#backlogUpTo;
    if (this.#account.ended() || link === undefined || upTo === undefined) return;
    if (this.#running) return this.#awaitBacklog();
    const alive = await link.request('listBlocks', {}).then(
      () => true,
      (error: unknown) =>
        error instanceof SecureChatError && error.code !== 'TIMEOUT' && error.code !== 'CONNECTION_LOST',
    );
    if (this.#account.ended() || this.#account.link() !== link || this.#backlogUpTo !== upTo) return;
    if (!alive) return link.close();
    if (this.#running || ledger.cursor !== cursor) return this.#awaitBacklog();
    this.#show({ group: undefined, missing: upTo - cursor, code: 'GAP' });
    this.#toldUpTo = upTo;
    this.#caughtUp();
  }

  /** The queue of the conversation that a row belongs to, as far as that is known before opening it. */
  #inConversation<T>(row: Deliver, work: () => Promise<T>): Promise<T> {
    const user = this.#account.ledger.userOfGroup(row.group);
    // An invitation names its conversation inside: it enters the queue itself.
    if (user === undefined || row.kind === 'invitation') return work();
    return this.#account.serial.run(user, work);
  }
}

/** A row that stands for expired ones says itself how many are gone: their numbers are no second gap. */
function firstNumberOf({ kind, seq, payload }: Deliver): number {
  if (kind !== 'expired') return seq;
  try {
    return Math.min(seq, decodeMessage(control.Missing, payload).from);
  } catch {
    return seq;
  }
}

/** A text or a delivery receipt of a listed device, not yet in this run: nothing that another row's reading depends on. */
function isPlain({ author, content }: DecryptedContent, ids: ReadonlySet<string>): boolean {
  const { body } = content;
  const plain = body.kind === 'text' || (body.kind === 'receipt' && body.read.length === 0);
  return author.listed && plain && !ids.has(content.id);
}
