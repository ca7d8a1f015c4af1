/**
 * A secret tree in storage.
 *
 *     SecretTree  := leaf count u32 | (node u32 | secret <V>)<V> | (leaf u32 | Ratchet | Ratchet)<V>
 *     Ratchet     := generation u32 | secret <V> | (generation u32 | key <V> | nonce <V>)<V>, ascending
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';
import type { MessageKey, Ratchet } from '../schedule/ratchet.ts';
import type { LeafRatchets, SecretTree } from '../schedule/secret-tree.ts';
import { LEAVES_MAX } from '../tree/tree-math.ts';

export const STORED_ITEMS_MAX: number = LEAVES_MAX * 2;

export function writeSecretTree(writer: Writer, tree: SecretTree): void {
  writer.u32(tree.leafCount);
  writer.list(defined(tree.nodes), (w, [node, secret]) => w.u32(node).vector(secret));
  writer.list(defined(tree.ratchets), (w, [leaf, { handshake, application }]) => {
    writeRatchet(w.u32(leaf), handshake);
    writeRatchet(w, application);
  });
}

/** Entries of a sparse list that hold something, with their positions. */
export function* defined<T>(items: readonly (T | undefined)[]): Generator<readonly [number, T]> {
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (item !== undefined) yield [index, item];
  }
}

export function readSecretTree(reader: Reader, suite: Suite): SecretTree {
  const leafCount = reader.u32();
  const nodes: (Uint8Array | undefined)[] = [];
  const ratchets: (LeafRatchets | undefined)[] = [];
  for (const [node, secret] of reader.list((r) => [r.u32(), r.vector().slice()] as const, STORED_ITEMS_MAX))
    nodes[node] = secret;
  const leaves = reader.list(
    (r) => [r.u32(), { handshake: readRatchet(r), application: readRatchet(r) }] as const,
    STORED_ITEMS_MAX,
  );
  for (const [leaf, pair] of leaves) ratchets[leaf] = pair;
  return { suite, leafCount, nodes, ratchets };
}

function writeRatchet(writer: Writer, { generation, secret, skipped }: Ratchet): void {
  writer.u32(generation).vector(secret).list(ascending(skipped), writeSkipped);
}

function readRatchet(reader: Reader): Ratchet {
  const generation = reader.u32();
  const secret = reader.vector().slice();
  return { generation, secret, skipped: new Map(reader.list(readSkipped, STORED_ITEMS_MAX)) };
}

export function ascending(skipped: ReadonlyMap<number, MessageKey>): (readonly [number, MessageKey])[] {
  return [...skipped].toSorted(([a], [b]) => a - b);
}

export function writeSkipped(writer: Writer, [generation, { key, nonce }]: readonly [number, MessageKey]): void {
  writer.u32(generation).vector(key).vector(nonce);
}

export function readSkipped(reader: Reader): readonly [number, MessageKey] {
  return [reader.u32(), { key: reader.vector().slice(), nonce: reader.vector().slice() }];
}
