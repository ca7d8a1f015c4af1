/** Trees that no honest group has: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { EMPTY } from '../../src/codec/bytes.ts';
import { decode } from '../../src/codec/reader.ts';
import { Writer } from '../../src/codec/writer.ts';
import { decodeTree, encodeTree } from '../../src/tree/tree-extension.ts';
import { validateTree } from '../../src/tree/tree-validation.ts';
import type { ParentNode } from '../../src/tree/parent-node.ts';
import type { RatchetTree } from '../../src/tree/ratchet-tree.ts';
import { Client, addAll, suite1 as suite } from '../client.ts';
import { seeded } from '../entropy.ts';
import type { Cast } from './cast.ts';
import { refusal, failureOf, add, remove, trap } from './cast.ts';

/** Five members, parents with hashes, and a leaf (3) that nodes 3 and 7 list as unmerged. */
function richTree(alice: Client, others: readonly Client[]): RatchetTree {
  const [erin, frank, grace] = ['erin', 'frank', 'grace'].map((name) => new Client(name, suite, alice.entropy));
  assert.ok(erin && frank && grace);
  addAll(alice, [erin, frank], others);
  alice.commit({ proposals: [remove(erin.leaf)] });
  alice.commit({ proposals: [add(grace.keyPackage().keyPackage)], path: 'if-required' });
  const { tree } = alice.state;
  validateTree(tree);
  assert.deepEqual(tree.parentNode(3)?.unmergedLeaves, [3]);
  assert.deepEqual(tree.parentNode(7)?.unmergedLeaves, [3]);
  return tree;
}

function spoil({ alice, bob, carol }: Cast, change: (tree: RatchetTree) => RatchetTree): void {
  validateTree(change(richTree(alice, [bob, carol])));
}

/** The tree with these fields of some parents changed. */
function withParents(tree: RatchetTree, changes: Readonly<Record<number, Partial<ParentNode>>>): RatchetTree {
  const draft = tree.edit();
  for (const [index, change] of Object.entries(changes))
    draft.setParent(Number(index), { ...parentOf(tree, Number(index)), ...change });
  return draft.done();
}

const parentOf = (tree: RatchetTree, index: number) => tree.parentNode(index) ?? assert.fail();

refusal('a parent key put in by nobody is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { encryptionKey: cast.alice.entropy(32) } })),
);
refusal('a parent key that nothing can be sealed to is refused (§5.1.1)', 'invalid-tree', (cast) => {
  const trapped = (tree: RatchetTree): RatchetTree => withParents(tree, { 3: { encryptionKey: trap } });
  const failure = failureOf(() => spoil(cast, trapped));
  assert.match(failure.message, /encryption key/);
  throw failure;
});
refusal('a parent hash that does not chain is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { parentHash: cast.alice.entropy(32) } })),
);
refusal('an unmerged leaf left out everywhere is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { unmergedLeaves: [] }, 7: { unmergedLeaves: [] } })),
);
refusal('an unmerged leaf that a node between does not list is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { unmergedLeaves: [] } })),
);
refusal('a merged leaf listed as unmerged is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 4] } })),
);
refusal('an unmerged leaf that is blank is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 7] } })),
);
refusal('an unmerged leaf of another subtree is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 1: { unmergedLeaves: [4] } })),
);
refusal('an unmerged leaf far beyond the tree is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 2 ** 31] } })),
);
refusal('one key at two nodes is refused (§7.3)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { encryptionKey: tree.leaf(0)?.encryptionKey ?? assert.fail() } })),
);
refusal('unmerged leaves out of order are refused (§7.1)', 'malformed', () => {
  const node = new Writer()
    .vector(seeded('key')(32))
    .vector(EMPTY)
    .list([3, 2], (w, leaf) => w.u32(leaf))
    .done();
  decodeTree(suite, new Writer().vectorOf((w) => w.u8(0).u8(1).u8(2).raw(node)).done());
});
refusal('a tree that ends in a blank node is refused (§12.4.3.3)', 'malformed', ({ alice }) => {
  const nodes = decode(encodeTree(alice.state.tree), (reader) => reader.vector());
  decodeTree(suite, new Writer().vectorOf((w) => w.raw(nodes).u8(0).u8(0)).done());
});
refusal('a leaf where a parent belongs is refused (§12.4.3.3)', 'malformed', ({ alice }) => {
  const leaf = alice.state.tree.leaf(0) ?? assert.fail();
  decodeTree(suite, new Writer().vectorOf((w) => w.u8(0).u8(1).u8(1).raw(leaf.encoded)).done());
});
refusal('an empty tree is refused (§12.4.3.3)', 'malformed', () => decodeTree(suite, Uint8Array.of(0)));
