/**
 * The local store of one account. Collections of small records under string keys, every value encrypted at rest
 * (docs/protocol/local-store.md), plus the message history in order.
 *
 * `commit` is the only way to write: all changes of one call are atomic and durable when it resolves. It is the
 * write-ahead point of everything that must not happen twice.
 */
export const collections = [
  'account', // 'self': keys, certificates; 'successor': those of a reset under way; 'counters', 'cursor'
  'server', // one record, key 'pin'
  'contact', // user name -> account id, certificates, pins, trust
  'conversation', // user name -> chain of groups, unread count, receipts owed
  'group', // group id -> message keys, chain numbers, pending commit: what each message changes
  'groupBase', // group id -> the rest of the MLS state
  'keyPackage', // hash of the public package -> private half
  'outbox', // position -> submission
  'parked', // mailbox number -> row that waits
  'transfer', // transfer id -> file offer and its progress
  'failure', // number -> what could not be delivered, and why
] as const;
export type Collection = (typeof collections)[number];

export type StoreChange =
  | { readonly kind: 'put'; readonly collection: Collection; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly collection: Collection; readonly key: string }
  /** Inserts (order = arrival), or replaces the value of the same id at its place. */
  | { readonly kind: 'message'; readonly conversation: string; readonly id: string; readonly value: Uint8Array }
  | { readonly kind: 'deleteConversation'; readonly conversation: string };

export interface ClientStore {
  /** Every record of a collection, in key order. PROFILE_DAMAGED when one does not decrypt. */
  all(collection: Collection): Promise<ReadonlyMap<string, Uint8Array>>;
  get(collection: Collection, key: string): Promise<Uint8Array | undefined>;
  /**
   * Atomic and durable. PROFILE_UNWRITABLE (full disk, read-only): nothing was written. OUTCOME_UNKNOWN (input or output
   * error of the disk): all of it or nothing; only opening the store again tells, and until then it takes nothing more.
   */
  commit(changes: readonly StoreChange[]): Promise<void>;
  /** True when this inner id is stored for the conversation: shown once, ever. */
  hasMessage(conversation: string, id: string): Promise<boolean>;
  message(conversation: string, id: string): Promise<Uint8Array | undefined>;
  /** Oldest first, the newest `limit` before the message `before` (exclusive), or the newest of all. */
  messages(
    conversation: string,
    options: { readonly before?: string; readonly limit: number },
  ): Promise<readonly { readonly id: string; readonly value: Uint8Array }[]>;
  /** Closes and wipes the key. Later calls reject. */
  close(): Promise<void>;
}
