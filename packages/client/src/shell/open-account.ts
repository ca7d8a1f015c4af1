/** What the parts of an open account work with. One object per login; it ends with the logout. */
import type { Entropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { AccountId, Code, Presence } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { ClientEvent } from '../api.ts';
import type { Event } from '../core/state.ts';
import type { Inbox } from './receive/accept.ts';
import type { Chores } from './chores.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Link } from './link/link-port.ts';
import type { People } from './people/people.ts';
import type { Presences } from './people/presences.ts';
import type { Receipts } from './receive/receipts.ts';
import type { Serial } from './serial.ts';
import type { Transfers } from './files/transfers.ts';

export type Answer =
  { readonly kind: 'sent'; readonly presence: Presence } | { readonly kind: 'failed'; readonly code: Code };

export interface OpenAccount {
  readonly ledger: Ledger;
  readonly mls: MlsEngine;
  readonly people: People;
  readonly inbox: Inbox;
  readonly receipts: Receipts;
  readonly transfers: Transfers;
  readonly presences: Presences;
  readonly chores: Chores;
  /** One queue per user name: whoever reads a conversation to change it does so in here, from read to commit. */
  readonly serial: Serial;
  readonly entropy: Entropy;
  nowMs(): number;
  /** The attached link; undefined while there is none. */
  link(): Link | undefined;
  /** Accounts that we block, as the server holds them; also of people not known here yet. */
  blocks(): ReadonlySet<AccountId>;
  /** Registration mode of the server as last seen: who may know whether somebody is online, and get receipts. */
  registration(): string;
  dispatch(event: Event): void;
  emit(event: ClientEvent): void;
  /** To be waited for before more is taken in that would be emitted. */
  room(backlog: boolean): Promise<void> | undefined;
  /** Somebody new: their presence is of interest from now on. */
  contactAdded(): void;
  /** What became of an item of the outbox, for whoever waits for it. */
  answer(order: number, answer: Answer): void;
  /** True from logout or close on: background work stops. */
  ended(): boolean;
}

/** CONNECTION_LOST when there is no attached link. */
export function linkOf(account: Pick<OpenAccount, 'link'>): Link {
  const link = account.link();
  if (link === undefined) throw new SecureChatError('CONNECTION_LOST');
  return link;
}

/** For what a person asked for just now. UNREACHABLE without a connection. */
export function reachedLink(account: Pick<OpenAccount, 'link'>): Link {
  const link = account.link();
  if (link === undefined) throw new SecureChatError('UNREACHABLE');
  return link;
}

/** Any failure as one of the table; what is not expected is INTERNAL, with its cause. */
export function failureOf(cause: unknown): SecureChatError {
  return cause instanceof SecureChatError ? cause : new SecureChatError('INTERNAL', {}, { cause });
}
