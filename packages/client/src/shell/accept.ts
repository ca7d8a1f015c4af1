/**
 * From the mailbox to the screen, one row after the other. Everything a row changes (message or parked row, group state,
 * cursor) is one commit; then it is shown and acknowledged. What cannot be read yet is parked; what never can be is a
 * visible gap.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { importRsaPrivate, openerOf, wipe } from '@securechat/crypto';
import type { SealedOpener } from '@securechat/crypto';
import { decryptRow, joinDirect, openInvitation } from '@securechat/e2ee';
import type { DecryptedContent, OpenedInvitation } from '@securechat/e2ee';
import type { ClientId, Code, Deliver, GroupId, MailboxSeq } from '@securechat/wire';
import { codeOf, control, decodeMessage, idOf, limits, SecureChatError, toBase64url } from '@securechat/wire';
import { groupOf, sendingGroup, withAccepted } from '../core/lineage.ts';
import { noteChainNumber } from '../core/order.ts';
import type { ConversationRecord } from '../core/record-conversation.ts';
import type { KeyPackageRecord } from '../core/record-key-package.ts';
import type { ParkedRecord } from '../core/record-parked.ts';
import { overdue } from '../core/record-parked.ts';
import type { LedgerChange } from './ledger.ts';
import type { OpenAccount } from './open-account.ts';
import { queueCommit } from './queue.ts';
import { readContent } from './read-content.ts';
import { giveUp } from './settle.ts';

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
/** How long a message of a device that left the list may still be on its way. */
const LATE_MS = 60_000;

/** What a row comes to. `after` runs once `changes` and the cursor are on disk. */
interface Outcome {
  readonly changes: readonly LedgerChange[];
  after(): void;
  /** Cannot be processed yet. */
  readonly park?: boolean;
}

const nothing: Outcome = { changes: [], after: () => undefined };

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
    const outcome = await this.#read(row);
    if (outcome.park === true) return;
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
      await ledger.commit([{ drop: 'parked', key: row.seq }]);
      this.#gap(row.group, 1, 'UNDECRYPTABLE');
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
   * Many messages of one person, one commit. Ends before the first row that is more than a text or a receipt: that one
   * goes its own way. Resolves with the number of rows stored.
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
        const read = await this.#readContent(user, conversation, result, noted.fresh);
        for (const change of read.changes)
          if ('put' in change && change.put === 'conversation') conversation = change.value;
          else changes.push(change);
        record = { ...record, state: result.state, received: noted.received };
        told.push(() => {
          wipe(...result.wipe);
          if (noted.missing > 0) this.#gap(group, noted.missing, 'GAP');
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
      const read = await this.#read(row);
      const parked: LedgerChange[] =
        read.park === true ? [{ put: 'parked', value: { row, parkedMs: this.#account.nowMs() } }] : [];
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
    this.#gap(undefined, missing, 'GAP');
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
    this.#gap(undefined, upTo - cursor, 'GAP');
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

  /** What the server itself wrote and cannot be read never will be. */
  async #read(row: Deliver): Promise<Outcome> {
    try {
      return await this.#readKind(row);
    } catch (error) {
      if (error instanceof SecureChatError && error.code === 'MALFORMED') return this.#unreadable(row);
      throw error;
    }
  }

  #readKind(row: Deliver): Promise<Outcome> {
    switch (row.kind) {
      case 'message':
      case 'commit':
        return this.#readInGroup(row);
      case 'invitation':
        return this.#readInvitation(row);
      case 'bounce':
        return this.#readBounce(row);
      case 'resync':
        return this.#readMissing(row, 'RESYNC_REQUIRED');
      case 'expired':
        return this.#readMissing(row, 'EXPIRED');
    }
  }

  async #readInGroup(row: Deliver): Promise<Outcome> {
    const account = this.#account;
    const { ledger } = account;
    const user = ledger.userOfGroup(row.group);
    // Its invitation may still come.
    if (user === undefined) return { ...nothing, park: true };
    const record = await ledger.group(row.group);
    const contact = ledger.contacts.get(user);
    if (record === undefined || contact === undefined) return this.#unreadable(row);
    const me = await account.people.me();
    const people = [me.person, await account.people.bundle(contact)];
    const result = decryptRow({
      engine: account.mls,
      group: row.group,
      state: record.state,
      row: row.kind === 'commit' ? 'commit' : 'message',
      ciphertext: row.payload,
      people,
      nowMs: account.nowMs(),
    });
    if (result.kind === 'refused') {
      if (result.park) return { ...nothing, park: true };
      // Seen before: nothing is missing.
      return result.reason === 'replayed' || result.reason === 'own' ? nothing : this.#unreadable(row);
    }
    const conversation = ledger.conversation(user);
    if (result.kind === 'commit') {
      const lineage = conversation.lineage.map((facts) =>
        facts.group === row.group ? { ...facts, epoch: result.epoch } : facts,
      );
      const spent = record.pending === undefined ? result.wipe : [...result.wipe, record.pending];
      return {
        changes: [
          { put: 'group', value: { ...record, state: result.state, pending: undefined } },
          { put: 'conversation', value: { ...conversation, lineage } },
        ],
        after: () => {
          wipe(...spent);
          account.dispatch({ kind: 'lineage', user, lineage });
          this.retryParked(row.group);
        },
      };
    }
    const { device } = result.author;
    if (!result.author.listed && this.#tooLate(user, row.group)) return this.#unreadable(row);
    const noted = noteChainNumber(record.received, device, result.content.chainNumber);
    const read = await this.#readContent(user, conversation, result, noted.fresh);
    return {
      changes: [{ put: 'group', value: { ...record, state: result.state, received: noted.received } }, ...read.changes],
      after: () => {
        wipe(...result.wipe);
        if (noted.missing > 0) this.#gap(row.group, noted.missing, 'GAP');
        read.after();
      },
    };
  }

  /**
   * A device that left its owner's list may have written before it did. Not any more once the conversation goes on in
   * another group, nor long after the new list came: then the one who holds its keys is a thief.
   */
  #tooLate(user: string, group: GroupId): boolean {
    const { ledger, people } = this.#account;
    const { lineage } = ledger.conversation(user);
    if (sendingGroup(lineage.filter((facts) => facts.group !== group)) !== undefined) return true;
    const droppedMs = people.droppedMs(user);
    return droppedMs !== undefined && !this.behind && this.#account.nowMs() - droppedMs > LATE_MS;
  }

  #readContent(
    user: string,
    conversation: ConversationRecord,
    decrypted: DecryptedContent,
    fresh: boolean,
  ): Promise<Outcome> {
    const { account: author } = decrypted.author;
    // In a direct conversation a content of ours comes from another device of this account.
    if (author === this.#account.ledger.account.account) return Promise.resolve(nothing);
    return readContent(this.#account, user, conversation, { content: decrypted.content, fresh });
  }

  async #readInvitation(row: Deliver): Promise<Outcome> {
    const account = this.#account;
    const { account: invitee, server, sealing } = account.ledger.account;
    const opened = await openInvitation({
      sealed: row.payload,
      group: row.group,
      invitee,
      openers: [openerFrom(sealing)],
      server,
      nowMs: account.nowMs(),
      entropy: account.entropy,
    });
    if (opened.kind === 'refused') return this.#unreadable(row);
    const user = opened.inviter.account.username;
    return account.serial.run(user, async () => {
      const outcome = await this.#join(row, user, opened);
      // The commit belongs into the queue of the conversation: nothing may change it in between.
      await account.ledger.commit([...outcome.changes, ...this.#cursorAt(row)]);
      outcome.after();
      return nothing;
    });
  }

  async #join(row: Deliver, user: string, opened: OpenedInvitation): Promise<Outcome> {
    const account = this.#account;
    const { ledger, mls } = account;
    const conversation = ledger.conversation(user);
    if (groupOf(conversation.lineage, row.group) !== undefined) return nothing;
    const adopted = await account.people.adopt(account, opened.inviter).catch((error: unknown) => {
      if (error instanceof SecureChatError && error.code === 'CERTIFICATE_REJECTED') return undefined;
      throw error;
    });
    const keys = this.#keyPackageFor(mls.welcomedReferences(opened.welcome) ?? []);
    if (adopted === undefined || keys === undefined) {
      wipe(...opened.wipe);
      return this.#unreadable(row);
    }
    const me = await account.people.me();
    const inviter = opened.inviter;
    const { keyPackage, secrets } = keys;
    const nowMs = account.nowMs();
    const joined = joinDirect({
      engine: mls,
      me,
      invitation: opened,
      inviter,
      keyPackage,
      secrets: secrets.slice(),
      nowMs,
    });
    if (joined.kind === 'refused') {
      wipe(...opened.wipe);
      return this.#unreadable(row);
    }
    const { group, generation, epoch } = joined;
    // What adopting changed in the chain of groups counts.
    const changed = adopted.changes.find((change) => 'put' in change && change.put === 'conversation');
    const base =
      changed !== undefined && 'put' in changed && changed.put === 'conversation' ? changed.value : conversation;
    const facts = {
      group,
      generation,
      ownSequence: me.person.account.sequence,
      peerSequence: inviter.account.sequence,
      epoch,
      chainAccepted: 0,
      // Its first keys may have encrypted something already: it is read, and a successor is written in.
      state: row.seq <= this.#joinedBeforeUpTo ? ('dead' as const) : ('live' as const),
    };
    const value = { ...base, lineage: [...base.lineage, facts] };
    const { lastResort } = keys;
    return {
      changes: [
        ...adopted.changes,
        {
          put: 'group',
          value: { group, user, state: joined.state, pending: undefined, received: [], ownKeysMs: nowMs },
        },
        { put: 'conversation', value },
        ...(lastResort ? [] : [{ drop: 'keyPackage', value: keys } as const]),
      ],
      after: () => {
        wipe(...joined.wipe);
        if (!lastResort) wipe(keys.secrets);
        adopted.after();
        account.dispatch({ kind: 'lineage', user, lineage: value.lineage });
        this.retryParked(group);
        // A last-resort package serves many: its keys are renewed before anything is written.
        if (lastResort) void account.serial.run(user, () => queueCommit(account, user)).catch(() => undefined);
      },
    };
  }

  #keyPackageFor(references: readonly Uint8Array[]): KeyPackageRecord | undefined {
    for (const reference of references) {
      const record = this.#account.ledger.keyPackages.get(toBase64url(reference));
      if (record !== undefined) return record;
    }
    return undefined;
  }

  async #readBounce(row: Deliver): Promise<Outcome> {
    const { id, code } = decodeMessage(control.Bounce, row.payload);
    const account = this.#account;
    const sent = account.ledger.outboxBySubmit(idOf<ClientId>(id));
    // A commit is nobody's message: whatever is said of it, its answer counts.
    if (sent === undefined || sent.kind === 'commit') return nothing;
    return this.#serially(sent.user, row, async () => {
      const now = account.ledger.outboxBySubmit(idOf<ClientId>(id));
      if (now?.sealed === undefined) return nothing;
      // Stored and sent back, and its acceptance never came: the core still waits for an answer.
      const { user, order, acceptedMs, sealed } = now;
      const conversation = account.ledger.conversation(user);
      const lineage = acceptedMs > 0 ? conversation.lineage : withAccepted(conversation.lineage, sealed);
      await giveUp(account, now, codeOf(code), [
        ...(acceptedMs > 0 ? [] : [{ put: 'conversation', value: { ...conversation, lineage } } as const]),
        ...this.#cursorAt(row),
      ]);
      if (acceptedMs > 0) return nothing;
      account.answer(order, { kind: 'failed', code: codeOf(code) });
      account.dispatch({ kind: 'settled', user, order, lineage });
      return nothing;
    });
  }

  async #readMissing(row: Deliver, code: Code): Promise<Outcome> {
    const { count } = decodeMessage(control.Missing, row.payload);
    return { changes: [], after: () => this.#gap(row.group, count, code) };
  }

  #serially<T>(user: string, row: Deliver, work: () => Promise<T>): Promise<T> {
    // Already in the queue of this conversation where the row named its group.
    const held = row.kind !== 'invitation' && this.#account.ledger.userOfGroup(row.group) === user;
    return held ? work() : this.#account.serial.run(user, work);
  }

  /** Only forward: a parked row that is read now is older than the cursor. */
  #cursorAt(row: Deliver): LedgerChange[] {
    return row.seq > this.#account.ledger.cursor ? [{ put: 'cursor', value: row.seq }] : [];
  }

  #unreadable(row: Deliver): Outcome {
    return { changes: [], after: () => this.#gap(row.group, 1, 'UNDECRYPTABLE') };
  }

  #gap(group: GroupId | undefined, missing: number, code: Code): void {
    const user = group === undefined ? undefined : this.#account.ledger.userOfGroup(group);
    this.#account.emit({ kind: 'gap', conversation: user === undefined ? '' : `@${user}`, missing, code });
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

function openerFrom(pkcs8: Uint8Array): SealedOpener {
  return openerOf(importRsaPrivate('sealing', pkcs8.slice()));
}
