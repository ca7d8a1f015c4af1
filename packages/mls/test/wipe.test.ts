/**
 * Goal: what a step reports in `wipe` is everything that only the old state held. Method: the secrets of both states are
 * compared by identity and by value; and after wiping, old traffic that was recorded is out of reach.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wipeAll } from '../src/codec/bytes.ts';
import { receive } from '../src/group/receive.ts';
import { encrypt, propose, proposeUpdate } from '../src/group/send.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import { createCommit, mergePending } from '../src/group/commit.ts';
import { forgetPastEpochs } from '../src/group/merge.ts';
import { replay, openJournal } from '../src/group/journal.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import type { Advanced, GroupState } from '../src/group/state.ts';
import { onlyIn, secretsOf, secretsOfDropped } from '../src/group/state.ts';
import { groupOf, judge, refuses, suites } from './client.ts';
import { seeded } from './entropy.ts';
import { toHex } from './vectors.ts';

const values = (state: GroupState): string[] => [...secretsOf(state)].map(toHex);

/** Nothing that is gone is missing from `wipe`, and nothing that stays is in it. */
function assertWipes(before: GroupState, { state, wipe }: Advanced): void {
  const named = new Set(wipe);
  for (const secret of onlyIn(before, state)) assert.ok(named.has(secret), 'a secret that is gone is not named');
  const kept = new Set(secretsOf(state));
  for (const secret of wipe) assert.ok(!kept.has(secret), 'a secret that stays would be wiped');
  const unchanged = values(state);
  wipeAll(wipe);
  assert.deepEqual(values(state), unchanged);
  const left = new Set(unchanged);
  // What the old state still shows is what both states hold, or zeros.
  for (const value of values(before)) assert.ok(left.has(value) || /^0*$/.test(value), 'an old secret is left over');
}

for (const suite of suites) {
  test(`each step names all that it used up (suite ${suite.id})`, () => {
    const entropy = seeded('wipe');
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy, suite);
    assert.ok(alice && bob && carol);
    const removal = { kind: 'remove', removed: carol.leaf } as const;
    const step = (advanced: Advanced): void => {
      const before = bob.state;
      bob.state = advanced.state;
      assertWipes(before, advanced);
    };
    const accept = (message: Uint8Array) =>
      receive(bob.state, { ...judge, message, publicHandshakes: 'refuse-members' });
    const late = [alice.send('1'), alice.send('2')];
    for (const message of [alice.send('3'), late[0], carol.send('4'), late[1]]) {
      const received = accept(message ?? assert.fail());
      assert.ok(received.kind === 'application');
      step(received);
    }
    const { identity } = bob;
    step(encrypt(bob.state, { identity, entropy, plaintext: new Uint8Array(3) }));
    const staged = accept(alice.commit().commit);
    assert.ok(staged.kind === 'commit');
    step(mergeCommit(bob.state, staged));
    const proposed = propose(alice.state, { identity: alice.identity, entropy, proposal: removal });
    alice.state = proposed.state;
    const received = accept(proposed.bytes);
    assert.ok(received.kind === 'proposal');
    step(received);
    const update = proposeUpdate(bob.state, { identity, entropy });
    step(update);
    assert.ok(alice.receive(update.bytes).kind === 'proposal');
    // Its private key moves from the proposal into the epoch.
    const withUpdate = accept(alice.commit({ references: [update.reference] }).commit);
    assert.ok(withUpdate.kind === 'commit');
    step(mergeCommit(bob.state, withUpdate));
    assert.equal(alice.authenticator, bob.authenticator);
    const made = createCommit(bob.state, { ...judge, identity, entropy });
    step(made);
    step(mergePending(bob.state, made.pending));
    step(forgetPastEpochs(bob.state));
  });

  test(`a state stolen after wiping opens nothing from before (suite ${suite.id})`, () => {
    const [alice, bob] = groupOf(['alice', 'bob'], seeded('stolen'), suite);
    assert.ok(alice && bob);
    const messages = Array.from({ length: 5 }, (_, i) => alice.send(`${i}`));
    for (const message of messages) {
      const received = receive(bob.state, { ...judge, message, publicHandshakes: 'refuse-members' });
      assert.ok(received.kind === 'application');
      bob.state = received.state;
      wipeAll(received.wipe);
    }
    const { record } = openJournal(bob.state);
    const { state } = replay(nodeProvider, { records: [record] });
    for (const message of messages)
      refuses(() => receive(state, { ...judge, message, publicHandshakes: 'refuse-members' }), 'replayed');
    const stolen = new Set(values(state));
    assert.ok(stolen.size > 0);
  });

  test(`a removed member’s state keeps no secret of the group (suite ${suite.id})`, () => {
    const [alice, bob] = groupOf(['alice', 'bob'], seeded('removed'), suite);
    assert.ok(alice && bob);
    const { commit } = alice.commit({ proposals: [{ kind: 'remove', removed: bob.leaf }] });
    const staged = receive(bob.state, { ...judge, message: commit, publicHandshakes: 'accept' });
    assert.ok(staged.kind === 'commit');
    const before = bob.state;
    const merged = mergeCommit(bob.state, staged);
    assertWipes(before, merged);
    const forgotten = forgetPastEpochs(merged.state);
    assertWipes(merged.state, forgotten);
    assert.deepEqual(
      values(forgotten.state).filter((value) => value !== ''),
      [],
    );
  });
}

test('a commit that lost its race leaves nothing behind, and the state is whole', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('dropped'));
  assert.ok(alice && bob);
  const { pending } = alice.prepare();
  const { commit } = bob.commit();
  const before = values(alice.state);
  wipeAll(secretsOfDropped(alice.state, pending.epoch));
  assert.deepEqual(values(alice.state), before);
  for (const secret of Object.values<Uint8Array>({ ...pending.epoch.secrets }))
    assert.ok(secret.every((byte) => byte === 0));
  alice.follow(commit);
  assert.equal(alice.authenticator, bob.authenticator);
});

test('a refused message changes nothing, and no input is changed by any step', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('unchanged'));
  assert.ok(alice && bob);
  const message = alice.send('hello');
  const copy = message.slice();
  const before = openJournal(bob.state).record;
  const damaged = message.with(-1, (message.at(-1) ?? 0) ^ 1);
  refuses(() => receive(bob.state, { ...judge, message: damaged, publicHandshakes: 'accept' }), 'undecryptable');
  assert.deepEqual(openJournal(bob.state).record, before);
  const received = receive(bob.state, { ...judge, message, publicHandshakes: 'accept' });
  assert.deepEqual(openJournal(bob.state).record, before);
  assert.deepEqual(message, copy);
  assert.notDeepEqual(openJournal(received.kind === 'application' ? received.state : bob.state).record, before);
});
