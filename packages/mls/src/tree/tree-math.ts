/**
 * Indices of a full binary tree kept in an array (RFC 9420 §4.1 and appendix C): leaf i is node 2i, and a tree of n
 * leaves (n a power of two) has 2n − 1 nodes.
 *
 *           7
 *       3       11
 *     1   5   9    13
 *    0 2 4 6 8 10 12 14
 */
import { MlsError } from '../errors.ts';

/** Position among the leaves. */
export type LeafIndex = number;
/** Position among all nodes. */
export type NodeIndex = number;

/** Leaves of a tree at most; keeps every index a small integer, and a hostile tree affordable. */
export const LEAVES_MAX: number = 2 ** 16;

export function nodeOf(leaf: LeafIndex): NodeIndex {
  return leaf * 2;
}

export function leafOf(node: NodeIndex): LeafIndex {
  return node / 2;
}

export function isLeaf(node: NodeIndex): boolean {
  return node % 2 === 0;
}

export function nodeCount(leafCount: number): number {
  return 2 * leafCount - 1;
}

/** Leaves are level 0, their parents 1, and so on. */
export function level(node: NodeIndex): number {
  return isLeaf(node) ? 0 : 31 - Math.clz32(~node & -~node);
}

export function root(leafCount: number): NodeIndex {
  return leafCount - 1;
}

export function left(node: NodeIndex): NodeIndex {
  return node - childDistance(node);
}

export function right(node: NodeIndex): NodeIndex {
  return node + childDistance(node);
}

function childDistance(node: NodeIndex): number {
  if (isLeaf(node)) throw new MlsError('bad-argument', 'a leaf has no children');
  return 1 << (level(node) - 1);
}

/** Of a node that is not the root. */
export function parent(node: NodeIndex): NodeIndex {
  const step = 1 << level(node);
  return (node & (step * 2)) === 0 ? node + step : node - step;
}

export function sibling(node: NodeIndex): NodeIndex {
  const above = parent(node);
  return node < above ? right(above) : left(above);
}

/** The ancestors of a node, from its parent to the root. */
export function directPath(node: NodeIndex, leafCount: number): NodeIndex[] {
  const path: NodeIndex[] = [];
  const top = root(leafCount);
  for (let at = node; at !== top;) {
    at = parent(at);
    path.push(at);
  }
  return path;
}

/** Whether `node` is `above` or below it. */
export function isWithin(node: NodeIndex, above: NodeIndex): boolean {
  const reach = (1 << level(above)) - 1;
  return node >= above - reach && node <= above + reach;
}

/** The lowest node that has both below it. */
export function commonAncestor(a: NodeIndex, b: NodeIndex): NodeIndex {
  let at = a;
  while (!isWithin(b, at)) at = parent(at);
  return at;
}

/** The smallest power of two that is at least `count`. */
export function fullLeafCount(count: number): number {
  let full = 1;
  while (full < count) full *= 2;
  return full;
}
