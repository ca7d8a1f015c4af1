/**
 * The tree in an extension (RFC 9420 §12.4.3.3): nodes from left to right, nothing blank at the end.
 *
 *     ratchet tree := optional(1 LeafNode | 2 ParentNode)<V>
 */
import type { Reader } from '../codec/reader.ts';
import { decode } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import { readLeaf, writeLeaf } from './leaf-node.ts';
import { readParent, writeParent } from './parent-node.ts';
import type { TreeNode } from './ratchet-tree.ts';
import { RatchetTree } from './ratchet-tree.ts';
import { LEAVES_MAX, fullLeafCount, isLeaf, nodeCount } from './tree-math.ts';

export function encodeTree(tree: RatchetTree): Uint8Array {
  const last = tree.nodes.findLastIndex((node) => node !== undefined);
  const writer = new BytesWriter(tree.leafCount * 256);
  writer.list(tree.nodes.slice(0, last + 1), (w, node) => w.optional(node, writeNode));
  return writer.done();
}

function writeNode(writer: Writer, node: TreeNode): void {
  if (node.kind === 'leaf') writeLeaf(writer.u8(1), node);
  else writeParent(writer.u8(2), node);
}

/** `malformed` for a tree whose last node is blank or whose nodes stand in the wrong places. */
export function decodeTree(suite: Suite, bytes: Uint8Array): RatchetTree {
  return decode(bytes, (reader) => readTree(suite, reader));
}

function readTree(suite: Suite, reader: Reader): RatchetTree {
  const nodes = reader.list((r) => r.optional(readNode), nodeCount(LEAVES_MAX));
  demand(nodes.at(-1) !== undefined, 'malformed', 'blank nodes at the end of a tree, §12.4.3.3');
  nodes.forEach((node, index) => {
    if (node !== undefined) demand((node.kind === 'leaf') === isLeaf(index), 'malformed', `node ${index}`);
  });
  const count = nodeCount(fullLeafCount(Math.ceil((nodes.length + 1) / 2)));
  const given = nodes.length;
  nodes.length = count;
  return new RatchetTree(suite, nodes.fill(undefined, given));
}

function readNode(reader: Reader): TreeNode {
  const type = reader.u8();
  if (type === 1) return readLeaf(reader);
  if (type === 2) return readParent(reader);
  throw new MlsError('malformed', 'node type, §7.8');
}
