/** Small records by their kind, read from the store. */
import type { AccountId } from '@securechat/wire';
import type { AccountRecord, RecordKinds, Versioned } from '../core/records.ts';
import { decodeRecord } from '../core/records.ts';
import type { RecordSpace, Store } from '../stores/port.ts';

/** Where each kind lies. */
const spaces = {
  name: 'name',
  skeleton: 'skeleton',
  account: 'account',
  invite: 'invite',
  resumption: 'resumption',
  blob: 'blob',
  counter: 'counter',
  usage: 'counter',
} as const satisfies Record<keyof RecordKinds, RecordSpace>;

export async function readRecord<K extends keyof RecordKinds>(
  store: Store,
  kind: K,
  key: string,
): Promise<Versioned<RecordKinds[K]> | undefined> {
  return decodeRecord(kind, (await store.get(spaces[kind], [key])).get(key));
}

/** The account with this normalised name. */
export async function accountNamed(
  store: Store,
  username: string,
): Promise<{ readonly account: AccountId; readonly record: AccountRecord } | undefined> {
  const name = await readRecord(store, 'name', username);
  // The second read happens for nobody's account as well: an unknown name takes as long as a known one.
  const account = name?.value.account ?? ('' as AccountId);
  const record = await readRecord(store, 'account', account);
  return record === undefined ? undefined : { account, record: record.value };
}
