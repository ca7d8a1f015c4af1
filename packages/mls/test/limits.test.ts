/** Goal: every bound holds at its number, and refuses one past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY } from '../src/codec/bytes.ts';
import { Reader, decode } from '../src/codec/reader.ts';
import { Writer } from '../src/codec/writer.ts';
import { readCommit } from '../src/group/commit-structure.ts';
import { exportFrom } from '../src/group/export.ts';
import { propose } from '../src/group/send.ts';
import type { CachedProposal } from '../src/group/state.ts';
import { defaultConfig } from '../src/group/state.ts';
import { advance, ratchetOf, seek } from '../src/schedule/ratchet.ts';
import { readExtensions } from '../src/tree/extension.ts';
import { RatchetTree } from '../src/tree/ratchet-tree.ts';
import { LEAVES_MAX, nodeCount } from '../src/tree/tree-math.ts';
import { readUpdatePath } from '../src/tree/update-path.ts';
import { Client, groupOf, refuses, suite1 as suite } from './client.ts';
import { seeded } from './entropy.ts';
import { toHex } from './vectors.ts';

const entropy = seeded('limits');

function listOf(count: number, item: (writer: Writer, index: number) => void): Uint8Array {
  return new Writer()
    .vectorOf((writer) => {
      for (let i = 0; i < count; i++) item(writer, i);
    })
    .done();
}

test('a list has 1,024 items at most, extensions 64, proposals of a commit 4,096, nodes of a path 32', () => {
  const numbers = (count: number) => () => new Reader(listOf(count, (w, i) => w.u16(i))).list((r) => r.u16());
  assert.equal(numbers(1024)().length, 1024);
  refuses(numbers(1025), 'limit');
  const extensions = (count: number) => () =>
    decode(
      listOf(count, (w, i) => w.u16(i).vector(EMPTY)),
      readExtensions,
    );
  assert.equal(extensions(64)().length, 64);
  refuses(extensions(65), 'limit');
  const commit = (count: number) => () =>
    decode(
      new Writer()
        .raw(listOf(count, (w) => w.u8(1).u16(3).u32(0)))
        .u8(0)
        .done(),
      readCommit,
    );
  assert.equal(commit(4096)().proposals.length, 4096);
  refuses(commit(4097), 'limit');
  const { leaf } = new Client('alice', suite, entropy).keyPackage().keyPackage;
  const path = (count: number) => () =>
    decode(
      new Writer()
        .raw(leaf.encoded)
        .raw(listOf(count, (w) => w.vector(EMPTY).vector(EMPTY)))
        .done(),
      readUpdatePath,
    );
  assert.equal(path(32)().nodes.length, 32);
  refuses(path(33), 'limit');
});

test('a chain ends before its generation number would run over', () => {
  const last = { ...ratchetOf(entropy(32)), generation: 2 ** 32 - 2 };
  const step = advance(suite, last);
  assert.equal(step.ratchet.generation, 2 ** 32 - 1);
  refuses(() => advance(suite, step.ratchet), 'limit');
  const window = { backMax: 256, forwardMax: 2000 };
  refuses(() => seek(suite, last, { generation: 2 ** 32 - 1, window }), 'limit');
});

test('a message may be as far ahead as the window says, and no further', () => {
  const ratchet = ratchetOf(entropy(32));
  const window = { backMax: 4, forwardMax: 20 };
  const { ratchet: ahead } = seek(suite, ratchet, { generation: 20, window });
  assert.deepEqual([...ahead.skipped.keys()], [17, 18, 19]);
  refuses(() => seek(suite, ratchet, { generation: 21, window }), 'too-far-ahead');
  seek(suite, ahead, { generation: 17, window });
  refuses(() => seek(suite, ahead, { generation: 16, window }), 'too-old');
});

test('by default a message may be 2,000 ahead and 256 behind', () => {
  const { window } = defaultConfig;
  const ratchet = ratchetOf(entropy(32));
  const { ratchet: ahead } = seek(suite, ratchet, { generation: 2000, window });
  refuses(() => seek(suite, ratchet, { generation: 2001, window }), 'too-far-ahead');
  // The newest one counts as one of the 256.
  assert.deepEqual([...ahead.skipped.keys()].slice(0, 1), [1745]);
  seek(suite, ahead, { generation: 1745, window });
  refuses(() => seek(suite, ahead, { generation: 1744, window }), 'too-old');
});

test('messages of four past epochs are read by default, of as many as the configuration says, and of no more', () => {
  for (const pastEpochsMax of [defaultConfig.pastEpochsMax, 2, 0]) {
    const [alice, bob] = groupOf(['alice', 'bob'], entropy);
    assert.ok(alice && bob);
    bob.state = { ...bob.state, config: { ...bob.state.config, pastEpochsMax } };
    const sent: Uint8Array[] = [];
    for (let epoch = 0; epoch <= pastEpochsMax; epoch++) {
      sent.push(alice.send(`of epoch ${epoch}`));
      bob.follow(alice.commit().commit);
    }
    const [tooOld = assert.fail(), ...inTime] = sent;
    refuses(() => bob.read(tooOld), 'too-old');
    assert.deepEqual(
      inTime.map((message) => bob.read(message)),
      inTime.map((_, i) => `of epoch ${i + 1}`),
    );
  }
  assert.equal(defaultConfig.pastEpochsMax, 4);
});

test('an epoch keeps 1,024 proposals', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], entropy);
  assert.ok(alice && bob);
  const proposal = { kind: 'remove', removed: 1 } as const;
  const cached: CachedProposal = { proposal, sender: { kind: 'member', leaf: 1 }, privateKey: undefined };
  const full = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`${i}`, cached] as const));
  const { identity } = alice;
  const { bytes } = propose(bob.state, { identity: bob.identity, entropy, proposal: { kind: 'remove', removed: 0 } });
  alice.state = { ...alice.state, proposals: full(1023) };
  propose(alice.state, { identity, entropy, proposal });
  alice.state = { ...alice.state, proposals: full(1024) };
  refuses(() => propose(alice.state, { identity, entropy, proposal }), 'limit');
  refuses(() => alice.receive(bytes), 'limit');
});

test('an exported secret has 255 hashes at most', () => {
  const [alice] = groupOf(['alice', 'bob'], entropy);
  assert.ok(alice);
  const exported = (length: number) => exportFrom(alice.state, { label: 'a', context: EMPTY, length });
  const longest = exported(255 * 32);
  assert.equal(longest.length, 8160);
  // Each block is derived from the one before: none comes again.
  assert.equal(new Set(Array.from({ length: 255 }, (_, i) => toHex(longest.slice(i * 32, i * 32 + 32)))).size, 255);
  refuses(() => exported(255 * 32 + 1), 'bad-argument');
});

test('a tree has 65,536 leaves at most', () => {
  const { leaf } = new Client('alice', suite, entropy).keyPackage().keyPackage;
  const nodes = Array.from({ length: nodeCount(LEAVES_MAX) }, (_, i) => (i % 2 === 0 ? leaf : undefined));
  nodes[4] = undefined;
  const draft = new RatchetTree(suite, nodes).edit();
  assert.equal(draft.add(leaf), 2);
  refuses(() => draft.add(leaf), 'limit');
});
