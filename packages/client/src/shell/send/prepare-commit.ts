/** The effect `commit`: new keys of this device in a group. */
import { wipe } from '@securechat/crypto';
import { renewLeaf } from '@securechat/e2ee';
import { control } from '@securechat/wire';
import type { EffectOf } from '../../core/effect.ts';
import { groupOf } from '../../core/lineage.ts';
import type { SealedRecord } from '../../core/record-outbox.ts';
import type { OpenAccount } from '../open-account.ts';
import { announce, guarded, numbers, stale } from './work-answer.ts';

/** Renews this device's keys in the group: the commit is prepared and stored, and counts once the server accepted it. */
export async function prepareCommit(account: OpenAccount, { user, group, order }: EffectOf<'commit'>): Promise<void> {
  await guarded(account, user, [order], () =>
    account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const row = ledger.outbox.get(order);
      const facts = groupOf(ledger.conversation(user).lineage, group);
      const record = await ledger.group(group);
      const contact = ledger.contacts.get(user);
      if (row === undefined || facts?.state !== 'live' || record === undefined || contact === undefined) {
        if (row !== undefined) await ledger.commit([{ drop: 'outbox', key: order }]);
        return stale(account, user, [order]);
      }
      const me = await account.people.writer();
      const people = [me.person, await account.people.bundle(contact)];
      const nowMs = account.nowMs();
      const renewal = renewLeaf({ engine: mls, me, group, state: record.state, nowMs, entropy, people });
      const payload = control.Commit.encode(renewal.commit).finish();
      const sealed: SealedRecord = {
        kind: 'commit',
        group,
        epoch: facts.epoch,
        chainNumber: 0,
        ...numbers(account),
        payload,
      };
      await ledger.commit([
        { put: 'outbox', value: { ...row, sealed } },
        { put: 'group', value: { ...record, state: renewal.state, pending: renewal.pending } },
      ]);
      wipe(...renewal.wipe);
      announce(account, user, [{ ...row, sealed }]);
    }),
  );
}
