/**
 * Goal: a group that was not used for long leaves the memory wiped, and never under somebody's hands. Method: room for two
 * groups, an engine that only counts, and a queue that is free when the test says so.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupState, MlsEngine } from '@securechat/e2ee';
import type { GroupId } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import type { OpenGroup } from '../src/shell/ledger/open-groups.ts';
import { OpenGroups } from '../src/shell/ledger/open-groups.ts';
import { MemoryStore } from './doubles/memory-store.ts';

const group = (number: number): GroupId => idOf(new Uint8Array(16).fill(number));
const state = (): GroupState => ({}) as GroupState;

async function scene() {
  const discarded: GroupState[] = [];
  let read = 0;
  const records = { base: Uint8Array.of(1), messageKeys: Uint8Array.of(2) };
  const mls = {
    discard: (one: GroupState) => void discarded.push(one),
    pack: (_: GroupState, stored?: GroupState) => ({
      ...records,
      base: stored === undefined ? records.base : undefined,
    }),
    unpack() {
      read += 1;
      return state();
    },
  } as unknown as MlsEngine;
  const store = new MemoryStore();
  const groups = new OpenGroups(store, mls, 2);
  const free: (() => void)[] = [];
  groups.whenFree = (_, leave) => void free.push(leave);
  const record = (number: number): OpenGroup => ({
    group: group(number),
    user: `user ${number}`,
    state: state(),
    pending: undefined,
    received: [],
    ownKeysMs: 0,
  });
  for (const number of [1, 2, 3, 4]) await store.commit(groups.put(record(number)));
  const queueIsFree = (): void => free.splice(0).forEach((leave) => leave());
  const get = async (number: number): Promise<OpenGroup> => (await groups.get(group(number))) ?? assert.fail();
  return { groups, discarded, queueIsFree, get, reads: () => read };
}

test('the group used longest ago is wiped when its person’s queue is free, not before, and read again then', async () => {
  const { discarded, queueIsFree, get, reads } = await scene();
  const first = await get(1);
  await get(2);
  await get(3);
  assert.deepEqual(discarded, []);
  queueIsFree();
  assert.deepEqual(discarded, [first.state]);
  assert.equal(reads(), 3);
  assert.notEqual((await get(1)).state, first.state);
  assert.equal(reads(), 4);
});

test('a group that is taken up again before its queue is free stays as it is', async () => {
  const { discarded, queueIsFree, get, reads } = await scene();
  const first = await get(1);
  await get(2);
  await get(3);
  assert.equal(await get(1), first);
  assert.equal(reads(), 3);
  queueIsFree();
  assert.ok(!discarded.includes(first.state));
  assert.equal(await get(1), first);
});

test('a state that was followed by another meanwhile is not wiped: they share secrets', async () => {
  const { groups, discarded, queueIsFree, get } = await scene();
  const first = await get(1);
  await get(2);
  await get(3);
  const next = { ...first, state: state() };
  // Its base is known still: a message writes its keys alone.
  assert.equal(groups.put(next).length, 1);
  groups.remember(next);
  queueIsFree();
  assert.ok(!discarded.includes(first.state) && !discarded.includes(next.state));
  assert.equal(await get(1), next);
});

test('at the end everything is wiped, also what was about to leave', async () => {
  const { groups, discarded, queueIsFree, get } = await scene();
  const all = [await get(1), await get(2), await get(3), await get(4)];
  groups.wipe();
  assert.deepEqual(new Set(discarded), new Set(all.map((one) => one.state)));
  queueIsFree();
  assert.equal(discarded.length, 4);
});
