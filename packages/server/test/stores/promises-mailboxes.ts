/** What a driver promises of mailboxes: fences, cursors, bounds, and what happens when one is full. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import { attach, commit, founding, idNamed, join, message, NOW_MS } from './stage.ts';
import { accepted, all, group, kinds, refused, seqs, storeError } from './place.ts';
import type { Places } from './place.ts';

export function promiseMailboxes(name: string, { begin, pair }: Places): void {
  test(`${name}: attach fences: an older generation neither submits nor acknowledges`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    accepted(await at.store.submit(message(anna, group)));
    const old = { ...anna };
    await attach(at.store, anna);
    assert.equal(anna.generation, old.generation + 1);
    assert.equal(refused(await at.store.submit(message(old, group))), 'SESSION_REPLACED');
    await attach(at.store, bert, 1);
    await at.store.ack(bert.device, bert.generation - 1, 99);
    assert.equal((await all(at.store, bert)).length, 1);
    assert.equal(await at.store.attach(idNamed<DeviceId>('unknown'), 0, NOW_MS), undefined);
  });

  test(`${name}: attach acknowledges what the device has stored, and tells numbers`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
    const attached = await at.store.attach(bert.device, 3, NOW_MS);
    assert.deepEqual([attached?.mailboxNext, attached?.submitNumberHighest], [5, 0]);
    assert.deepEqual(seqs(await all(at.store, bert)), [4]);
    assert.equal((await at.store.attach(anna.device, 0, NOW_MS))?.submitNumberHighest, 4);
    await assert.rejects(at.store.attach(anna.device, -1, NOW_MS), storeError('invalid'));
    await assert.rejects(at.store.attach(anna.device, 2 ** 53, NOW_MS), storeError('invalid'));
  });

  test(`${name}: a cursor ahead of the store (a restored copy) loses nothing: waiting rows move above it`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
    await attach(at.store, bert, 50);
    assert.deepEqual(seqs(await all(at.store, bert, 50)), [51, 52, 53]);
    assert.equal(accepted(await at.store.submit(message(anna, group))).rows[0]?.seq, 54);
    await at.store.ack(bert.device, bert.generation, 54);
    await attach(at.store, bert, 99);
    assert.equal(accepted(await at.store.submit(message(anna, group))).rows[0]?.seq, 100);
  });

  test(`${name}: a cursor of another history acknowledges nothing, wherever it stands`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 9; count += 1) accepted(await at.store.submit(message(anna, group)));
    const { history } = (await at.store.attach(bert.device, 0, NOW_MS)) ?? {};
    assert.ok(history !== undefined && Number.isSafeInteger(history));
    // A device that comes back late to a restored copy: by now its old numbers were given out again, to other rows.
    const attached = await at.store.attach(bert.device, 6, NOW_MS, history + 1);
    assert.deepEqual([attached?.mailboxNext, attached?.history], [16, history]);
    assert.deepEqual(seqs(await all(at.store, bert, 6)), [7, 8, 9, 10, 11, 12, 13, 14, 15]);
    // Its answer may be lost: the same again changes nothing.
    assert.equal((await at.store.attach(bert.device, 6, NOW_MS, history + 1))?.mailboxNext, 16);
    assert.equal((await all(at.store, bert, 6)).length, 9);
    assert.equal((await at.store.attach(bert.device, 8, NOW_MS, history))?.mailboxNext, 16);
    assert.deepEqual(seqs(await all(at.store, bert)), [9, 10, 11, 12, 13, 14, 15]);
  });

  test(`${name}: fetch keeps its bounds, and gives at least one row`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 5; count += 1) accepted(await at.store.submit(message(anna, group)));
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 2, 1e9)), [2, 3]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 3, 2, 1e9)), [4, 5]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 600)), [2, 3]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 599)), [2]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 1)), [2]);
    assert.deepEqual(await at.store.fetch(idNamed<DeviceId>('unknown'), 0, 100, 1e9), []);
  });

  test(`${name}: the mailbox is full at its limit and not before, in rows and in bytes`, async () => {
    for (const limits of [
      { ...defaultLimits, mailboxRowsMax: 3 },
      { ...defaultLimits, mailboxBytesMax: 900 },
    ]) {
      const { place, anna, bert } = await pair(limits);
      await using at = place;
      for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
      assert.equal(refused(await at.store.submit(message(anna, group, { chainNumber: 9 }))), 'MAILBOX_FULL');
      accepted(await at.store.submit(commit(anna, group)));
      await at.store.ack(bert.device, bert.generation, 3);
      accepted(await at.store.submit(message(anna, group, { chainNumber: 9, epoch: 2 })));
    }
  });

  test(`${name}: one full device of two gets one resync row, until it was acknowledged`, async () => {
    await using at = await begin({ ...defaultLimits, mailboxRowsMax: 2 });
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    const second = { ...bert, device: idNamed<DeviceId>('bert.2') };
    await at.store.put([], {
      account: bert.account,
      sequence: 1,
      add: [second.device],
      remove: [],
      cause: 'RECIPIENT_RESET',
    });
    await attach(at.store, second);
    const devices = [anna.device, bert.device, second.device];
    accepted(await at.store.submit(founding(anna, bert, group, { founding: { devices } })));
    for (let seq = 1; seq <= 5; seq += 1) {
      await at.store.ack(bert.device, bert.generation, seq);
      accepted(await at.store.submit(message(anna, group, { chainNumber: seq })));
    }
    assert.deepEqual(kinds(await all(at.store, second)), ['invitation', 'message', 'resync']);
    await at.store.ack(second.device, second.generation, 1);
    const states = accepted(await at.store.submit(message(anna, group, { chainNumber: 6 }))).devices;
    assert.deepEqual(states.map((each) => each.state).sort(), ['resync', 'stored']);
    await at.store.ack(second.device, second.generation, 3);
    accepted(await at.store.submit(message(anna, group, { chainNumber: 7 })));
    for (const chainNumber of [8, 9]) {
      await at.store.ack(bert.device, bert.generation, 99);
      accepted(await at.store.submit(message(anna, group, { chainNumber })));
    }
    assert.deepEqual(kinds(await all(at.store, second)), ['message', 'message', 'resync']);
  });
}
