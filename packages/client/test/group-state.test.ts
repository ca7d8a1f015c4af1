/**
 * Goal: the state of a group is on the disk as cheaply as a message is small, and what cannot be read any more ends in a
 * new group, never in a crash. Method: real engines on stores in memory whose records are looked at, or changed in between.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupId } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { groupRecord } from '../src/core/record-group.ts';
import { queueCommit } from '../src/shell/send/queue.ts';
import type { ClientStore, StoreChange } from '../src/stores/port.ts';
import type { Actor, Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';

async function said({ alice, bob }: Play, text: string): Promise<void> {
  const before = bob.texts.length;
  await alice.sender.send('bob', text, {});
  await until(
    () => bob.texts.length > before,
    () => `bob ${bob.texts.join()} ${bob.gaps.join()}`,
  );
}

/** The next process of a person, after something happened to the disk. */
async function reopened(actor: Actor, happened: (store: ClientStore) => Promise<void>): Promise<void> {
  const disk = actor.store.copy();
  actor.office.cut(actor.record.device);
  await actor.engine.stop();
  actor.store = disk;
  await happened(disk);
  await actor.start();
}

function groupsOf(actor: Actor, user: string): readonly GroupId[] {
  return actor.engine.ledger.conversation(user).lineage.map(({ group }) => group);
}

/** As a profile of the engine before this one has it: version 1, one state of engine 1, and no base. */
async function asBefore(store: ClientStore): Promise<void> {
  const changes: StoreChange[] = [];
  for (const [key, value] of await store.all('group')) {
    const state = new Uint8Array(6000).fill(7);
    state.set([1, 1]);
    const old = groupRecord.encode({ ...groupRecord.decode(value), messageKeys: state, pending: undefined });
    old[0] = 1;
    changes.push(
      { kind: 'put', collection: 'group', key, value: old },
      { kind: 'delete', collection: 'groupBase', key },
    );
  }
  await store.commit(changes);
}

/** Bytes written to collections of groups, by the actor's process from now on. */
function watched(store: ClientStore): { readonly written: Record<'group' | 'groupBase', number[]> } {
  const written: Record<'group' | 'groupBase', number[]> = { group: [], groupBase: [] };
  const commit = store.commit.bind(store);
  store.commit = (changes) => {
    for (const change of changes)
      if (change.kind === 'put' && (change.collection === 'group' || change.collection === 'groupBase'))
        written[change.collection].push(change.value.length);
    return commit(changes);
  };
  return { written };
}

test('a message writes less than 500 bytes of its group, also after a restart; a commit writes the base', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await said(play, 'a1');
    await said(play, 'a2');
    await bob.sender.send('alice', 'b1', {});
    await until(
      () => alice.texts.includes('b1'),
      () => alice.texts.join(),
    );
    for (const restart of [false, true]) {
      if (restart) for (const actor of [alice, bob]) await reopened(actor, () => Promise.resolve());
      const watches = [watched(alice.store), watched(bob.store)];
      for (let at = 0; at < 3; at += 1) await said(play, `more ${at}`);
      for (const { written } of watches) {
        assert.ok(written.group.length >= 1 && Math.max(...written.group) < 500, written.group.join());
        assert.deepEqual(written.groupBase, []);
      }
    }
    const { written } = watched(alice.store);
    await alice.engine.serial.run('bob', () => queueCommit(alice.engine, 'bob'));
    await until(
      () => written.groupBase.length > 0,
      () => 'no base was written',
    );
  }));

test('a conversation in the state of an engine that is gone goes on in a new group, and its history stays', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await said(play, 'a1');
    const [old] = groupsOf(alice, 'bob');
    for (const actor of [alice, bob]) await reopened(actor, asBefore);
    await said(play, 'a2');
    assert.deepEqual(await bob.history('alice'), ['a1', 'a2']);
    const [before, next] = groupsOf(alice, 'bob');
    assert.equal(before, old);
    assert.ok(next !== undefined && groupsOf(bob, 'alice').includes(next));
    await bob.sender.send('alice', 'b1', {});
    await until(
      () => alice.texts.includes('b1'),
      () => `${alice.texts.join()} ${alice.gaps.join()}`,
    );
    assert.deepEqual([...alice.gaps, ...bob.gaps], []);
  }));

test('what arrives in a group of an engine that is gone is a gap, and the answer founds a group for both', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await said(play, 'a1');
    await reopened(bob, asBefore);
    await alice.sender.send('bob', 'unreadable', {});
    await until(
      () => bob.gaps.length > 0,
      () => 'no gap',
    );
    assert.deepEqual(bob.gaps, ['UNDECRYPTABLE']);
    await bob.sender.send('alice', 'b1', {});
    await until(
      () => alice.texts.includes('b1'),
      () => alice.texts.join(),
    );
    await said(play, 'a2');
    assert.deepEqual(await bob.history('alice'), ['a1', 'a2']);
    assert.equal(groupsOf(alice, 'bob').at(-1), groupsOf(bob, 'alice').at(-1));
  }));

test('records of two states of a group are not worked with, and a commit that failed leaves the state as it was', () =>
  on(async (play) => {
    const { alice } = play;
    await said(play, 'a1');
    const [group] = groupsOf(alice, 'bob');
    assert.ok(group);
    const before = await alice.store.get('groupBase', group);
    const { ledger } = alice.engine;
    const record = await ledger.group(group);
    assert.ok(before && record);

    // Nothing of a refused commit is there: the state in memory is still the one on the disk, and can be used.
    const commit = alice.store.commit.bind(alice.store);
    alice.store.commit = () => Promise.reject(new SecureChatError('PROFILE_UNWRITABLE'));
    await assert.rejects(() => ledger.commit([{ put: 'group', value: record }]), { code: 'PROFILE_UNWRITABLE' });
    alice.store.commit = commit;
    assert.equal(await ledger.group(group), record);
    await said(play, 'a2');

    await alice.engine.serial.run('bob', () => queueCommit(alice.engine, 'bob'));
    await until(
      () => (ledger.conversation('bob').lineage[0]?.epoch ?? 0) > 1,
      () => 'no commit',
    );
    await reopened(alice, (store) =>
      store.commit([{ kind: 'put', collection: 'groupBase', key: group, value: before }]),
    );
    await assert.rejects(() => alice.engine.ledger.group(group), { code: 'PROFILE_DAMAGED' });
  }));
