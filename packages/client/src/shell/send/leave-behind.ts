/** A group that its other side cannot follow any more: the invitation, or new keys, expired in their mailbox. */
import type { ClientId, Code, GroupId } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import { withState } from '../../core/lineage.ts';
import type { OpenAccount } from '../open-account.ts';
import { giveUp } from './settle.ts';

interface Returned {
  readonly group: GroupId;
  /** Of the founding or commit that expired. */
  readonly id: ClientId;
  readonly code: Code;
}

/**
 * The conversation goes on in a successor. What was encrypted behind what expired nobody ever read: it comes back with it.
 * In the serial queue of the user. Idempotent.
 */
export async function leaveBehind(account: OpenAccount, user: string, { group, id, code }: Returned): Promise<void> {
  const { ledger } = account;
  const conversation = ledger.conversation(user);
  const lineage = withState(conversation.lineage, group, 'dead');
  await ledger.commit([{ put: 'conversation', value: { ...conversation, lineage } }]);
  account.dispatch({ kind: 'lineage', user, lineage });
  const unread = [...ledger.outbox.values()].filter(
    ({ kind, sealed }) => kind !== 'commit' && sealed?.group === group && !isBefore(sealed.id, id),
  );
  // The founding last: after a power cut in between it tells again what to do.
  for (const row of unread.toReversed()) {
    await giveUp(account, row, code);
    if (row.acceptedMs > 0) continue;
    account.answer(row.order, { kind: 'failed', code });
    account.dispatch({ kind: 'settled', user, order: row.order, lineage });
  }
}

/** Ids begin with a counter (fresh-id.ts). */
function isBefore(one: ClientId, other: ClientId): boolean {
  return Buffer.compare(idBytes(one), idBytes(other)) < 0;
}
