/** What a submission is decided on, and what comes out (mailbox.ts). */
import type {
  AccountId,
  Code,
  DeviceId,
  FailureDetail,
  GroupId,
  MailboxSeq,
  RowKind,
  StoredState,
} from '@securechat/wire';
import type { RefusedChain } from './chain.ts';

export interface SubmitFacts {
  /** SHA-256 over kind, group, epoch, chain number and payload. */
  readonly hash: Uint8Array;
  /** The sending device; undefined when it is unknown. */
  readonly sender: SenderFacts | undefined;
  /** The dedupe row of (device, client id). */
  readonly known: KnownFacts | undefined;
  /** What was refused of this group since the device attached. */
  readonly refused: RefusedChain | undefined;
  /** The group that the submit names; for `found` set only when that id is taken already. */
  readonly group: GroupFacts | undefined;
  /** For `found` only. */
  readonly founding: FoundingPlace | undefined;
  /** Every member device but the sender's: of the group, or of the founding. Unknown devices are left out. */
  readonly mailboxes: readonly MailboxFacts[];
  /** What the other account holds against the sender. */
  readonly block: 'none' | 'blocked' | 'quiet';
  /**
   * What the sender wrote today to people who never wrote back, if the other account is one of them and this server counts
   * it; absent otherwise.
   */
  readonly unansweredToday?: number;
}

export interface SenderFacts {
  readonly account: AccountId;
  readonly ended: boolean;
  readonly generation: number;
  readonly submitNumberHighest: number;
  /** Dedupe rows with a lower submit number count as forgotten. */
  readonly forgottenBelow: number;
}

export interface KnownFacts {
  readonly hash: Uint8Array;
  readonly submitNumber: number;
  readonly devices: readonly StoredAt[];
  readonly peers: readonly AccountId[];
}

export interface GroupFacts {
  readonly epoch: number;
  /** The newest group of the slot; undefined when this one is it. */
  readonly successor: SlotFacts | undefined;
  readonly members: readonly DeviceId[];
  readonly peers: readonly AccountId[];
  /** No device of a member account came, went or changed identity since the founding. */
  readonly devicesCurrent: boolean;
}

export interface SlotFacts {
  readonly group: GroupId;
  readonly generation: number;
  readonly devices: readonly DeviceId[];
}

export interface FoundingPlace {
  /** What holds the slot now. */
  readonly slot: SlotFacts | undefined;
  readonly own: PersonFacts | undefined;
  readonly peer: PersonFacts | undefined;
}

export interface PersonFacts {
  readonly sequence: number;
  /** Devices that are not ended. */
  readonly devices: readonly DeviceId[];
}

export interface MailboxFacts {
  readonly device: DeviceId;
  readonly account: AccountId;
  readonly next: number;
  readonly rows: number;
  readonly bytes: number;
  readonly attached: boolean;
  /** A `resync` row for this group waits already; one says enough. */
  readonly resyncWaits: boolean;
}

export interface StoredAt {
  readonly device: DeviceId;
  readonly state: StoredState;
}

export interface BodyToStore {
  readonly kind: RowKind;
  readonly payload: Uint8Array;
}

export interface RowToAppend {
  readonly device: DeviceId;
  readonly seq: MailboxSeq;
  /** Index into `bodies`. */
  readonly body: number;
}

export type SubmitOutcome =
  | { readonly kind: 'repeat'; readonly devices: readonly StoredAt[]; readonly peers: readonly AccountId[] }
  | { readonly kind: 'refused'; readonly code: Code; readonly detail: FailureDetail }
  | {
      readonly kind: 'accepted';
      readonly devices: readonly StoredAt[];
      readonly peers: readonly AccountId[];
      readonly bodies: readonly BodyToStore[];
      readonly rows: readonly RowToAppend[];
      /** The epoch of the group from now on. */
      readonly epoch: number;
      readonly forgottenBelow: number;
      /** True when the peer was really written to: makes contacts. */
      readonly wrote: boolean;
    };

export function refuseSubmit(code: Code, detail: FailureDetail = {}): Extract<SubmitOutcome, { kind: 'refused' }> {
  return { kind: 'refused', code, detail };
}
