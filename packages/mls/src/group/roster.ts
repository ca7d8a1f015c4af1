/** Who is in the group, and how that changed. */
import type { LeafNode } from '../tree/leaf-node.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { TreeChange } from './apply-proposals.ts';

export interface Member {
  readonly leaf: LeafIndex;
  readonly node: LeafNode;
}

export type Roster = readonly Member[];

export interface RosterDifference {
  readonly added: Roster;
  readonly removed: Roster;
  /** Leaves with other content: updates, and the committer's own by its path. */
  readonly changed: readonly { readonly before: Member; readonly after: Member }[];
}

export function rosterOf(tree: RatchetTree): Roster {
  return Array.from(tree.leaves(), ([leaf, node]) => ({ leaf, node }));
}

export interface DifferenceInput {
  readonly before: RatchetTree;
  readonly after: RatchetTree;
  readonly change: TreeChange;
  /** Leaves the change took, in order. */
  readonly added: readonly LeafIndex[];
  /** Whose leaf a path renewed. */
  readonly renewed: LeafIndex | undefined;
}

/** By what was done, not by position: a slot that was emptied and filled again shows a removal and an addition. */
export function differenceOf({ before, after, change, added, renewed }: DifferenceInput): RosterDifference {
  const at = (tree: RatchetTree, leaf: LeafIndex): Member => ({ leaf, node: memberAt(tree, leaf) });
  const changed = change.updates.map(({ leaf }) => leaf);
  if (renewed !== undefined) changed.push(renewed);
  return {
    added: added.map((leaf) => at(after, leaf)),
    removed: change.removals.map((leaf) => at(before, leaf)),
    changed: changed.map((leaf) => ({ before: at(before, leaf), after: at(after, leaf) })),
  };
}
