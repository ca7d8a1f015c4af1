/**
 * The records of an open account: typed, the small ones in memory, every change durable before it shows. One `commit` is
 * one transaction of the store, and the write-ahead point of whatever it describes.
 */
import { wipe } from '@securechat/crypto';
import type { GroupState, MlsEngine } from '@securechat/e2ee';
import { SecureChatError } from '@securechat/wire';
import type { AccountId, ClientId, GroupId, MessageId } from '@securechat/wire';
import type { AccountRecord, CountersRecord } from '../core/record-account.ts';
import { accountRecord, countersRecord, cursorRecord, historyRecord, noCounters } from '../core/record-account.ts';
import type { ContactRecord } from '../core/record-contact.ts';
import { contactRecord } from '../core/record-contact.ts';
import type { ConversationRecord } from '../core/record-conversation.ts';
import { conversationRecord, emptyConversation } from '../core/record-conversation.ts';
import type { FailureRecord } from '../core/record-failure.ts';
import { FAILURES_KEPT, failureKey, failureRecord } from '../core/record-failure.ts';
import type { GroupRecord } from '../core/record-group.ts';
import { groupRecord } from '../core/record-group.ts';
import type { KeyPackageRecord } from '../core/record-key-package.ts';
import { keyPackageRecord } from '../core/record-key-package.ts';
import type { MessageRecord } from '../core/record-message.ts';
import { messageRecord } from '../core/record-message.ts';
import type { OutboxRecord } from '../core/record-outbox.ts';
import { outboxKey, outboxRecord } from '../core/record-outbox.ts';
import type { ParkedRecord } from '../core/record-parked.ts';
import { parkedKey, parkedRecord } from '../core/record-parked.ts';
import type { TransferRecord } from '../core/record-transfer.ts';
import { transferRecord } from '../core/record-transfer.ts';
import { toBase64url } from '@securechat/wire';
import type { ClientStore, StoreChange } from '../stores/port.ts';

/** A group as it is worked with: its record, with the state that the engine understands. */
export interface OpenGroup extends Omit<GroupRecord, 'messageKeys'> {
  readonly state: GroupState;
}

export type LedgerChange =
  | { readonly put: 'account'; readonly value: AccountRecord }
  /** Keys of a reset whose answer is awaited: this account's record from then on. */
  | { readonly put: 'successor'; readonly value: AccountRecord }
  | { readonly drop: 'successor' }
  | { readonly put: 'cursor'; readonly value: number }
  | { readonly put: 'history'; readonly value: number }
  | { readonly put: 'contact'; readonly value: ContactRecord }
  | { readonly put: 'conversation'; readonly value: ConversationRecord }
  | { readonly put: 'group'; readonly value: OpenGroup }
  | { readonly put: 'keyPackage'; readonly value: KeyPackageRecord }
  | { readonly put: 'outbox'; readonly value: OutboxRecord }
  | { readonly put: 'parked'; readonly value: ParkedRecord }
  | { readonly put: 'transfer'; readonly value: TransferRecord }
  | { readonly put: 'failure'; readonly value: FailureRecord }
  | { readonly put: 'message'; readonly user: string; readonly value: MessageRecord }
  | { readonly drop: 'group'; readonly key: GroupId }
  | { readonly drop: 'keyPackage'; readonly value: KeyPackageRecord }
  | { readonly drop: 'outbox'; readonly key: number }
  | { readonly drop: 'parked'; readonly key: number }
  | { readonly drop: 'transfer'; readonly key: MessageId }
  | { readonly drop: 'failure'; readonly key: number };

const SELF = 'self';
const SUCCESSOR = 'successor';
const COUNTERS = 'counters';
const CURSOR = 'cursor';
const HISTORY = 'history';

/** Groups whose state stays in memory: the ones used last. Reading one again takes a millisecond. */
const GROUPS_OPEN_MAX = 256;

export class Ledger {
  readonly #store: ClientStore;
  readonly #mls: MlsEngine;
  #account: AccountRecord;
  #successor: AccountRecord | undefined;
  #counters: CountersRecord = noCounters;
  #countersDirty = false;
  #cursor = 0;
  #history: number | undefined;
  readonly #contacts = new Map<string, ContactRecord>();
  readonly #userOfAccount = new Map<AccountId, string>();
  readonly #conversations = new Map<string, ConversationRecord>();
  readonly #userOfGroup = new Map<GroupId, string>();
  readonly #keyPackages = new Map<string, KeyPackageRecord>();
  readonly #outbox = new Map<number, OutboxRecord>();
  readonly #orderOfSubmit = new Map<ClientId, number>();
  readonly #orderOfMessage = new Map<MessageId, number>();
  readonly #parked = new Map<number, ParkedRecord>();
  readonly #transfers = new Map<MessageId, TransferRecord>();
  readonly #failures = new Map<number, FailureRecord>();
  /** As they are on the disk, the one used last at the end. */
  readonly #groups = new Map<GroupId, OpenGroup>();

  private constructor(store: ClientStore, mls: MlsEngine, account: AccountRecord) {
    this.#store = store;
    this.#mls = mls;
    this.#account = account;
  }

  /** PROFILE_DAMAGED, SCHEMA_NEWER. */
  static async open(store: ClientStore, mls: MlsEngine): Promise<Ledger> {
    const account = await store.get('account', SELF);
    if (account === undefined) throw new SecureChatError('PROFILE_DAMAGED');
    const ledger = new Ledger(store, mls, accountRecord.decode(account));
    const counters = await store.get('account', COUNTERS);
    if (counters !== undefined) ledger.#counters = countersRecord.decode(counters);
    const successor = await store.get('account', SUCCESSOR);
    if (successor !== undefined) ledger.#successor = accountRecord.decode(successor);
    const cursor = await store.get('account', CURSOR);
    if (cursor !== undefined) ledger.#cursor = cursorRecord.decode(cursor);
    const history = await store.get('account', HISTORY);
    if (history !== undefined) ledger.#history = historyRecord.decode(history);
    for (const value of (await store.all('contact')).values())
      ledger.#remember({ put: 'contact', value: contactRecord.decode(value) });
    for (const value of (await store.all('conversation')).values())
      ledger.#remember({ put: 'conversation', value: conversationRecord.decode(value) });
    for (const value of (await store.all('keyPackage')).values())
      ledger.#remember({ put: 'keyPackage', value: keyPackageRecord.decode(value) });
    for (const value of (await store.all('outbox')).values())
      ledger.#remember({ put: 'outbox', value: outboxRecord.decode(value) });
    for (const value of (await store.all('parked')).values())
      ledger.#remember({ put: 'parked', value: parkedRecord.decode(value) });
    for (const value of (await store.all('transfer')).values())
      ledger.#remember({ put: 'transfer', value: transferRecord.decode(value) });
    for (const value of (await store.all('failure')).values())
      ledger.#remember({ put: 'failure', value: failureRecord.decode(value) });
    return ledger;
  }

  get account(): AccountRecord {
    return this.#account;
  }
  get successor(): AccountRecord | undefined {
    return this.#successor;
  }
  get counters(): CountersRecord {
    return this.#counters;
  }
  get cursor(): number {
    return this.#cursor;
  }
  /** The history of the server that the cursor is a number of; undefined before the first attach. */
  get history(): number | undefined {
    return this.#history;
  }
  get contacts(): ReadonlyMap<string, ContactRecord> {
    return this.#contacts;
  }
  get conversations(): ReadonlyMap<string, ConversationRecord> {
    return this.#conversations;
  }
  get keyPackages(): ReadonlyMap<string, KeyPackageRecord> {
    return this.#keyPackages;
  }
  get outbox(): ReadonlyMap<number, OutboxRecord> {
    return this.#outbox;
  }
  get parked(): ReadonlyMap<number, ParkedRecord> {
    return this.#parked;
  }
  get transfers(): ReadonlyMap<MessageId, TransferRecord> {
    return this.#transfers;
  }
  /** Oldest first. */
  get failures(): readonly FailureRecord[] {
    return [...this.#failures.values()];
  }
  conversation(user: string): ConversationRecord {
    return this.#conversations.get(user) ?? emptyConversation(user);
  }
  userOfAccount(account: AccountId): string | undefined {
    return this.#userOfAccount.get(account);
  }
  userOfGroup(group: GroupId): string | undefined {
    return this.#userOfGroup.get(group);
  }
  outboxBySubmit(id: ClientId): OutboxRecord | undefined {
    return this.#outbox.get(this.#orderOfSubmit.get(id) ?? -1);
  }
  outboxByMessage(id: MessageId): OutboxRecord | undefined {
    return this.#outbox.get(this.#orderOfMessage.get(id) ?? -1);
  }
  /**
   * To change a group, whoever reads it does so in the serial queue of its user, from here to the commit. Undefined for
   * one that is not here, or whose state is of an engine that is gone.
   */
  async group(group: GroupId): Promise<OpenGroup | undefined> {
    if (!this.#groups.has(group)) {
      // In one turn, so that no commit comes in between.
      const [value, base] = await Promise.all([this.#store.get('group', group), this.#store.get('groupBase', group)]);
      if (value === undefined || base === undefined) return undefined;
      const { messageKeys, ...record } = groupRecord.decode(value);
      // Somebody else may have read it meanwhile: one state in memory is the true one.
      if (!this.#groups.has(group)) this.#keep({ ...record, state: this.#mls.unpack({ base, messageKeys }) });
      wipe(value, base, messageKeys);
    }
    const open = this.#groups.get(group);
    if (open !== undefined) this.#keep(open);
    return open;
  }

  #keep(open: OpenGroup): void {
    this.#groups.delete(open.group);
    this.#groups.set(open.group, open);
    const [oldest] = this.#groups.keys();
    // Not wiped: somebody may be at work with it.
    if (this.#groups.size > GROUPS_OPEN_MAX && oldest !== undefined) this.#groups.delete(oldest);
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
    const value = this.#counters[counter] + 1;
    this.#counters = { ...this.#counters, [counter]: value };
    this.#countersDirty = true;
    return value;
  }

  /** Lifts a counter that the server has seen higher. */
  raise(counter: keyof CountersRecord, least: number): void {
    if (this.#counters[counter] >= least) return;
    this.#counters = { ...this.#counters, [counter]: least };
    this.#countersDirty = true;
  }

  /** All or nothing, durable when it resolves; what is read here changes then. PROFILE_UNWRITABLE, OUTCOME_UNKNOWN. */
  async commit(changes: readonly LedgerChange[]): Promise<void> {
    const writes = changes.flatMap((change) => this.#encode(change));
    if (this.#countersDirty) {
      // Encoded in the moment of the call: commits apply in this order, so the highest number is written last.
      writes.push({ kind: 'put', collection: 'account', key: COUNTERS, value: countersRecord.encode(this.#counters) });
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
    for (const change of changes) this.#remember(change);
  }

  /** Remembers a failure; the oldest beyond what is kept goes. */
  async noteFailure(failure: Omit<FailureRecord, 'number'>): Promise<void> {
    const numbers = [...this.#failures.keys()];
    const value = { ...failure, number: (numbers.at(-1) ?? 0) + 1 };
    // Before the disk has it: two at once must not share a number.
    this.#failures.set(value.number, value);
    const old = numbers.slice(0, Math.max(0, numbers.length + 1 - FAILURES_KEPT));
    await this.commit([{ put: 'failure', value }, ...old.map((key): LedgerChange => ({ drop: 'failure', key }))]);
  }

  /** The private keys in memory; nothing can be read or written afterwards. */
  wipe(): void {
    const records = [this.#account, this.#successor];
    for (const record of records) {
      record?.signing.fill(0);
      record?.sealing.fill(0);
    }
    for (const { secrets } of this.#keyPackages.values()) secrets.fill(0);
    for (const { state } of this.#groups.values()) this.#mls.discard(state);
    this.#groups.clear();
  }

  #encode(change: LedgerChange): readonly StoreChange[] {
    if ('drop' in change && change.drop === 'group')
      return (['group', 'groupBase'] as const).map((collection) => ({ kind: 'delete', collection, key: change.key }));
    return 'put' in change && change.put === 'group' ? this.#encodeGroup(change.value) : [encode(change)];
  }

  /** A message writes its keys alone; the base only where it is another than the one on the disk. */
  #encodeGroup({ state, ...record }: OpenGroup): readonly StoreChange[] {
    const key = record.group;
    const { base, messageKeys } = this.#mls.pack(state, this.#groups.get(key)?.state);
    const value = groupRecord.encode({ ...record, messageKeys });
    wipe(messageKeys);
    return [
      { kind: 'put', collection: 'group', key, value },
      ...(base === undefined ? [] : [{ kind: 'put', collection: 'groupBase', key, value: base } as const]),
    ];
  }

  #remember(change: LedgerChange): void {
    if ('drop' in change) return this.#forget(change);
    switch (change.put) {
      case 'account':
        this.#account = change.value;
        return;
      case 'successor':
        this.#successor = change.value;
        return;
      case 'cursor':
        this.#cursor = change.value;
        return;
      case 'history':
        this.#history = change.value;
        return;
      case 'contact':
        this.#contacts.set(change.value.user, change.value);
        this.#userOfAccount.set(change.value.account, change.value.user);
        return;
      case 'conversation':
        this.#conversations.set(change.value.user, change.value);
        for (const { group } of change.value.lineage) this.#userOfGroup.set(group, change.value.user);
        return;
      case 'keyPackage':
        this.#keyPackages.set(toBase64url(change.value.reference), change.value);
        return;
      case 'outbox': {
        const before = this.#outbox.get(change.value.order);
        if (before?.sealed !== undefined) this.#orderOfSubmit.delete(before.sealed.id);
        this.#outbox.set(change.value.order, change.value);
        if (change.value.sealed !== undefined) this.#orderOfSubmit.set(change.value.sealed.id, change.value.order);
        this.#orderOfMessage.set(change.value.message, change.value.order);
        return;
      }
      case 'parked':
        this.#parked.set(change.value.row.seq, change.value);
        return;
      case 'transfer':
        this.#transfers.set(change.value.id, change.value);
        return;
      case 'failure':
        this.#failures.set(change.value.number, change.value);
        return;
      case 'group':
        this.#keep(change.value);
        return;
      case 'message':
        return;
    }
  }

  #forget(change: Extract<LedgerChange, { drop: string }>): void {
    switch (change.drop) {
      case 'successor':
        this.#successor = undefined;
        return;
      case 'group': {
        const open = this.#groups.get(change.key);
        if (open !== undefined) this.#mls.discard(open.state);
        this.#groups.delete(change.key);
        this.#userOfGroup.delete(change.key);
        return;
      }
      case 'keyPackage':
        this.#keyPackages.delete(toBase64url(change.value.reference));
        return;
      case 'outbox': {
        const row = this.#outbox.get(change.key);
        if (row?.sealed !== undefined) this.#orderOfSubmit.delete(row.sealed.id);
        if (row !== undefined && this.#orderOfMessage.get(row.message) === row.order)
          this.#orderOfMessage.delete(row.message);
        this.#outbox.delete(change.key);
        return;
      }
      case 'parked':
        this.#parked.delete(change.key);
        return;
      case 'transfer':
        this.#transfers.delete(change.key);
        return;
      case 'failure':
        this.#failures.delete(change.key);
        return;
    }
  }
}

/** The first commit of a new account's store. */
export function initialChanges(account: AccountRecord): readonly StoreChange[] {
  return [encode({ put: 'account', value: account })];
}

type GroupChange = Extract<LedgerChange, { put: 'group' } | { drop: 'group' }>;

function encode(change: Exclude<LedgerChange, GroupChange>): StoreChange {
  if ('drop' in change) return encodeDrop(change);
  switch (change.put) {
    case 'account':
      return { kind: 'put', collection: 'account', key: SELF, value: accountRecord.encode(change.value) };
    case 'successor':
      return { kind: 'put', collection: 'account', key: SUCCESSOR, value: accountRecord.encode(change.value) };
    case 'cursor':
      return { kind: 'put', collection: 'account', key: CURSOR, value: cursorRecord.encode(change.value) };
    case 'history':
      return { kind: 'put', collection: 'account', key: HISTORY, value: historyRecord.encode(change.value) };
    case 'contact': {
      const { value } = change;
      return { kind: 'put', collection: 'contact', key: value.user, value: contactRecord.encode(value) };
    }
    case 'conversation': {
      const { value } = change;
      return { kind: 'put', collection: 'conversation', key: value.user, value: conversationRecord.encode(value) };
    }
    case 'keyPackage': {
      const key = toBase64url(change.value.reference);
      return { kind: 'put', collection: 'keyPackage', key, value: keyPackageRecord.encode(change.value) };
    }
    case 'outbox': {
      const key = outboxKey(change.value.order);
      return { kind: 'put', collection: 'outbox', key, value: outboxRecord.encode(change.value) };
    }
    case 'parked': {
      const key = parkedKey(change.value.row.seq);
      return { kind: 'put', collection: 'parked', key, value: parkedRecord.encode(change.value) };
    }
    case 'transfer':
      return {
        kind: 'put',
        collection: 'transfer',
        key: change.value.id,
        value: transferRecord.encode(change.value),
      };
    case 'failure': {
      const { value } = change;
      return { kind: 'put', collection: 'failure', key: failureKey(value.number), value: failureRecord.encode(value) };
    }
    case 'message': {
      const { user, value } = change;
      return { kind: 'message', conversation: user, id: value.id, value: messageRecord.encode(value) };
    }
  }
}

function encodeDrop(change: Exclude<Extract<LedgerChange, { drop: string }>, GroupChange>): StoreChange {
  switch (change.drop) {
    case 'successor':
      return { kind: 'delete', collection: 'account', key: SUCCESSOR };
    case 'keyPackage':
      return { kind: 'delete', collection: 'keyPackage', key: toBase64url(change.value.reference) };
    case 'outbox':
      return { kind: 'delete', collection: 'outbox', key: outboxKey(change.key) };
    case 'parked':
      return { kind: 'delete', collection: 'parked', key: parkedKey(change.key) };
    case 'transfer':
      return { kind: 'delete', collection: 'transfer', key: change.key };
    case 'failure':
      return { kind: 'delete', collection: 'failure', key: failureKey(change.key) };
  }
}
