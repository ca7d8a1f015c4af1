/**
 * The storage port. One conformance suite (test/stores/contract.ts) holds every driver to it.
 *
 * Two kinds of operation:
 * - the hot ones (submit, fetch, ack, key packages), whose SQL differs in kind between drivers. Their rules are pure
 *   functions of `core/` that the driver calls inside its transaction, between its own load and apply;
 * - small versioned records (accounts, invites, blocks …): `get` facts, decide in `core/`, `put` with compare-and-set.
 *
 * Everything that resolves is durable (`synchronous=FULL`), except where a docstring says otherwise.
 */
import type {
  AccountId,
  ClientId,
  Code,
  DeviceId,
  FailureDetail,
  GroupId,
  MailboxSeq,
  RowKind,
  StoredState,
  Submit,
} from '@securechat/wire';

/** `retry: 'same'`: repeat the identical call, it is idempotent. `outcome: 'unknown'`: it may have been applied. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** `in-use`: another process holds the data folder (only from opening). */
  readonly code: 'unavailable' | 'full' | 'invalid' | 'corrupt' | 'closed' | 'schema-newer' | 'in-use';
  readonly retry: 'same' | 'never';
  readonly outcome: 'none' | 'unknown';
  constructor(
    code: StoreError['code'],
    options: { readonly retry: 'same' | 'never'; readonly outcome: 'none' | 'unknown'; readonly cause?: unknown },
  ) {
    super(code, { cause: options.cause });
    this.code = code;
    this.retry = options.retry;
    this.outcome = options.outcome;
  }
}

export interface Maintained {
  /** The budget ended before the work. */
  readonly more: boolean;
  readonly rows: readonly AppendedRow[];
}

/** Who submits, as the link established it at attach. Checked inside the transaction. */
export interface Sender {
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Fencing generation of the attach; an older one than the stored is refused with SESSION_REPLACED. */
  readonly generation: number;
}

export interface Submission {
  readonly sender: Sender;
  /** Header and payload as received. For `found` and `commit` the payload is decoded by the caller into `founding`/`commit`. */
  readonly submit: Submit;
  readonly founding?: FoundingFacts;
  readonly commit?: { readonly commit: Uint8Array; readonly capsule: Uint8Array };
  /** True on a server that stores nothing for later (`offline.delivery=off`): as if the submit said `onlineOnly`. */
  readonly onlineOnly?: boolean;
  /**
   * A refusal that the caller found before the transaction (a rate limit). It is answered after fence, dedupe and submit
   * number, so that an accepted id is never refused on its resend, and it counts for PREDECESSOR_REFUSED.
   */
  readonly refusal?: { readonly code: Code; readonly detail: FailureDetail };
  readonly nowMs: number;
}

export interface FoundingFacts {
  /** HMAC(server key, sorted {account, identity sequence} of both), 32 bytes; computed by the caller. */
  readonly slot: Uint8Array;
  readonly peer: AccountId;
  readonly peerSequence: number;
  readonly ownSequence: number;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  /** Every member device, the founder's included. Must equal the current devices of both accounts, else DEVICES_CHANGED. */
  readonly devices: readonly DeviceId[];
  readonly invitation: Uint8Array;
  readonly capsule: Uint8Array;
  readonly firstMessage: Uint8Array | undefined;
}

/** A row that was appended, ready to be pushed to a connected device. */
export interface AppendedRow {
  readonly device: DeviceId;
  readonly seq: MailboxSeq;
  readonly kind: RowKind;
  readonly group: GroupId;
  readonly storedAtMs: number;
  readonly payload: Uint8Array;
}

export type SubmitResult =
  | {
      readonly kind: 'accepted';
      /** True when this id had been accepted before: nothing was written now. */
      readonly repeat: boolean;
      readonly devices: readonly { readonly device: DeviceId; readonly state: StoredState }[];
      /** The other account(s), for presence in the answer. */
      readonly peers: readonly AccountId[];
      readonly rows: readonly AppendedRow[];
    }
  | { readonly kind: 'refused'; readonly code: Code; readonly detail: FailureDetail };

export interface MailboxRow {
  readonly seq: MailboxSeq;
  readonly kind: RowKind;
  readonly group: GroupId;
  readonly storedAtMs: number;
  readonly payload: Uint8Array;
}

export interface AttachedDevice {
  /** One more than any before; fences older connections of the device. */
  readonly generation: number;
  /** The number the next row of this mailbox will get. */
  readonly mailboxNext: MailboxSeq;
  /** The highest submit number accepted from this device, 0 for none. */
  readonly submitNumberHighest: number;
  /**
   * Names the history that mailbox numbers belong to: drawn with the store, drawn again when a copy of it is put back.
   * A driver without it cannot be restored unnoticed where devices come back late.
   */
  readonly history?: number;
}

/** A small versioned record. Values are opaque to the store (core/records.ts encodes them). */
export interface StoredRecord {
  readonly key: string;
  /** 1.., +1 per write. */
  readonly version: number;
  readonly value: Uint8Array;
}

export interface RecordWrite {
  readonly space: RecordSpace;
  readonly key: string;
  /** 0 = must not exist; 'any' = no condition. */
  readonly ifVersion: number | 'any';
  /** null deletes. */
  readonly value: Uint8Array | null;
  /** Unix ms after which `maintain` may remove it and `get` leaves it out. */
  readonly expiresMs?: number;
}

/** Record spaces; keys are ids or normalised names. Names are those of docs/protocol/accounts.md. */
export const recordSpaces = [
  'name', // normalised user name -> account id
  'skeleton', // confusable skeleton of a name -> account id
  'account', // account id -> account record (certificate, list, OPAQUE record, flags)
  'vault', // account id -> vault
  'invite', // SHA-256 of an invite code, base64url -> invite
  'resumption', // handle, base64url -> {device, generation, secret}
  'challenge', // used proof-of-work challenges until they expire
  'blob', // blob id -> size, owner, recipient, state
  'counter', // daily quotas
  'server', // facts about the server itself
] as const;
export type RecordSpace = (typeof recordSpaces)[number];

/** What changes beside records when devices of an account come or go; part of the same transaction as the writes. */
export interface DeviceChange {
  readonly account: AccountId;
  /** Identity sequence of the account after the change. */
  readonly sequence: number;
  readonly add: readonly DeviceId[];
  /**
   * Ended: fenced for good, mailbox emptied; each undelivered `message`/`found` row bounces to its sender as `cause`, or,
   * where that device has ended, to the live ones of its account. Bounces not read yet go on to the account's own.
   */
  readonly remove: readonly DeviceId[];
  readonly cause: 'RECIPIENT_RESET';
}

export interface KeyPackageTaken {
  readonly keyPackage: Uint8Array;
  readonly lastResort: boolean;
  /** One-time packages left after this one. */
  readonly left: number;
}

export interface Store {
  /**
   * Atomic, durable before it resolves, group-committed with what else waits. Order of checks: docs/protocol/delivery.md
   * (fence, dedupe, submit number, group and epoch, block and capacity, append). Mailbox numbers are gap-free, in commit
   * order. Rows of one call carry the body once.
   */
  submit(submission: Submission): Promise<SubmitResult>;
  /** Rows with seq > after, ascending, at most `rowsMax` and `bytesMax` (but at least one). Never skips a committed row. */
  fetch(device: DeviceId, after: number, rowsMax: number, bytesMax: number): Promise<readonly MailboxRow[]>;
  /** Deletes rows with seq <= upTo. Idempotent; an older generation than the stored is ignored. */
  ack(device: DeviceId, generation: number, upTo: number): Promise<void>;
  /**
   * Raises the generation; undefined for a device that is unknown or ended. Implies ack(storedUpTo), unless that is a
   * number of another `history` (or one never reached): then nothing is deleted, and what waits is numbered on from it.
   */
  attach(device: DeviceId, storedUpTo: number, nowMs: number, history?: number): Promise<AttachedDevice | undefined>;
  /**
   * The connection of this generation is gone; without effect for an older one. Decides RECIPIENT_OFFLINE and forgets the
   * refused chain numbers of that attach. Not durable: after a restart nobody is attached.
   */
  detach(device: DeviceId, generation: number): Promise<void>;

  /**
   * Idempotent by content hash. Answers with the one-time stock. Over the limit the rest is dropped. `withdraw`: what was
   * stored before is handed out no more, and cannot be stored again.
   */
  putKeyPackages(
    device: DeviceId,
    oneTime: readonly Uint8Array[],
    lastResort: Uint8Array | undefined,
    withdraw?: boolean,
  ): Promise<number>;
  /**
   * A one-time package is handed out at most once, ever, also after a crash. Devices without any are left out.
   * `lastResortOnly`: somebody drains these devices; only what is not used up is handed out.
   */
  takeKeyPackages(
    devices: readonly DeviceId[],
    lastResortOnly?: boolean,
  ): Promise<ReadonlyMap<DeviceId, KeyPackageTaken>>;
  keyPackageStock(device: DeviceId): Promise<{ readonly oneTime: number; readonly lastResort: boolean }>;

  get(space: RecordSpace, keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>>;
  /**
   * All or nothing; false and no change if any ifVersion fails. At most 64 writes. `devices`: applied in the same
   * transaction; the bounce rows it made are in `rows`.
   */
  put(
    writes: readonly RecordWrite[],
    devices?: DeviceChange,
  ): Promise<{ readonly ok: boolean; readonly rows: readonly AppendedRow[] }>;
  list(space: RecordSpace, prefix: string, after: string, limit: number): Promise<readonly StoredRecord[]>;

  /** Sets or clears one block; refuses (false) over `blocksMax`. */
  block(owner: AccountId, other: AccountId, blocked: boolean, quiet: boolean): Promise<boolean>;
  blocks(owner: AccountId): Promise<readonly { readonly account: AccountId; readonly quiet: boolean }[]>;
  /** True when both have submitted to their direct conversation: contacts, for presence on an open server. */
  contacts(account: AccountId): Promise<readonly AccountId[]>;

  /** Everything of an account goes: records, devices, mailbox, blocks, slots; rows to it bounce. Its name stays reserved. */
  deleteAccount(account: AccountId, nowMs: number): Promise<readonly AppendedRow[]>;

  /** Removes what expired; at most `budgetMs` of work. `rows`: the bounces of it, to be announced. */
  maintain(nowMs: number, budgetMs: number): Promise<Maintained>;
  /** Flushes; afterwards every call rejects with 'closed'. */
  close(): Promise<void>;
}

/** Ids that a dedupe row is found by. */
export type DedupeKey = { readonly device: DeviceId; readonly id: ClientId };
