/**
 * An inner node (RFC 9420 §7.1).
 *
 *     ParentNode := encryption key <V> | parent hash <V> | unmerged leaves u32<V>, ascending
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { demand } from '../errors.ts';
import type { LeafIndex } from './tree-math.ts';
import { LEAVES_MAX } from './tree-math.ts';

export interface ParentNode {
  readonly kind: 'parent';
  readonly encryptionKey: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Members below who do not know the private key. */
  readonly unmergedLeaves: readonly LeafIndex[];
}

export function writeParent(writer: Writer, node: ParentNode): void {
  writer.vector(node.encryptionKey).vector(node.parentHash);
  writer.list(node.unmergedLeaves, (w, leaf) => w.u32(leaf));
}

export function readParent(reader: Reader): ParentNode {
  const encryptionKey = reader.vector().slice();
  const parentHash = reader.vector().slice();
  const unmergedLeaves = reader.list((r) => r.u32(), LEAVES_MAX);
  const ascending = unmergedLeaves.every((leaf, i) => i === 0 || leaf > (unmergedLeaves[i - 1] ?? leaf));
  demand(ascending, 'malformed', 'unmerged leaves, §7.1');
  return { kind: 'parent', encryptionKey, parentHash, unmergedLeaves };
}
