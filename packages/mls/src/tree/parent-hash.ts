/** Parent hashes (RFC 9420 §7.9): each path signs what it left as it was. */
import { equalPublic } from '../codec/bytes.ts';
import { Writer } from '../codec/writer.ts';
import type { ParentNode } from './parent-node.ts';
import type { RatchetTree, TreeNode } from './ratchet-tree.ts';
import type { NodeIndex } from './tree-math.ts';
import { isWithin, left, nodeOf, right } from './tree-math.ts';

/** The parent hash of P with copath child S. */
export function parentHash(
  tree: RatchetTree,
  input: { readonly parent: ParentNode; readonly siblingHash: Uint8Array },
): Uint8Array {
  const { encryptionKey, parentHash: above } = input.parent;
  const writer = new Writer(encryptionKey.length + 160).vector(encryptionKey).vector(above);
  return tree.suite.provider.hash(tree.suite.hash, writer.vector(input.siblingHash).view());
}

/**
 * Whether every parent node was set by a path of a member below it (§7.9.2, top down): exactly one descendant D carries
 * the hash of P. Of a child C, D can only be the one node of C's resolution that is not an unmerged leaf of P.
 */
export function parentHashesVerify(tree: RatchetTree): boolean {
  return tree.nodes.every((node, index) => node?.kind !== 'parent' || isCovered(tree, index, node));
}

function isCovered(tree: RatchetTree, index: NodeIndex, parent: ParentNode): boolean {
  const leftwards = chains(tree, { parent, child: left(index), sibling: right(index) });
  const rightwards = chains(tree, { parent, child: right(index), sibling: left(index) });
  return leftwards !== rightwards;
}

function chains(
  tree: RatchetTree,
  link: { readonly parent: ParentNode; readonly child: NodeIndex; readonly sibling: NodeIndex },
): boolean {
  const { parent, child, sibling } = link;
  const unmerged = new Set(parent.unmergedLeaves.map(nodeOf).filter((node) => isWithin(node, child)));
  const others = tree.resolution(child).filter((node) => !unmerged.delete(node));
  const [candidate] = others;
  if (candidate === undefined || others.length !== 1 || unmerged.size !== 0) return false;
  const carried = carriedHash(tree.node(candidate));
  if (carried === undefined) return false;
  const siblingHash = tree.hashWithout(sibling, parent.unmergedLeaves);
  return equalPublic(carried, parentHash(tree, { parent, siblingHash }));
}

function carriedHash(node: TreeNode | undefined): Uint8Array | undefined {
  if (node?.kind === 'parent') return node.parentHash;
  return node?.source.kind === 'commit' ? node.source.parentHash : undefined;
}
