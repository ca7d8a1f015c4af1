import { wipe } from '@securechat/crypto';
import type { AccountRecord } from '../../core/record-account.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';

/** New keys of this device: nothing that was made with the old ones can be used or read again. */
export async function replaceDevice(ledger: Ledger, account: AccountRecord): Promise<void> {
  const changes: LedgerChange[] = [
    { put: 'account', value: account },
    // A new device has a mailbox of its own, numbered from 1.
    { put: 'cursor', value: 0 },
    { drop: 'successor', key: undefined },
  ];
  for (const key of ledger.keyPackages.keys()) changes.push({ drop: 'keyPackage', key });
  for (const seq of ledger.parked.keys()) changes.push({ drop: 'parked', key: seq });
  for (const conversation of ledger.conversations.values()) {
    for (const { group } of conversation.lineage) changes.push({ drop: 'group', key: group });
    const lineage = conversation.lineage
      .filter(({ state }) => state !== 'founding')
      .map((facts) => ({ ...facts, state: 'dead' as const }));
    changes.push({ put: 'conversation', value: { ...conversation, lineage } });
  }
  for (const row of ledger.outbox.values()) {
    if (row.acceptedMs > 0) {
      // Numbers of the old device say nothing to the new one's server.
      if (row.sealed !== undefined)
        changes.push({ put: 'outbox', value: { ...row, sealed: { ...row.sealed, submitNumber: 0 } } });
      continue;
    }
    changes.push(
      row.kind === 'commit'
        ? { drop: 'outbox', key: row.order }
        : { put: 'outbox', value: { ...row, sealed: undefined } },
    );
  }
  const { signing, sealing } = ledger.account;
  await ledger.commit(changes);
  wipe(signing, sealing);
}
