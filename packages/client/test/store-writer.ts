/** A process to be killed: commits without end, and prints each number once it is acknowledged. */
import { writeSync } from 'node:fs';
import type { StoreChange } from '../src/stores/port.ts';
import { plain, reopen, text } from './stores.ts';

const store = await reopen(process.argv[2] ?? '');
for (let next = Number(plain(await store.get('account', 'counter')) ?? 0) + 1; next < 1_000_000; next += 1) {
  const changes: StoreChange[] = [
    { kind: 'put', collection: 'account', key: 'counter', value: text(String(next)) },
    { kind: 'message', conversation: 'bob', id: String(next), value: new Uint8Array(2_000) },
    { kind: 'put', collection: 'outbox', key: String(next % 10), value: text(String(next)) },
  ];
  // Every tenth empties the outbox, so that a half-applied commit would show.
  if (next % 10 === 0)
    for (let key = 0; key < 10; key += 1) changes.push({ kind: 'delete', collection: 'outbox', key: String(key) });
  await store.commit(changes);
  writeSync(1, `${next}\n`);
}
