/** What must hold for a whole ratchet tree before it is used (RFC 9420 §7.3 and §12.4.3.1), apart from its hash. */
import { keyOf } from '../codec/bytes.ts';
import { demand } from '../errors.ts';
import { parentHashesVerify } from './parent-hash.ts';
import type { RatchetTree } from './ratchet-tree.ts';
import { directPath, isWithin, nodeOf } from './tree-math.ts';

/** Throws `invalid-tree` with the rule that is broken. */
export function validateTree(tree: RatchetTree): void {
  demand(unmergedLeavesAgree(tree), 'invalid-tree', 'unmerged leaves, §12.4.3.1');
  demand(keysAreUnique(tree), 'invalid-tree', 'a key twice, §7.3');
  const { kem } = tree.suite;
  const usable = tree.nodes.every((node) => node?.kind !== 'parent' || kem.accepts(node.encryptionKey));
  demand(usable, 'invalid-tree', 'encryption key of a parent node');
  demand(parentHashesVerify(tree), 'invalid-tree', 'parent hash, §7.9.2');
}

/**
 * An unmerged leaf is a member below the node, and every parent node between the two lists it as well. Lists need not be
 * equal: a node further up knows more leaves.
 */
function unmergedLeavesAgree(tree: RatchetTree): boolean {
  const listed = tree.nodes.map((node) => (node?.kind === 'parent' ? new Set(node.unmergedLeaves) : undefined));
  return listed.every((leaves, index) =>
    [...(leaves ?? [])].every((leaf) => {
      if (!isWithin(nodeOf(leaf), index) || tree.leaf(leaf) === undefined) return false;
      const path = directPath(nodeOf(leaf), tree.leafCount);
      const between = path.slice(0, path.indexOf(index));
      return between.every((at) => listed[at]?.has(leaf) ?? true);
    }),
  );
}

function keysAreUnique(tree: RatchetTree): boolean {
  const encryption = new Set<string>();
  const signature = new Set<string>();
  let nodes = 0;
  let leaves = 0;
  for (const node of tree.nodes) {
    if (node === undefined) continue;
    nodes++;
    encryption.add(keyOf(node.encryptionKey));
    if (node.kind === 'parent') continue;
    leaves++;
    signature.add(keyOf(node.signatureKey));
  }
  return encryption.size === nodes && signature.size === leaves;
}
