/** What a list of valid proposals makes of the tree (RFC 9420 §12.3): updates, removals, then additions in order. */
import type { LeafNode } from '../tree/leaf-node.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { Proposal } from './proposal.ts';

export interface TreeChange {
  readonly updates: readonly { readonly leaf: LeafIndex; readonly node: LeafNode }[];
  readonly removals: readonly LeafIndex[];
  readonly additions: readonly LeafNode[];
}

/** A proposal and the member it is from; undefined for one from outside. */
export interface ProposalOf {
  readonly proposal: Proposal;
  readonly leaf: LeafIndex | undefined;
}

export function treeChangeOf(proposals: readonly ProposalOf[]): TreeChange {
  return {
    updates: proposals.flatMap(({ proposal, leaf }) =>
      proposal.kind === 'update' && leaf !== undefined ? [{ leaf, node: proposal.leaf }] : [],
    ),
    removals: proposals.flatMap(({ proposal }) => (proposal.kind === 'remove' ? [proposal.removed] : [])),
    additions: proposals.flatMap(({ proposal }) => (proposal.kind === 'add' ? [proposal.keyPackage.leaf] : [])),
  };
}

/** `added` has the positions of the new members, in the order of their proposals. */
export function applyToTree(
  tree: RatchetTree,
  { updates, removals, additions }: TreeChange,
): { readonly tree: RatchetTree; readonly added: readonly LeafIndex[] } {
  if (updates.length + removals.length + additions.length === 0) return { tree, added: [] };
  const draft = tree.edit();
  for (const { leaf, node } of updates) draft.setLeaf(leaf, node).blankPath(leaf);
  for (const leaf of removals) draft.remove(leaf);
  const added = additions.map((leaf) => draft.add(leaf));
  return { tree: draft.truncate().done(), added };
}
