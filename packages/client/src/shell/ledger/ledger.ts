/**
 * The records of an open account: typed, the small ones in memory, every change durable before it shows. One `commit` is
 * one transaction of the store, and the write-ahead point of whatever it describes.
 */
import type { MlsEngine } from '@securechat/e2ee';
import type { AccountId, ClientId, GroupId, MessageId } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { AccountRecord, CountersRecord } from '../../core/record-account.ts';
import { accountRecord, countersRecord, cursorRecord, historyRecord, noCounters } from '../../core/record-account.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import { contactRecord } from '../../core/record-contact.ts';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import { conversationRecord, emptyConversation } from '../../core/record-conversation.ts';
import type { FailureRecord } from '../../core/record-failure.ts';
import { FAILURES_KEPT, failureKey, failureRecord } from '../../core/record-failure.ts';
import type { KeyPackageRecord } from '../../core/record-key-package.ts';
import { keyPackageKey, keyPackageRecord } from '../../core/record-key-package.ts';
import type { MessageRecord } from '../../core/record-message.ts';
import { messageRecord } from '../../core/record-message.ts';
import type { OutboxRecord } from '../../core/record-outbox.ts';
import { outboxKey, outboxRecord } from '../../core/record-outbox.ts';
import type { ParkedRecord } from '../../core/record-parked.ts';
import { parkedKey, parkedRecord } from '../../core/record-parked.ts';
import type { TransferRecord } from '../../core/record-transfer.ts';
import { transferRecord } from '../../core/record-transfer.ts';
import type { ClientStore, StoreChange } from '../../stores/port.ts';
import type { Drop, Kind, Kinds, LedgerChange, Put } from './ledger-change.ts';
import type { OpenGroup } from './open-groups.ts';
import { OpenGroups } from './open-groups.ts';
import type { Kept } from './rows.ts';
import { Cell, Rows } from './rows.ts';
import type { Serial } from '../serial.ts';

const SELF = 'self';

export class Ledger {
  readonly #store: ClientStore;
  readonly #groups: OpenGroups;
  readonly #userOfAccount = new Map<AccountId, string>();
  readonly #userOfGroup = new Map<GroupId, string>();
  readonly #orderOfSubmit = new Map<ClientId, number>();
  readonly #orderOfMessage = new Map<MessageId, number>();
  readonly #account = new Cell(SELF, accountRecord);
  readonly #successor = new Cell('successor', accountRecord);
  readonly #cursor = new Cell('cursor', cursorRecord);
  readonly #history = new Cell('history', historyRecord);
  readonly #counters = new Cell('counters', countersRecord);
  #countersDirty = false;
  readonly #contacts = new Rows<string, ContactRecord>({
    collection: 'contact',
    codec: contactRecord,
    keyOf: ({ user }) => user,
    text: (user) => user,
    onChange: (before, now) => {
      if (before !== undefined) this.#userOfAccount.delete(before.account);
      if (now !== undefined) this.#userOfAccount.set(now.account, now.user);
    },
  });
  readonly #conversations = new Rows<string, ConversationRecord>({
    collection: 'conversation',
    codec: conversationRecord,
    keyOf: ({ user }) => user,
    text: (user) => user,
    onChange: (before, now) => {
      if (before?.lineage === now?.lineage) return;
      for (const { group } of before?.lineage ?? []) this.#userOfGroup.delete(group);
      for (const { group } of now?.lineage ?? []) this.#userOfGroup.set(group, now?.user ?? '');
    },
  });
  readonly #keyPackages = new Rows<string, KeyPackageRecord>({
    collection: 'keyPackage',
    codec: keyPackageRecord,
    keyOf: ({ reference }) => keyPackageKey(reference),
    text: (key) => key,
  });
  readonly #outbox = new Rows<number, OutboxRecord>({
    collection: 'outbox',
    codec: outboxRecord,
    keyOf: ({ order }) => order,
    text: outboxKey,
    onChange: (before, now) => {
      if (before?.sealed !== undefined) this.#orderOfSubmit.delete(before.sealed.id);
      if (now?.sealed !== undefined) this.#orderOfSubmit.set(now.sealed.id, now.order);
      // A message that is sent again has a later row.
      if (now !== undefined) this.#orderOfMessage.set(now.message, now.order);
      else if (before !== undefined && this.#orderOfMessage.get(before.message) === before.order)
        this.#orderOfMessage.delete(before.message);
    },
  });
  readonly #parked = new Rows<number, ParkedRecord>({
    collection: 'parked',
    codec: parkedRecord,
    keyOf: ({ row }) => row.seq,
    text: parkedKey,
  });
  readonly #transfers = new Rows<MessageId, TransferRecord>({
    collection: 'transfer',
    codec: transferRecord,
    keyOf: ({ id }) => id,
    text: (id) => id,
  });
  readonly #failures = new Rows<number, FailureRecord>({
    collection: 'failure',
    codec: failureRecord,
    keyOf: ({ number }) => number,
    text: failureKey,
  });
  readonly #kept: { readonly [K in Kind]: Kept<Kinds[K]['key'], Kinds[K]['value']> };

  private constructor(store: ClientStore, mls: MlsEngine) {
    this.#store = store;
    this.#groups = new OpenGroups(store, mls);
    this.#kept = {
      account: this.#account,
      successor: this.#successor,
      cursor: this.#cursor,
      history: this.#history,
      contact: this.#contacts,
      conversation: this.#conversations,
      group: this.#groups,
      keyPackage: this.#keyPackages,
      outbox: this.#outbox,
      parked: this.#parked,
      transfer: this.#transfers,
      failure: this.#failures,
    };
  }

  /** PROFILE_DAMAGED, SCHEMA_NEWER. */
  static async open(store: ClientStore, mls: MlsEngine): Promise<Ledger> {
    const ledger = new Ledger(store, mls);
    const cells = [ledger.#account, ledger.#successor, ledger.#counters, ledger.#cursor, ledger.#history];
    const rows = [ledger.#contacts, ledger.#conversations, ledger.#keyPackages, ledger.#outbox];
    const more = [ledger.#parked, ledger.#transfers, ledger.#failures];
    for (const part of [...cells, ...rows, ...more]) await part.load(store);
    if (ledger.#account.value === undefined) throw new SecureChatError('PROFILE_DAMAGED');
    return ledger;
  }

  get account(): AccountRecord {
    const { value } = this.#account;
    if (value === undefined) throw new SecureChatError('PROFILE_DAMAGED');
    return value;
  }
  get successor(): AccountRecord | undefined {
    return this.#successor.value;
  }
  get counters(): CountersRecord {
    return this.#counters.value ?? noCounters;
  }
  get cursor(): number {
    return this.#cursor.value ?? 0;
  }
  /** The history of the server that the cursor is a number of; undefined before the first attach. */
  get history(): number | undefined {
    return this.#history.value;
  }
  get contacts(): ReadonlyMap<string, ContactRecord> {
    return this.#contacts.all;
  }
  get conversations(): ReadonlyMap<string, ConversationRecord> {
    return this.#conversations.all;
  }
  get keyPackages(): ReadonlyMap<string, KeyPackageRecord> {
    return this.#keyPackages.all;
  }
  get outbox(): ReadonlyMap<number, OutboxRecord> {
    return this.#outbox.all;
  }
  get parked(): ReadonlyMap<number, ParkedRecord> {
    return this.#parked.all;
  }
  get transfers(): ReadonlyMap<MessageId, TransferRecord> {
    return this.#transfers.all;
  }
  /** Oldest first. */
  get failures(): readonly FailureRecord[] {
    return [...this.#failures.all.values()];
  }
  conversation(user: string): ConversationRecord {
    return this.conversations.get(user) ?? emptyConversation(user);
  }
  userOfAccount(account: AccountId): string | undefined {
    return this.#userOfAccount.get(account);
  }
  userOfGroup(group: GroupId): string | undefined {
    return this.#userOfGroup.get(group);
  }
  outboxBySubmit(id: ClientId): OutboxRecord | undefined {
    return this.outbox.get(this.#orderOfSubmit.get(id) ?? -1);
  }
  outboxByMessage(id: MessageId): OutboxRecord | undefined {
    return this.outbox.get(this.#orderOfMessage.get(id) ?? -1);
  }
  /**
   * To change a group, whoever reads it does so in the serial queue of its user, from here to the commit. Undefined for
   * one that is not here, or whose state is of an engine that is gone.
   */
  group(group: GroupId): Promise<OpenGroup | undefined> {
    return this.#groups.get(group);
  }
  /** Groups that were not used for long leave the memory, wiped, when the queue of their person is free. */
  leaveThrough(queues: Serial): void {
    this.#groups.whenFree = (user, leave) => void queues.run(user, async () => leave());
  }
  hasMessage(user: string, id: MessageId): Promise<boolean> {
    return this.#store.hasMessage(user, id);
  }
  async message(user: string, id: MessageId): Promise<MessageRecord | undefined> {
    const value = await this.#store.message(user, id);
    return value === undefined ? undefined : messageRecord.decode(value);
  }
  async messages(
    user: string,
    options: { readonly before?: string; readonly limit: number },
  ): Promise<readonly MessageRecord[]> {
    return (await this.#store.messages(user, options)).map(({ value }) => messageRecord.decode(value));
  }

  /** The next of a device-wide number; stored with the next commit, which the caller makes before using it. */
  next(counter: keyof CountersRecord): number {
    const value = this.counters[counter] + 1;
    this.raise(counter, value);
    return value;
  }

  /** Lifts a counter that the server has seen higher. */
  raise(counter: keyof CountersRecord, least: number): void {
    if (this.counters[counter] >= least) return;
    this.#counters.remember({ ...this.counters, [counter]: least });
    this.#countersDirty = true;
  }

  /** All or nothing, durable when it resolves; what is read here changes then. PROFILE_UNWRITABLE, OUTCOME_UNKNOWN. */
  async commit(changes: readonly LedgerChange[]): Promise<void> {
    const writes = changes.flatMap((change) => this.#encode(change));
    if (this.#countersDirty) {
      // Encoded in the moment of the call: commits apply in this order, so the highest number is written last.
      writes.push(...this.#counters.put(this.counters));
      this.#countersDirty = false;
    }
    if (writes.length === 0) return;
    try {
      await this.#store.commit(writes);
    } catch (error) {
      this.#countersDirty = true;
      throw error;
    } finally {
      for (const write of writes) if ('value' in write) write.value.fill(0);
    }
    for (const change of changes)
      if ('drop' in change) this.#forget(change);
      else if (change.put !== 'message') this.#remember(change);
  }

  /** Remembers a failure; the oldest beyond what is kept goes. */
  async noteFailure(failure: Omit<FailureRecord, 'number'>): Promise<void> {
    const numbers = [...this.#failures.all.keys()];
    const value = { ...failure, number: (numbers.at(-1) ?? 0) + 1 };
    // Before the disk has it: two at once must not share a number.
    this.#failures.remember(value);
    const old = numbers.slice(0, Math.max(0, numbers.length + 1 - FAILURES_KEPT));
    await this.commit([{ put: 'failure', value }, ...old.map((key): LedgerChange => ({ drop: 'failure', key }))]);
  }

  /** The private keys in memory; nothing can be read or written afterwards. */
  wipe(): void {
    for (const record of [this.account, this.successor]) {
      record?.signing.fill(0);
      record?.sealing.fill(0);
    }
    for (const { secrets } of this.keyPackages.values()) secrets.fill(0);
    this.#groups.wipe();
  }

  #encode(change: LedgerChange): readonly StoreChange[] {
    if ('drop' in change) return this.#drop(change);
    if (change.put !== 'message') return this.#put(change);
    const { user, value } = change;
    return [{ kind: 'message', conversation: user, id: value.id, value: messageRecord.encode(value) }];
  }

  // Generic each: only so the compiler sees that a kind and its value belong together.
  #put<K extends Kind>({ put, value }: Put<K>): readonly StoreChange[] {
    return this.#kept[put].put(value);
  }
  #drop<K extends Kind>({ drop, key }: Drop<K>): readonly StoreChange[] {
    return this.#kept[drop].drop(key);
  }
  #remember<K extends Kind>({ put, value }: Put<K>): void {
    this.#kept[put].remember(value);
  }
  #forget<K extends Kind>({ drop, key }: Drop<K>): void {
    this.#kept[drop].forget(key);
  }
}

/** The first commit of a new account's store. */
export function initialChanges(account: AccountRecord): readonly StoreChange[] {
  return new Cell(SELF, accountRecord).put(account);
}
