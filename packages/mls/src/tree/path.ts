/** Paths through the tree and what an update path makes of them (RFC 9420 §4.1.2, §7.5). */
import { EMPTY } from '../codec/bytes.ts';
import { demand } from '../errors.ts';
import { parentHash } from './parent-hash.ts';
import type { ParentNode } from './parent-node.ts';
import type { RatchetTree } from './ratchet-tree.ts';
import type { LeafIndex, NodeIndex } from './tree-math.ts';
import { directPath, nodeOf, sibling } from './tree-math.ts';

export interface PathStep {
  readonly node: NodeIndex;
  /** The child of `node` that is not on the path. */
  readonly copath: NodeIndex;
}

/** The direct path of a leaf without the nodes whose other child has nobody below it. */
export function filteredDirectPath(tree: RatchetTree, leaf: LeafIndex): readonly PathStep[] {
  let below = nodeOf(leaf);
  const steps: PathStep[] = [];
  for (const node of directPath(below, tree.leafCount)) {
    const copath = sibling(below);
    if (tree.resolution(copath).length > 0) steps.push({ node, copath });
    below = node;
  }
  return steps;
}

/**
 * The tree with these keys along the filtered direct path, lowest first, and everything else above the leaf blank. Parent
 * hashes run from the root down; the last one belongs into the leaf, which the caller sets.
 */
export function withPathKeys(
  tree: RatchetTree,
  input: { readonly leaf: LeafIndex; readonly keys: readonly Uint8Array[] },
): { readonly tree: RatchetTree; readonly leafParentHash: Uint8Array } {
  const steps = filteredDirectPath(tree, input.leaf);
  demand(steps.length === input.keys.length, 'invalid-path', 'length of the path, §7.5');
  const draft = tree.edit().blankPath(input.leaf);
  let hashAbove = EMPTY;
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i];
    const encryptionKey = input.keys[i];
    if (step === undefined || encryptionKey === undefined) break;
    const parent: ParentNode = { kind: 'parent', encryptionKey, parentHash: hashAbove, unmergedLeaves: [] };
    draft.setParent(step.node, parent);
    hashAbove = parentHash(tree, { parent, siblingHash: tree.hash(step.copath) });
  }
  return { tree: draft.done(), leafParentHash: hashAbove };
}
