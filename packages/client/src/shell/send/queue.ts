/** Putting something into the outbox: durable first, then known to the core. */
import type { Body } from '@securechat/e2ee';
import { encodeContent } from '@securechat/e2ee';
import type { MessageId } from '@securechat/wire';
import type { ItemKind } from '../../core/item.ts';
import { itemOf } from '../../core/record-outbox.ts';
import type { OutboxRecord } from '../../core/record-outbox.ts';
import { freshId } from '../fresh-id.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';

export interface QueueInput {
  readonly user: string;
  readonly kind: Exclude<ItemKind, 'commit'>;
  readonly body: Body;
  readonly id?: MessageId;
  readonly onlineOnly?: boolean;
  readonly transfer?: MessageId;
  /** Stored in the same commit. */
  readonly with?: readonly LedgerChange[];
  /** Hears the position before anything can happen to it. */
  readonly onOrder?: (order: number) => void;
}

/**
 * Resolves with the position when it is on disk; the position is taken at once. In the serial queue of the user where
 * `with` says something of the conversation. TEXT_TOO_LONG, PROFILE_UNWRITABLE, OUTCOME_UNKNOWN.
 */
export async function queueContent(account: OpenAccount, input: QueueInput): Promise<number> {
  const { entropy } = account;
  const message = input.id ?? freshId<MessageId>(entropy);
  const sentAtMs = account.nowMs();
  const draft = encodeContent({ id: message, chainNumber: 1, sentAtMs, delivered: [], body: input.body });
  return queueRow(account, input, { message, draft });
}

/** An intent to renew this device's keys in the conversation's group. In the serial queue of the user. */
export async function queueCommit(account: OpenAccount, user: string): Promise<number> {
  const message = freshId<MessageId>(account.entropy);
  return queueRow(account, { user, kind: 'commit' }, { message, draft: new Uint8Array(0) });
}

async function queueRow(
  account: OpenAccount,
  input: Pick<QueueInput, 'user' | 'onlineOnly' | 'transfer' | 'with' | 'onOrder'> & { readonly kind: ItemKind },
  content: Pick<OutboxRecord, 'message' | 'draft'>,
): Promise<number> {
  const { ledger } = account;
  const row: OutboxRecord = {
    order: ledger.next('order'),
    user: input.user,
    kind: input.kind,
    onlineOnly: input.onlineOnly ?? false,
    transfer: input.transfer,
    ...content,
    sealed: undefined,
    acceptedMs: 0,
    createdMs: account.nowMs(),
  };
  await ledger.commit([{ put: 'outbox', value: row }, ...(input.with ?? [])]);
  input.onOrder?.(row.order);
  account.dispatch({ kind: 'queued', item: itemOf(row) });
  return row.order;
}
