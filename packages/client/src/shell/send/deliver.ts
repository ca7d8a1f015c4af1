/**
 * From the outbox to the socket. Each function does what one effect of the core says: under the conversation's serial
 * queue it reads the group, encrypts, and stores outbox row and advanced group state in one commit. Only then does the
 * row count as sealed, and only a sealed row reaches the socket.
 */
import { wipe } from '@securechat/crypto';
import { encodeContent, encryptContent } from '@securechat/e2ee';
import { encodeSubmit } from '@securechat/wire';
import type { EffectOf } from '../../core/effect.ts';
import { groupOf, sendingGroup, withState } from '../../core/lineage.ts';
import type { OutboxRecord } from '../../core/record-outbox.ts';
import type { Owed } from './draft.ts';
import { takeReceipts } from './draft.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { isHalted } from '../people/people.ts';
import { announce, guarded, numbers, stale } from './work-answer.ts';

/** Encrypts waiting items in the group, in order. Ends with `sealed`, `stale` or `seal-failed`. */
export async function encryptItems(account: OpenAccount, effect: EffectOf<'encrypt'>): Promise<void> {
  const { user, group, orders } = effect;
  await guarded(account, user, orders, () =>
    account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const conversation = ledger.conversation(user);
      const facts = groupOf(conversation.lineage, group);
      const record = await ledger.group(group);
      if (facts?.state === 'live' && record === undefined) {
        // Its state is gone, or of an engine that is: the history stays, the conversation goes on in a new group.
        const lineage = withState(conversation.lineage, group, 'dead');
        await ledger.commit([
          { put: 'conversation', value: { ...conversation, lineage } },
          { drop: 'group', key: group },
        ]);
        return stale(account, user);
      }
      const over = facts === undefined || sendingGroup(conversation.lineage) !== facts || record === undefined;
      if (over || record.pending !== undefined || isHalted(ledger.contacts.get(user))) return stale(account, user);

      const me = await account.people.writer();
      const dropped: number[] = [];
      const rows: OutboxRecord[] = [];
      const spent: Uint8Array[] = [];
      let { state } = record;
      let receipts: Owed = conversation;
      let { chainNumber } = effect;
      for (const order of orders) {
        const row = ledger.outbox.get(order);
        const draft = row === undefined ? undefined : takeReceipts(row, receipts);
        if (row === undefined || draft === undefined) {
          dropped.push(order);
          continue;
        }
        receipts = draft.left;
        const { content } = draft;
        const encrypted = encryptContent({ engine: mls, me, group, state, entropy, chainNumber, content });
        spent.push(...encrypted.wipe);
        ({ state } = encrypted);
        const sealed = { kind: 'message', group, epoch: facts.epoch, chainNumber } as const;
        rows.push({
          ...row,
          draft: encodeContent({ ...content, chainNumber: 1 }),
          sealed: { ...sealed, ...numbers(account), payload: encrypted.ciphertext },
        });
        chainNumber += 1;
      }
      const drops = dropped.filter((order) => ledger.outbox.has(order));
      const { delivered, read } = receipts;
      await ledger.commit([
        ...rows.map((value): LedgerChange => ({ put: 'outbox', value })),
        ...drops.map((key): LedgerChange => ({ drop: 'outbox', key })),
        { put: 'group', value: { ...record, state } },
        { put: 'conversation', value: { ...conversation, delivered, read } },
      ]);
      wipe(...spent);
      announce(account, user, rows, dropped);
      if (delivered.length + read.length > 0) account.receipts.owed(user);
    }),
  );
}

/** Refused, with nothing stored at the server: the same bytes under fresh submit numbers. */
export async function renumberItems(account: OpenAccount, { user, orders }: EffectOf<'renumber'>): Promise<void> {
  await guarded(account, user, orders, () =>
    account.serial.run(user, async () => {
      const { ledger } = account;
      const rows = orders.flatMap((order): OutboxRecord[] => {
        const row = ledger.outbox.get(order);
        if (row?.sealed === undefined) return [];
        return [{ ...row, sealed: { ...row.sealed, submitNumber: ledger.next('submitNumber') } }];
      });
      await ledger.commit(rows.map((value): LedgerChange => ({ put: 'outbox', value })));
      announce(account, user, rows);
    }),
  );
}

/** Hands one sealed row to the socket. */
export function submitItem(account: OpenAccount, { order, lowestUnresolved }: EffectOf<'submit'>): void {
  const row = account.ledger.outbox.get(order);
  const link = account.link();
  if (row?.sealed === undefined || link === undefined) return;
  link.submit(encodeSubmit({ ...row.sealed, onlineOnly: row.onlineOnly, lowestUnresolved }));
}
