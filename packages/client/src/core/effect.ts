/** What the core wants done, as data. The shell has one handler per kind. */
import type { ClientId, Code, GroupId } from '@securechat/wire';
import type { ConnectionState } from '../api.ts';
import type { SlotHolder } from './lineage.ts';

export type Effect =
  // The connection
  | { readonly kind: 'connect' }
  | { readonly kind: 'disconnect' }
  /** Close and attach again, to learn the server's numbers. */
  | { readonly kind: 'reconnect' }
  /** The session of this device is over. */
  | { readonly kind: 'end'; readonly code: Code }
  | { readonly kind: 'show-connection'; readonly state: ConnectionState; readonly code: Code | undefined }

  // Work on a conversation: each is answered by one of the events `sealed`, `seal-failed`, `stale`
  | {
      readonly kind: 'encrypt';
      readonly user: string;
      readonly group: GroupId;
      readonly orders: readonly number[];
      /** Of the first of them. */
      readonly chainNumber: number;
    }
  | {
      readonly kind: 'found';
      readonly user: string;
      readonly order: number;
      readonly holder: SlotHolder | undefined;
      /** The peer's keys as known here are out of date. */
      readonly lookup: boolean;
    }
  | { readonly kind: 'commit'; readonly user: string; readonly group: GroupId; readonly order: number }
  | { readonly kind: 'renumber'; readonly user: string; readonly orders: readonly number[] }

  // Answers, stored
  | { readonly kind: 'submit'; readonly user: string; readonly order: number; readonly lowestUnresolved: number }
  | { readonly kind: 'settle'; readonly user: string; readonly order: number; readonly id: ClientId }
  | { readonly kind: 'fail'; readonly user: string; readonly order: number; readonly code: Code }
  /** A receipt that is not worth a new group. */
  | { readonly kind: 'drop'; readonly user: string; readonly order: number }
  /** A group of ours that lost its slot: nothing was ever sent in it. */
  | { readonly kind: 'forget-group'; readonly user: string; readonly group: GroupId }
  /** No more writing in this group. */
  | { readonly kind: 'bury-group'; readonly user: string; readonly group: GroupId }
  | { readonly kind: 'drop-commit'; readonly user: string; readonly group: GroupId };

export type EffectKind = Effect['kind'];
export type EffectOf<K extends EffectKind> = Extract<Effect, { readonly kind: K }>;
