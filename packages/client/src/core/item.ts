/** One thing in the outbox, as the core sees it: its place, what it is, and how far it got. No content, no keys. */
import type { ClientId, GroupId, SubmitKind } from '@securechat/wire';

/** `message`: a person wrote it. `file`: a step of a transfer. `receipt`: may be dropped. `commit`: renews our keys. */
export type ItemKind = 'message' | 'file' | 'receipt' | 'commit';

export interface Item {
  /** Position in the outbox, 1.., device-wide; never reused. */
  readonly order: number;
  readonly user: string;
  readonly kind: ItemKind;
  /** Refuse with RECIPIENT_OFFLINE instead of storing for later. */
  readonly onlineOnly: boolean;
  readonly sealed: Sealed | undefined;
}

/** The encrypted form. It never changes until the server has refused it. */
export interface Sealed {
  readonly id: ClientId;
  readonly kind: SubmitKind;
  readonly group: GroupId;
  readonly epoch: number;
  readonly chainNumber: number;
  readonly submitNumber: number;
  readonly bytes: number;
  /** The lowest number that these bytes went out under, where it was another one. */
  readonly since?: number;
  /** How often the server refused it for its number, or for its place behind another. */
  readonly strikes: number;
  readonly state: SealedState;
}

/**
 * `stored`: on disk, not (or not surely) with the server. `sent`: on this connection, unanswered. `refused`: answered;
 * the same bytes may go out under a fresh number. `answered`: accepted, and that is being stored here.
 */
export type SealedState = 'stored' | 'sent' | 'refused' | 'answered';

export function unsealed(item: Item): Item {
  return { ...item, sealed: undefined };
}

export function withSealedState(item: Item, state: SealedState): Item {
  return item.sealed === undefined ? item : { ...item, sealed: { ...item.sealed, state } };
}
