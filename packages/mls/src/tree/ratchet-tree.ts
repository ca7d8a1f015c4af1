/**
 * The ratchet tree (RFC 9420 §4.1, §7.7, §7.8) as a value: a change gives another tree that shares all nodes it did not
 * touch. Tree hashes and resolutions are computed when asked for and kept, so that a commit costs its path.
 */
import { Writer } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, wanted } from '../errors.ts';
import type { LeafNode } from './leaf-node.ts';
import { writeLeaf } from './leaf-node.ts';
import type { ParentNode } from './parent-node.ts';
import { writeParent } from './parent-node.ts';
import type { LeafIndex, NodeIndex } from './tree-math.ts';
import {
  LEAVES_MAX,
  directPath,
  fullLeafCount,
  isLeaf,
  isWithin,
  leafOf,
  left,
  nodeCount,
  nodeOf,
  parent,
  right,
  root,
} from './tree-math.ts';

export type TreeNode = LeafNode | ParentNode;

export class RatchetTree {
  readonly suite: Suite;
  /** A power of two. */
  readonly leafCount: number;
  readonly #nodes: readonly (TreeNode | undefined)[];
  readonly #hashes: (Uint8Array | undefined)[];
  readonly #resolutions: (readonly NodeIndex[] | undefined)[];

  /** For `TreeDraft` and `treeOf`: `nodes` has 2n − 1 entries, leaves at even places. */
  constructor(suite: Suite, nodes: readonly (TreeNode | undefined)[], kept?: KeptAnswers) {
    this.suite = suite;
    this.#nodes = nodes;
    this.leafCount = (nodes.length + 1) / 2;
    this.#hashes = kept?.hashes ?? [];
    this.#resolutions = kept?.resolutions ?? [];
  }

  node(index: NodeIndex): TreeNode | undefined {
    return this.#nodes[index];
  }

  leaf(index: LeafIndex): LeafNode | undefined {
    const node = this.#nodes[nodeOf(index)];
    return node?.kind === 'leaf' ? node : undefined;
  }

  parentNode(index: NodeIndex): ParentNode | undefined {
    const node = this.#nodes[index];
    return node?.kind === 'parent' ? node : undefined;
  }

  get nodes(): readonly (TreeNode | undefined)[] {
    return this.#nodes;
  }

  /** All members with their positions, ascending. */
  *leaves(): Generator<readonly [LeafIndex, LeafNode]> {
    for (let index = 0; index < this.leafCount; index++) {
      const leaf = this.leaf(index);
      if (leaf !== undefined) yield [index, leaf];
    }
  }

  /** The nodes whose keys reach everybody below a node (§4.1.1). */
  resolution(index: NodeIndex): readonly NodeIndex[] {
    const kept = this.#resolutions[index];
    if (kept !== undefined) return kept;
    const resolution = this.#resolve(index);
    this.#resolutions[index] = resolution;
    return resolution;
  }

  #resolve(index: NodeIndex): readonly NodeIndex[] {
    const node = this.#nodes[index];
    if (node?.kind === 'parent') return [index, ...node.unmergedLeaves.map(nodeOf)];
    if (node !== undefined) return [index];
    return isLeaf(index) ? [] : [...this.resolution(left(index)), ...this.resolution(right(index))];
  }

  /** The tree hash of a subtree (§7.8), of the whole tree by default. */
  hash(index: NodeIndex = root(this.leafCount)): Uint8Array {
    const kept = this.#hashes[index];
    if (kept !== undefined) return kept;
    const hash = isLeaf(index)
      ? this.#leafHash(index, this.leaf(leafOf(index)))
      : this.#parentHash(this.parentNode(index), this.hash(left(index)), this.hash(right(index)));
    this.#hashes[index] = hash;
    return hash;
  }

  /** The tree hash as it was before these leaves were added (§7.9, `original_sibling_tree_hash`). */
  hashWithout(index: NodeIndex, leaves: readonly LeafIndex[]): Uint8Array {
    const within = leaves.filter((leaf) => isWithin(nodeOf(leaf), index));
    if (within.length === 0) return this.hash(index);
    if (isLeaf(index)) return this.#leafHash(index, undefined);
    const node = this.parentNode(index);
    const gone = new Set(within);
    const kept = node && { ...node, unmergedLeaves: node.unmergedLeaves.filter((leaf) => !gone.has(leaf)) };
    return this.#parentHash(kept, this.hashWithout(left(index), within), this.hashWithout(right(index), within));
  }

  #leafHash(index: NodeIndex, leaf: LeafNode | undefined): Uint8Array {
    const writer = new Writer((leaf?.encoded.length ?? 0) + 8).u8(1).u32(leafOf(index));
    return this.#digest(writer.optional(leaf, writeLeaf));
  }

  #parentHash(node: ParentNode | undefined, leftHash: Uint8Array, rightHash: Uint8Array): Uint8Array {
    const writer = new Writer((node?.encryptionKey.length ?? 0) + 256).u8(2).optional(node, writeParent);
    return this.#digest(writer.vector(leftHash).vector(rightHash));
  }

  #digest(writer: Writer): Uint8Array {
    return this.suite.provider.hash(this.suite.hash, writer.view());
  }

  edit(): TreeDraft {
    return new TreeDraft(this.suite, [...this.#nodes], {
      hashes: [...this.#hashes],
      resolutions: [...this.#resolutions],
    });
  }
}

interface KeptAnswers {
  readonly hashes: (Uint8Array | undefined)[];
  readonly resolutions: (readonly NodeIndex[] | undefined)[];
}

/** A tree being changed. Use `done` once and drop it. */
export class TreeDraft {
  readonly #suite: Suite;
  readonly #nodes: (TreeNode | undefined)[];
  readonly #kept: KeptAnswers;

  constructor(suite: Suite, nodes: (TreeNode | undefined)[], kept: KeptAnswers) {
    this.#suite = suite;
    this.#nodes = nodes;
    this.#kept = kept;
  }

  get leafCount(): number {
    return (this.#nodes.length + 1) / 2;
  }

  setLeaf(index: LeafIndex, leaf: LeafNode | undefined): this {
    return this.#set(nodeOf(index), leaf);
  }

  setParent(index: NodeIndex, node: ParentNode | undefined): this {
    return this.#set(index, node);
  }

  #set(index: NodeIndex, node: TreeNode | undefined): this {
    this.#nodes[index] = node;
    const top = root(this.leafCount);
    for (let at = index; ; at = parent(at)) {
      this.#kept.hashes[at] = undefined;
      this.#kept.resolutions[at] = undefined;
      if (at === top) return this;
    }
  }

  blankPath(leaf: LeafIndex): this {
    for (const index of directPath(nodeOf(leaf), this.leafCount)) this.#set(index, undefined);
    return this;
  }

  /** Puts a new member on the leftmost blank leaf and makes it known to the nodes above (§12.1.1). */
  add(leaf: LeafNode): LeafIndex {
    const index = this.claimBlankLeaf();
    for (const above of directPath(nodeOf(index), this.leafCount)) {
      const node = this.#nodes[above];
      if (node?.kind !== 'parent') continue;
      const unmergedLeaves = [...node.unmergedLeaves, index].toSorted((a, b) => a - b);
      this.#set(above, { ...node, unmergedLeaves });
    }
    this.setLeaf(index, leaf);
    return index;
  }

  /** The leftmost blank leaf; the tree grows where there is none. */
  claimBlankLeaf(): LeafIndex {
    let index = 0;
    while (index < this.leafCount && this.#nodes[nodeOf(index)] !== undefined) index++;
    if (index === this.leafCount) this.#extend();
    return index;
  }

  #extend(): void {
    if (this.leafCount >= LEAVES_MAX) throw new MlsError('limit', 'leaves of a tree');
    this.#nodes.length = nodeCount(this.leafCount * 2);
    this.#nodes.fill(undefined, this.#nodes.length / 2);
  }

  /** Blanks a member and the path above, and drops an empty right half (§12.1.3). */
  remove(leaf: LeafIndex): this {
    this.setLeaf(leaf, undefined);
    return this.blankPath(leaf);
  }

  truncate(): this {
    let last = this.leafCount - 1;
    while (last > 0 && this.#nodes[nodeOf(last)] === undefined) last--;
    const count = nodeCount(fullLeafCount(last + 1));
    this.#nodes.length = count;
    this.#kept.hashes.length = Math.min(this.#kept.hashes.length, count);
    this.#kept.resolutions.length = Math.min(this.#kept.resolutions.length, count);
    return this;
  }

  done(): RatchetTree {
    return new RatchetTree(this.#suite, this.#nodes, this.#kept);
  }
}

/** A tree of one member. */
export function treeOfOne(suite: Suite, leaf: LeafNode): RatchetTree {
  return new RatchetTree(suite, [leaf]);
}

/** The leaf at a position that must not be blank. */
export function memberAt(tree: RatchetTree, leaf: LeafIndex): LeafNode {
  return wanted(tree.leaf(leaf), 'unknown-sender', `leaf ${leaf} is blank`);
}
