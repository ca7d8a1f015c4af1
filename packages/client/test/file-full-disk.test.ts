/** The end of a file that cannot be stored for a moment, because the disk is full, is stored later. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TransferId } from '@securechat/e2ee';
import { SecureChatError } from '@securechat/wire';
import type { Actor } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';
import { temporaryFolder } from './stores.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The next commit that would end a transfer finds the disk full. Says whether it came. */
function fillOnce({ store }: Actor): () => boolean {
  const commit = store.commit.bind(store);
  let refused = false;
  store.commit = (changes) => {
    const ends = changes.some((change) => change.kind === 'delete' && change.collection === 'transfer');
    if (refused || !ends) return commit(changes);
    refused = true;
    return Promise.reject(new SecureChatError('PROFILE_UNWRITABLE'));
  };
  return () => refused;
}

/** Alice's offer is shown to Bob. */
async function offered({ alice, bob }: { readonly alice: Actor; readonly bob: Actor }, path: string) {
  writeFileSync(path, 'content');
  const { id, done } = await alice.engine.transfers.offer('bob', path, 2 ** 20, () => undefined);
  done();
  await until(
    () => bob.engine.ledger.transfers.has(id),
    () => 'an offer',
  );
  return id;
}

function failedFiles({ events }: Actor, id: TransferId): readonly string[] {
  return events.flatMap((event) => (event.kind === 'fileFailed' && event.id === id ? [event.code] : []));
}

test('a file that is gone when it is asked for fails, although the disk is full at that moment', async (t) => {
  const folder = temporaryFolder(t);
  await on(async ({ alice, bob }) => {
    await alice.sender.send('bob', 'hello', {});
    const path = join(folder, 'file.bin');
    const id = await offered({ alice, bob }, path);
    rmSync(path);
    const wasFull = fillOnce(alice);
    await bob.engine.transfers.answer(id, true, join(folder, 'in'));
    await until(
      () => failedFiles(alice, id).length > 0,
      () => `the file fails; the disk was full: ${wasFull()}`,
    );
    assert.ok(wasFull());
    assert.deepEqual(failedFiles(alice, id), ['FILE_UNREADABLE']);
    assert.equal(alice.engine.ledger.transfers.size, 0);
  });
});

test('a file that is too old after a restart ends, although the disk is full at that moment', async (t) => {
  const folder = temporaryFolder(t);
  await on(async ({ alice, bob }) => {
    await alice.sender.send('bob', 'hello', {});
    const id = await offered({ alice, bob }, join(folder, 'file.bin'));
    alice.nowMs = () => Date.now() + 31 * DAY_MS;
    await alice.engine.stop();
    const wasFull = fillOnce(alice);
    await alice.start();
    await until(
      () => failedFiles(alice, id).length > 0,
      () => `the file ends; the disk was full: ${wasFull()}`,
    );
    assert.ok(wasFull());
    assert.deepEqual(failedFiles(alice, id), ['EXPIRED']);
  });
});
