/** What was prepared and is not to be: groups and commits that lost, items that are worth nothing any more. */
import { wipe } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import type { EffectOf } from '../../core/effect.ts';
import { withoutGroup, withState } from '../../core/lineage.ts';
import type { SealedRecord } from '../../core/record-outbox.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { stale } from './work-answer.ts';

/** A group of ours that lost its slot. Nobody else ever saw it. */
export async function forgetGroup(account: OpenAccount, { user, group }: EffectOf<'forget-group'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const conversation = ledger.conversation(user);
    const lineage = withoutGroup(conversation.lineage, group);
    await ledger.commit([
      { put: 'conversation', value: { ...conversation, lineage } },
      { drop: 'group', key: group },
      ...unsealedRows(account, group, 'found'),
    ]);
  });
}

/** No more writing in this group; what still arrives in it is read. */
export async function buryGroup(account: OpenAccount, { user, group }: EffectOf<'bury-group'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const conversation = ledger.conversation(user);
    const lineage = withState(conversation.lineage, group, 'dead');
    await ledger.commit([{ put: 'conversation', value: { ...conversation, lineage } }]);
  });
}

/** Our commit lost: the winner's is read first. */
export async function dropCommit(account: OpenAccount, { user, group }: EffectOf<'drop-commit'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const record = await ledger.group(group);
    if (record?.pending === undefined) return;
    await ledger.commit([
      { put: 'group', value: { ...record, pending: undefined } },
      ...unsealedRows(account, group, 'commit'),
    ]);
    wipe(record.pending);
  });
}

/** A receipt or a commit that is not worth a new group. */
export async function dropItem(account: OpenAccount, { user, order }: EffectOf<'drop'>): Promise<void> {
  await account.serial.run(user, async () => {
    if (account.ledger.outbox.has(order)) await account.ledger.commit([{ drop: 'outbox', key: order }]);
    stale(account, user, [order]);
  });
}

function unsealedRows(account: OpenAccount, group: GroupId, kind: SealedRecord['kind']): LedgerChange[] {
  return [...account.ledger.outbox.values()]
    .filter((row) => row.sealed?.group === group && row.sealed.kind === kind && row.acceptedMs === 0)
    .map((row) => ({ put: 'outbox', value: { ...row, sealed: undefined } }));
}
