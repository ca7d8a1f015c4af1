/** The effect `found`: the next group of a conversation, with the first message in it. */
import { wipe } from '@securechat/crypto';
import { encodeContent, foundDirect } from '@securechat/e2ee';
import type { GroupId } from '@securechat/wire';
import { control, SecureChatError } from '@securechat/wire';
import type { EffectOf } from '../../core/effect.ts';
import { nextFounding, sendingGroup } from '../../core/lineage.ts';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import type { SealedRecord } from '../../core/record-outbox.ts';
import { claimKeys } from './claim-keys.ts';
import { draftOf, takeReceipts } from './draft.ts';
import { freshId } from '../fresh-id.ts';
import type { OpenAccount } from '../open-account.ts';
import { isHalted } from '../people/people.ts';
import { announce, guarded, numbers, stale } from './work-answer.ts';

/** Looks the peer up, claims a key package per device, founds the next group with the first message in it. */
export async function foundGroup(
  account: OpenAccount,
  { user, order, holder, lookup }: EffectOf<'found'>,
): Promise<void> {
  await guarded(account, user, 'all', async () => {
    const keys = await claimKeys(account, user, lookup);
    await account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const conversation = ledger.conversation(user);
      const row = ledger.outbox.get(order);
      const contact = ledger.contacts.get(user);
      const moved = contact?.accountJws !== keys.contact.accountJws || contact.listJws !== keys.contact.listJws;
      if (row === undefined) return stale(account, user, [order]);
      // While the keys were fetched an invitation may have come, or other keys.
      if (moved || isHalted(contact) || sendingGroup(conversation.lineage) !== undefined) return stale(account, user);

      const me = await account.people.writer();
      const taken = takeReceipts(row, conversation) ?? { content: draftOf(row), left: conversation };
      const sequences = { ownSequence: me.person.account.sequence, peerSequence: keys.bundle.account.sequence };
      const { generation, predecessor } = nextFounding(conversation.lineage, { ...sequences, holder });
      const group = freshId<GroupId>(entropy);
      const founded = foundDirect({
        engine: mls,
        me,
        peer: keys.bundle,
        keyPackages: keys.packages,
        group,
        generation,
        predecessor,
        first: taken.content,
        nowMs: account.nowMs(),
        entropy,
      });
      if (founded.kind === 'refused') throw new SecureChatError('NO_KEYS');
      const { epoch, chainNumber } = founded;
      const payload = control.Founding.encode(founded.founding).finish();
      const sealed: SealedRecord = { kind: 'found', group, epoch, chainNumber, ...numbers(account), payload };
      const draft = encodeContent({ ...taken.content, chainNumber: 1 });
      const facts = { group, generation, ...sequences, epoch, chainAccepted: 0, state: 'founding' } as const;
      const { delivered, read } = taken.left;
      const value: ConversationRecord = {
        ...conversation,
        delivered,
        read,
        lineage: [...conversation.lineage, facts],
      };
      const ownKeysMs = account.nowMs();
      await ledger.commit([
        { put: 'outbox', value: { ...row, draft, sealed } },
        { put: 'group', value: { group, user, state: founded.state, pending: undefined, received: [], ownKeysMs } },
        { put: 'conversation', value },
      ]);
      wipe(...founded.wipe);
      announce(account, user, [{ ...row, draft, sealed }]);
    });
  });
}
