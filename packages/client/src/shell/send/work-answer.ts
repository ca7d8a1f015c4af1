/** How work that the core asked for is answered: `sealed`, `stale` or `seal-failed`, whatever happens. */
import type { Lineage } from '../../core/lineage.ts';
import type { OutboxRecord, SealedRecord } from '../../core/record-outbox.ts';
import { itemOf } from '../../core/record-outbox.ts';
import { clientId } from '../fresh-id.ts';
import type { OpenAccount } from '../open-account.ts';
import { failureOf } from '../open-account.ts';

/** Whatever goes wrong becomes one answer to the core, which would wait for ever otherwise. */
export async function guarded(
  account: OpenAccount,
  user: string,
  orders: readonly number[] | 'all',
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { code, detail } = failureOf(cause);
    account.dispatch({ kind: 'seal-failed', user, orders, code, detail });
  }
}

/** Numbers of a submission; stored with the next commit, which the caller makes before using them. */
export function numbers(account: OpenAccount): Pick<SealedRecord, 'id' | 'submitNumber'> {
  const id = clientId(account.ledger.next('clientCounter'), account.entropy);
  return { id, submitNumber: account.ledger.next('submitNumber') };
}

/** Rows that are on disk, ready for the socket. */
export function announce(
  account: OpenAccount,
  user: string,
  rows: readonly OutboxRecord[],
  dropped: readonly number[] = [],
): void {
  const sealed = rows.flatMap((row) => {
    const item = itemOf(row);
    return item.sealed === undefined ? [] : [{ order: row.order, sealed: item.sealed }];
  });
  account.dispatch({ kind: 'sealed', user, sealed, lineage: lineageOf(account, user), dropped });
}

/** The conversation changed under the work, or nothing was left to do: the core plans again. */
export function stale(account: OpenAccount, user: string, dropped: readonly number[] = []): void {
  account.dispatch({ kind: 'stale', user, lineage: lineageOf(account, user), dropped });
}

function lineageOf(account: OpenAccount, user: string): Lineage {
  return account.ledger.conversation(user).lineage;
}
