/** What the core knows, and what can happen to it. */
import type { ClientId, Code, DeviceId, FailureDetail } from '@securechat/wire';
import type { Connection, ConnectionEvent } from './connection.ts';
import type { Item, Sealed } from './item.ts';
import type { Lane } from './lane.ts';
import type { Lineage } from './lineage.ts';

export interface State {
  readonly connection: Connection;
  readonly ownDevice: DeviceId | undefined;
  /** The server knew later submits than this profile at this attach. */
  readonly rolledBack: boolean;
  /**
   * The mailbox as it was at attach is still being read. Writing waits for it: what lies there (a new group, a commit)
   * says where to write, and an old invitation must be read before newer keys make it stale.
   */
  readonly reading: boolean;
  /** By user name. */
  readonly lanes: ReadonlyMap<string, Lane>;
}

export const emptyState: State = {
  connection: { kind: 'off' },
  ownDevice: undefined,
  rolledBack: false,
  reading: false,
  lanes: new Map(),
};

export type Event =
  | Exclude<ConnectionEvent, { kind: 'opened' | 'closed' | 'wanted' | 'tick' }>
  | { readonly kind: 'opened'; readonly rolledBack: boolean; readonly reading: boolean }
  | { readonly kind: 'caught-up' }
  | { readonly kind: 'closed'; readonly code: Code; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'tick' }
  /** The profile was opened. */
  | {
      readonly kind: 'loaded';
      readonly device: DeviceId;
      readonly lanes: readonly {
        readonly user: string;
        readonly items: readonly Item[];
        readonly lineage: Lineage;
        readonly halted: boolean;
      }[];
    }
  /** On disk, in the order of `order`. */
  | { readonly kind: 'queued'; readonly item: Item }
  // Answers of the shell to work
  | {
      readonly kind: 'sealed';
      readonly user: string;
      readonly sealed: readonly { readonly order: number; readonly sealed: Sealed }[];
      readonly lineage: Lineage;
      /** Receipts that had nothing to say any more. */
      readonly dropped: readonly number[];
    }
  /** `orders`: what it is about; a code that says something about the person concerns all that waits. */
  | {
      readonly kind: 'seal-failed';
      readonly user: string;
      readonly orders: readonly number[] | 'all';
      readonly code: Code;
      readonly detail: FailureDetail;
    }
  /** The conversation changed under the work, or nothing was left to do: plan again. */
  | { readonly kind: 'stale'; readonly user: string; readonly lineage: Lineage; readonly dropped: readonly number[] }
  // The conversation
  | { readonly kind: 'lineage'; readonly user: string; readonly lineage: Lineage }
  | { readonly kind: 'halted'; readonly user: string; readonly halted: boolean }
  // Answers of the server
  | { readonly kind: 'accepted'; readonly id: ClientId }
  | { readonly kind: 'refused'; readonly id: ClientId; readonly code: Code; readonly detail: FailureDetail }
  /** The acceptance is on disk. */
  | { readonly kind: 'settled'; readonly user: string; readonly order: number; readonly lineage: Lineage };

/** What lies in the mailbox is read before anything is written. */
export function mayWrite(state: State): boolean {
  return state.connection.kind === 'online' && !state.reading;
}

export function withLane(state: State, lane: Lane): State {
  return { ...state, lanes: new Map(state.lanes).set(lane.user, lane) };
}
