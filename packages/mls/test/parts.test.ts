/**
 * Goal: a state in two records comes back identical, messages change the second alone, no used key is in either, and what
 * does not belong together is noticed. Method: histories stored after every step, as a database would hold them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { openJournal } from '../src/group/journal.ts';
import { decodeParts, encodeBase, encodeMessageKeys, sharesBase } from '../src/group/parts.ts';
import type { GroupState } from '../src/group/state.ts';
import { forgetPastEpochs } from '../src/group/merge.ts';
import { groupOf, refuses, suites, xwingSuite } from './client.ts';
import { seeded } from './entropy.ts';

interface Stored {
  readonly base: Uint8Array;
  readonly messageKeys: Uint8Array;
}

function store(state: GroupState): Stored {
  const { record, hash } = encodeBase(state);
  return { base: record, messageKeys: encodeMessageKeys(state, hash) };
}

/** Snapshots of equal states are equal. */
function snapshot(state: GroupState): Uint8Array {
  return openJournal(state).record;
}

for (const suite of suites)
  test(`a history stored after each step comes back identical, its base rewritten by commits alone (suite ${suite.id})`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 1, maxLength: 20 }), fc.nat(), (deeds, seed) => {
        const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], seeded(`parts ${seed}`), suite);
        assert.ok(alice && bob && carol);
        let { record: base, hash } = encodeBase(bob.state);
        const late: Uint8Array[] = [];
        for (const deed of deeds) {
          const before = bob.state;
          if (deed === 0) bob.read(alice.send('hello'));
          else if (deed === 1) bob.send('hello');
          else if (deed === 2) late.push(carol.send('late'));
          else if (deed === 3) late.splice(0, 1).forEach((message) => bob.read(message));
          else if (deed === 4) bob.prepare();
          else if (deed === 5) bob.state = forgetPastEpochs(bob.state).state;
          else {
            const { commit } = alice.commit();
            [bob, carol].forEach((client) => client.follow(commit));
            late.length = 0;
          }
          const kept = sharesBase(before, bob.state);
          assert.equal(kept, deed < 5);
          if (!kept) ({ record: base, hash } = encodeBase(bob.state));
          const { state, hash: read } = decodeParts(nodeProvider, {
            base,
            messageKeys: encodeMessageKeys(bob.state, hash),
          });
          assert.deepEqual(snapshot(state), snapshot(bob.state));
          assert.deepEqual(read, hash);
        }
      }),
      { numRuns: suite.id === 1 ? 12 : 4 },
    );
  });

test('two members write less than 400 bytes for a message, whatever the suite', () => {
  for (const suite of suites) {
    const [alice, bob] = groupOf(['alice', 'bob'], seeded('parts size'), suite);
    assert.ok(alice && bob);
    for (let at = 0; at < 3; at += 1) {
      bob.read(alice.send('there'));
      alice.read(bob.send('back'));
      assert.ok(store(bob.state).messageKeys.length < 400);
    }
  }
});

test('each further sender of an epoch adds less than 160 bytes, and twenty members write 3.2 kB at most', () => {
  const names = Array.from({ length: 20 }, (_, at) => `member ${at}`);
  const [reader, ...others] = groupOf(names, seeded('parts senders'), xwingSuite);
  assert.ok(reader);
  reader.send('first');
  const alone = store(reader.state).messageKeys.length;
  for (const other of others) reader.read(other.send('hello'));
  const all = store(reader.state).messageKeys.length;
  assert.ok((all - alone) / others.length < 160 && all <= 3200, `${alone} bytes, then ${all}`);
});

test('no secret that a step used up is in what is stored after it', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('parts secrets'), xwingSuite);
  assert.ok(alice && bob);
  const message = alice.send('hello');
  for (const received of [bob.receive(message), bob.receive(alice.send('again'))]) {
    assert.ok(received.kind === 'application');
    const { base, messageKeys } = store(received.state);
    const spent = received.wipe.filter(({ length }) => length >= 12);
    assert.ok(spent.length > 0);
    for (const secret of spent)
      for (const record of [base, messageKeys]) assert.equal(Buffer.from(record).includes(Buffer.from(secret)), false);
  }
});

test('damage, and records of two states, are damaged-state', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('parts damage'));
  assert.ok(alice && bob);
  const before = store(bob.state);
  bob.follow(alice.commit().commit);
  const after = store(bob.state);
  const refused = (parts: Stored): void => refuses(() => decodeParts(nodeProvider, parts), 'damaged-state');
  refused({ base: before.base, messageKeys: after.messageKeys });
  refused({ base: after.base, messageKeys: before.messageKeys });
  refused({ base: after.messageKeys, messageKeys: after.base });
  refused({ base: after.base, messageKeys: store(alice.state).messageKeys });
  for (const part of ['base', 'messageKeys'] as const) {
    const whole = after[part];
    for (const cut of [0, 1, 31, 32, 36, whole.length - 1]) refused({ ...after, [part]: whole.subarray(0, cut) });
    for (let at = 0; at < whole.length; at += 41) refused({ ...after, [part]: whole.with(at, (whole[at] ?? 0) ^ 1) });
  }
  decodeParts(nodeProvider, after);
});
