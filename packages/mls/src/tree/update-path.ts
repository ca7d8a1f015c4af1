/**
 * New keys for a leaf and the nodes above it, on the wire (RFC 9420 §7.6).
 *
 *     UpdatePath     := LeafNode | UpdatePathNode<V>
 *     UpdatePathNode := encryption key <V> | HPKECiphertext<V>
 *     HPKECiphertext := kem output <V> | ciphertext <V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import type { Sealed } from '../crypto/hpke.ts';
import { AEAD_TAG_BYTES } from '../crypto/hpke.ts';
import { demand } from '../errors.ts';
import type { LeafNode } from './leaf-node.ts';
import { readLeaf, writeLeaf } from './leaf-node.ts';
import { LEAVES_MAX } from './tree-math.ts';

export interface UpdatePathNode {
  readonly encryptionKey: Uint8Array;
  /** One per node of the resolution of the copath child, leaves added by the same commit excluded. */
  readonly sealed: readonly Sealed[];
}

export interface UpdatePath {
  readonly leaf: LeafNode;
  /** Lowest first. */
  readonly nodes: readonly UpdatePathNode[];
}

const PATH_NODES_MAX = 32;

export function writeUpdatePath(writer: Writer, path: UpdatePath): void {
  writeLeaf(writer, path.leaf);
  writer.list(path.nodes, (w, node) => w.vector(node.encryptionKey).list(node.sealed, writeSealed));
}

export function readUpdatePath(reader: Reader): UpdatePath {
  const leaf = readLeaf(reader);
  const nodes = reader.list(
    // Copied: the key stays in the tree when the commit is gone.
    (r) => ({ encryptionKey: r.vector().slice(), sealed: r.list(readSealed, LEAVES_MAX) }),
    PATH_NODES_MAX,
  );
  return { leaf, nodes };
}

export function writeSealed(writer: Writer, { output, ciphertext }: Sealed): void {
  writer.vector(output).vector(ciphertext);
}

/** `malformed` for a ciphertext without room for its tag: lists of nothing would cost memory by the number of items. */
export function readSealed(reader: Reader): Sealed {
  const sealed = { output: reader.vector(), ciphertext: reader.vector() };
  demand(sealed.ciphertext.length >= AEAD_TAG_BYTES, 'malformed', 'HPKECiphertext, §7.6');
  return sealed;
}
