/** What one commit of the ledger may change. */
import type { GroupId, MessageId } from '@securechat/wire';
import type { AccountRecord } from '../../core/record-account.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import type { FailureRecord } from '../../core/record-failure.ts';
import type { KeyPackageRecord } from '../../core/record-key-package.ts';
import type { MessageRecord } from '../../core/record-message.ts';
import type { OutboxRecord } from '../../core/record-outbox.ts';
import type { ParkedRecord } from '../../core/record-parked.ts';
import type { TransferRecord } from '../../core/record-transfer.ts';
import type { OpenGroup } from './open-groups.ts';

/** What is kept: the value, and what a row of several is called by. `never`: there is one of it, and always. */
export interface Kinds {
  readonly account: { readonly key: never; readonly value: AccountRecord };
  /** Keys of a reset whose answer is awaited: this account's record from then on. */
  readonly successor: { readonly key: undefined; readonly value: AccountRecord };
  /** The highest mailbox number on disk here. */
  readonly cursor: { readonly key: never; readonly value: number };
  /** The history of the server that the cursor is a number of. */
  readonly history: { readonly key: never; readonly value: number };
  readonly contact: { readonly key: string; readonly value: ContactRecord };
  readonly conversation: { readonly key: string; readonly value: ConversationRecord };
  readonly group: { readonly key: GroupId; readonly value: OpenGroup };
  readonly keyPackage: { readonly key: string; readonly value: KeyPackageRecord };
  readonly outbox: { readonly key: number; readonly value: OutboxRecord };
  readonly parked: { readonly key: number; readonly value: ParkedRecord };
  readonly transfer: { readonly key: MessageId; readonly value: TransferRecord };
  readonly failure: { readonly key: number; readonly value: FailureRecord };
}
export type Kind = keyof Kinds;

export interface Put<K extends Kind> {
  readonly put: K;
  readonly value: Kinds[K]['value'];
}
export interface Drop<K extends Kind> {
  readonly drop: K;
  readonly key: Kinds[K]['key'];
}

export type LedgerChange =
  | { readonly [K in Kind]: Put<K> | Drop<K> }[Kind]
  | { readonly put: 'message'; readonly user: string; readonly value: MessageRecord };
