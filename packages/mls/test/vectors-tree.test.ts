/** Goal: tree arithmetic, hashes, validation and paths agree with the working group's vectors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../src/codec/reader.ts';
import { applyToTree, treeChangeOf } from '../src/group/apply-proposals.ts';
import { readProposal } from '../src/group/proposal.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { leafSignatureVerifies } from '../src/tree/leaf-node.ts';
import { filteredDirectPath, withPathKeys } from '../src/tree/path.ts';
import { derivePathSecrets, openPath, sealPath } from '../src/tree/path-secrets.ts';
import { decodeTree, encodeTree } from '../src/tree/tree-extension.ts';
import { commonAncestor, left, nodeCount, nodeOf, parent, right, root, sibling } from '../src/tree/tree-math.ts';
import { validateTree } from '../src/tree/tree-validation.ts';
import { readUpdatePath } from '../src/tree/update-path.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { entropy } from './entropy.ts';
import { eachOfOurs, hex, toHex, vectorsOf } from './vectors.ts';

interface TreeMath {
  readonly n_leaves: number;
  readonly n_nodes: number;
  readonly root: number;
  readonly left: readonly (number | null)[];
  readonly right: readonly (number | null)[];
  readonly parent: readonly (number | null)[];
  readonly sibling: readonly (number | null)[];
}

test('tree arithmetic gives the working group’s indices (tree-math)', (t) => {
  const vectors = vectorsOf<TreeMath>(t, 'tree-math');
  if (vectors === undefined) return;
  assert.equal(vectors.length, 10);
  for (const vector of vectors) {
    const { n_leaves: leaves } = vector;
    assert.equal(nodeCount(leaves), vector.n_nodes);
    assert.equal(root(leaves), vector.root);
    for (let node = 0; node < vector.n_nodes; node++) {
      const isRoot = node === root(leaves);
      assert.equal(node % 2 === 0 ? null : left(node), vector.left[node]);
      assert.equal(node % 2 === 0 ? null : right(node), vector.right[node]);
      assert.equal(isRoot ? null : parent(node), vector.parent[node]);
      assert.equal(isRoot ? null : sibling(node), vector.sibling[node]);
    }
  }
});

interface TreeOperation {
  readonly cipher_suite: number;
  readonly tree_before: string;
  readonly proposal: string;
  readonly proposal_sender: number;
  readonly tree_hash_before: string;
  readonly tree_after: string;
  readonly tree_hash_after: string;
}

test('a proposal changes the tree as the working group says (tree-operations)', (t) => {
  eachOfOurs<TreeOperation>(t, 'tree-operations', 5, (vector, suite) => {
    const before = decodeTree(suite, hex(vector.tree_before));
    assert.equal(toHex(before.hash()), vector.tree_hash_before);
    const proposal = decode(hex(vector.proposal), readProposal);
    const { tree } = applyToTree(before, treeChangeOf([{ proposal, leaf: vector.proposal_sender }]));
    assert.equal(toHex(encodeTree(tree)), vector.tree_after);
    assert.equal(toHex(tree.hash()), vector.tree_hash_after);
    assert.equal(toHex(encodeTree(before)), vector.tree_before, 'the tree before is as it was');
  });
});

interface TreeValidation {
  readonly cipher_suite: number;
  readonly tree: string;
  readonly group_id: string;
  readonly tree_hashes: readonly string[];
  readonly resolutions: readonly (readonly number[])[];
}

test('trees have the working group’s hashes and resolutions, and are found valid (tree-validation)', (t) => {
  eachOfOurs<TreeValidation>(t, 'tree-validation', 28, (vector, suite) => {
    const tree = decodeTree(suite, hex(vector.tree));
    vector.tree_hashes.forEach((hash, node) => assert.equal(toHex(tree.hash(node)), hash));
    vector.resolutions.forEach((resolution, node) => assert.deepEqual(tree.resolution(node), resolution));
    validateTree(tree);
    for (const [leaf, node] of tree.leaves())
      assert.ok(leafSignatureVerifies(suite, node, { groupId: hex(vector.group_id), leaf }));
    assert.equal(toHex(encodeTree(tree)), vector.tree);
  });
});

interface TreeKem {
  readonly cipher_suite: number;
  readonly group_id: string;
  readonly epoch: number;
  readonly confirmed_transcript_hash: string;
  readonly ratchet_tree: string;
  readonly leaves_private: readonly {
    readonly index: number;
    readonly encryption_priv: string;
    readonly signature_priv: string;
    readonly path_secrets: readonly { readonly node: number; readonly path_secret: string }[];
  }[];
  readonly update_paths: readonly {
    readonly sender: number;
    readonly update_path: string;
    readonly path_secrets: readonly (string | null)[];
    readonly commit_secret: string;
    readonly tree_hash_after: string;
  }[];
}

test('update paths are opened and made as the working group does (treekem)', (t) => {
  eachOfOurs<TreeKem>(t, 'treekem', 22, (vector, suite) => {
    const tree = decodeTree(suite, hex(vector.ratchet_tree));
    const members = vector.leaves_private.map((leaf) => ({ index: leaf.index, keys: privateKeys(suite, tree, leaf) }));
    for (const update of vector.update_paths) {
      const path = decode(hex(update.update_path), readUpdatePath);
      const keys = path.nodes.map(({ encryptionKey }) => encryptionKey);
      const merged = withPathKeys(tree, { leaf: update.sender, keys });
      assert.equal(path.leaf.source.kind, 'commit');
      if (path.leaf.source.kind !== 'commit') continue;
      assert.deepEqual(path.leaf.source.parentHash, merged.leafParentHash);
      const after = merged.tree.edit().setLeaf(update.sender, path.leaf).done();
      assert.equal(toHex(after.hash()), update.tree_hash_after);
      validateTree(after);
      const context = encodeGroupContext({
        suite: suite.id,
        groupId: hex(vector.group_id),
        epoch: BigInt(vector.epoch),
        treeHash: after.hash(),
        confirmedTranscriptHash: hex(vector.confirmed_transcript_hash),
        extensions: [],
      });
      const common = { context, added: new Set<number>() };
      for (const { index, keys: own } of members) {
        if (index === update.sender) continue;
        const opened = openPath(tree, { ...common, sender: update.sender, own: index, keys: own, nodes: path.nodes });
        assert.equal(toHex(opened.commitSecret), update.commit_secret);
        assert.equal(toHex(opened.steps[0]?.pathSecret ?? hex('')), update.path_secrets[index]);
      }
      const first = entropy(suite.hashBytes);
      const made = derivePathSecrets(suite, filteredDirectPath(tree, update.sender), first);
      const nodes = sealPath(tree, { ...common, steps: made.steps, entropy });
      for (const { index, keys: own } of members) {
        if (index === update.sender) continue;
        const opened = openPath(tree, { ...common, sender: update.sender, own: index, keys: own, nodes });
        assert.deepEqual(opened.commitSecret, made.commitSecret);
      }
    }
  });
});

function privateKeys(
  suite: Suite,
  tree: ReturnType<typeof decodeTree>,
  leaf: TreeKem['leaves_private'][number],
): Map<number, Uint8Array> {
  const keys = new Map([[nodeOf(leaf.index), hex(leaf.encryption_priv)]]);
  for (const { node, path_secret: secret } of leaf.path_secrets) {
    const [step] = derivePathSecrets(suite, [{ node, copath: node }], hex(secret)).steps;
    assert.ok(step);
    assert.deepEqual(tree.node(node)?.encryptionKey, step.pair.publicKey);
    keys.set(node, step.pair.privateKey);
  }
  return keys;
}

test('the common ancestor of two leaves is the lowest node above both', () => {
  assert.equal(commonAncestor(0, 2), 1);
  assert.equal(commonAncestor(0, 4), 3);
  assert.equal(commonAncestor(4, 14), 7);
  assert.equal(commonAncestor(8, 8), 8);
});
