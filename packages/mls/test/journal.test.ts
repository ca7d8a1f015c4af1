/**
 * Goal: a state in storage is small to keep, comes back identical, and damage or an old copy is noticed. Method: histories
 * are recorded while they happen and replayed; snapshots of equal states are equal bytes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Appended } from '../src/group/journal.ts';
import { appendTo, openJournal, replay } from '../src/group/journal.ts';
import { decodePending, encodePending } from '../src/group/pending.ts';
import { mergePending } from '../src/group/commit.ts';
import { foundBranch } from '../src/group/successor.ts';
import { proposeUpdate } from '../src/group/send.ts';
import { forgetPastEpochs } from '../src/group/merge.ts';
import { takeNext } from '../src/schedule/secret-tree.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { utf8 } from '../src/codec/bytes.ts';
import type { Client } from './client.ts';
import {
  assertAgreement,
  groupOf,
  judge,
  lifetime,
  capabilities,
  refuses,
  suite1,
  suites,
  xwingSuite,
} from './client.ts';
import { seeded } from './entropy.ts';

/** A client whose every step is recorded. */
class Recorded {
  readonly client: Client;
  records: Uint8Array[];
  kinds: string[] = [];
  #last: Appended;

  constructor(client: Client) {
    this.client = client;
    this.#last = openJournal(client.state);
    this.records = [this.#last.record];
  }

  do<T>(deed: (client: Client) => T): T {
    const before = this.client.state;
    const result = deed(this.client);
    this.#last = appendTo(this.#last.journal, { before, after: this.client.state });
    this.kinds.push(this.#last.kind);
    if (this.#last.kind === 'snapshot') this.records = [];
    this.records.push(this.#last.record);
    return result;
  }

  get number(): bigint {
    return this.#last.journal.number;
  }

  get lastBytes(): number {
    return this.#last.record.length;
  }

  assertReplays(): void {
    const { state, journal } = replay(nodeProvider, { records: this.records, atLeast: this.number });
    assert.deepEqual(openJournal(state).record, openJournal(this.client.state).record);
    assert.equal(journal.number, this.number);
  }
}

for (const suite of suites)
  test(`a recorded history replays to the identical state (suite ${suite.id})`, () => {
    const numRuns = suite.id === 1 ? 12 : 4;
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 25 }), fc.nat(), (deeds, seed) => {
        const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], seeded(`journal ${seed}`), suite);
        assert.ok(alice && bob && carol);
        const recorded = new Recorded(bob);
        const late: Uint8Array[] = [];
        for (const deed of deeds) {
          if (deed < 3) recorded.do(() => bob.read(alice.send('hello')));
          else if (deed < 5) late.push(alice.send('late'), carol.send('later'));
          else if (deed < 6) recorded.do(() => bob.send('hello'));
          else if (deed < 7) {
            const update = proposeUpdate(alice.state, { identity: alice.identity, entropy: alice.entropy });
            alice.state = update.state;
            recorded.do(() => bob.receive(update.bytes));
          } else if (deed < 8 && late.length > 0) {
            const message = late.splice(seed % late.length, 1)[0] ?? assert.fail();
            recorded.do(() => bob.read(message));
          } else if (deed < 9) {
            const { commit } = alice.commit();
            carol.follow(commit);
            recorded.do(() => bob.follow(commit));
          } else {
            const { commit } = recorded.do(() => bob.commit());
            alice.follow(commit);
            carol.follow(commit);
          }
          recorded.assertReplays();
        }
      }),
      { numRuns },
    );
  });

test('a message writes less than 400 bytes, also the first of a sender', () => {
  for (const suite of [suite1, xwingSuite]) {
    const names = Array.from({ length: 33 }, (_, i) => `client ${i}`);
    const clients = groupOf(names, seeded('small'), suite);
    const [alice, bob] = clients;
    assert.ok(alice && bob);
    const recorded = new Recorded(bob);
    let bytes = 0;
    for (const sender of clients) {
      if (sender === bob) continue;
      recorded.do(() => bob.read(sender.send('hello')));
      bytes += recorded.lastBytes;
    }
    assert.ok(bytes / 32 < 400, `${bytes / 32} bytes a message, suite ${suite.id}`);
    for (let i = 0; i < 10; i++) {
      recorded.do(() => bob.read(alice.send('hello')));
      assert.ok(recorded.lastBytes < 250, `${recorded.lastBytes} bytes, suite ${suite.id}`);
      recorded.do(() => bob.send('hello'));
    }
    assert.ok(recorded.kinds.every((kind) => kind === 'delta'));
    recorded.assertReplays();
  }
});

test('one jump of two thousand messages writes less than 128 kB', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('jump'), xwingSuite);
  assert.ok(alice && bob);
  for (let i = 0; i < 2000; i++) {
    const { tree } = takeNext(alice.state.secretTree, { leaf: alice.leaf, kind: 'application' });
    alice.state = { ...alice.state, secretTree: tree };
  }
  const recorded = new Recorded(bob);
  recorded.do(() => bob.read(alice.send('found')));
  assert.ok(recorded.lastBytes < 128_000);
  recorded.assertReplays();
});

test('damage anywhere, a gap, another order and a missing end are noticed', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('damage'));
  assert.ok(alice && bob);
  const recorded = new Recorded(bob);
  for (let i = 0; i < 3; i++) recorded.do(() => bob.read(alice.send('hello')));
  const { records } = recorded;
  const load = (changed: readonly Uint8Array[], atLeast = 0n) => replay(nodeProvider, { records: changed, atLeast });
  load(records, 3n);
  const [snapshot, one, two, three] = records;
  assert.ok(snapshot && one && two && three);
  for (let at = 0; at < snapshot.length; at += 7)
    refuses(() => load([snapshot.with(at, (snapshot[at] ?? 0) ^ 0x10), one]), 'damaged-state');
  for (let at = 0; at < two.length; at++)
    refuses(() => load([snapshot, one, two.with(at, (two[at] ?? 0) ^ 1)]), 'damaged-state');
  refuses(() => load([snapshot, one, three]), 'rolled-back-state');
  refuses(() => load([snapshot, two, one]), 'rolled-back-state');
  refuses(() => load([snapshot, one, one]), 'rolled-back-state');
  refuses(() => load([snapshot, one, two], 3n), 'rolled-back-state');
  refuses(() => load([one]), 'damaged-state');
  refuses(() => load([]), 'damaged-state');
  refuses(() => load([snapshot.subarray(0, 20)]), 'damaged-state');
  refuses(() => load([snapshot, one, two, new Uint8Array(0)]), 'damaged-state');
});

test('a pending commit survives storage and is merged with what was read since', () => {
  for (const suite of suites) {
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], seeded('pending'), suite);
    assert.ok(alice && bob && carol);
    const made = alice.prepare({ proposals: [{ kind: 'remove', removed: carol.leaf }] });
    const stored = encodePending({ ...made.pending, intent: utf8('remove carol') });
    assert.equal(alice.read(bob.send('meanwhile')), 'meanwhile');
    const late = bob.send('late');
    const pending = decodePending(nodeProvider, stored);
    assert.deepEqual(pending.intent, utf8('remove carol'));
    assert.deepEqual(pending.hash, suite.provider.hash(suite.hash, made.commit));
    alice.state = mergePending(alice.state, pending).state;
    bob.follow(made.commit);
    assertAgreement([alice, bob]);
    assert.equal(alice.read(late), 'late');
    refuses(() => decodePending(nodeProvider, stored.with(40, (stored[40] ?? 0) ^ 1)), 'damaged-state');
    refuses(() => decodePending(nodeProvider, stored.subarray(0, 10)), 'damaged-state');
  }
});

test('states that ended are stored as well: re-initialised, removed, without past', () => {
  const [suite] = suites;
  assert.ok(suite);
  const entropy = seeded('ended');
  const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
  assert.ok(alice && bob && carol);
  const roundTrip = (client: Client): void => {
    const { record } = openJournal(client.state);
    const { state } = replay(nodeProvider, { records: [record] });
    assert.deepEqual(openJournal(state).record, record);
    assert.deepEqual(state.status, client.state.status);
    client.state = state;
  };
  const gone = bob.commit({ proposals: [{ kind: 'remove', removed: carol.leaf }] });
  alice.follow(gone.commit);
  carol.follow(gone.commit);
  roundTrip(carol);
  refuses(() => carol.send('hello'), 'closed');
  bob.state = forgetPastEpochs(bob.state).state;
  roundTrip(bob);
  const reinit = { groupId: entropy(16), version: 1, suite: 3, extensions: [] };
  bob.follow(alice.commit({ proposals: [{ kind: 'reinit', reinit }] }).commit);
  roundTrip(bob);
  const input = { ...judge, identity: alice.identity, capabilities: capabilities(), lifetime, entropy };
  const predecessor = { state: bob.state, sameClient: () => true };
  foundBranch(suite, { ...input, predecessor, proposals: [], groupId: entropy(16) });
});
