/**
 * What a message changes in a state: some secrets of one secret tree, and proposals that were kept. A commit replaces
 * the state and takes a snapshot.
 *
 *     Delta      := where u8 (0 current epoch, n the n-th past one) | TreeDelta | cached proposals <V>
 *     TreeDelta  := (node u32 | optional secret <V>)<V> | RatchetDelta<V>
 *     RatchetDelta := leaf u32 | 0 handshake, 1 application u8 | generation u32 | secret <V>
 *                     | generations gone u32<V> | skipped keys that are new <V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { EMPTY } from '../codec/bytes.ts';
import { MlsError } from '../errors.ts';
import type { Ratchet } from '../schedule/ratchet.ts';
import type { LeafRatchets, RatchetKind, SecretTree } from '../schedule/secret-tree.ts';
import { readCached, writeCached } from './snapshot.ts';
import type { GroupState } from './state.ts';
import { owned } from './store-epoch.ts';
import { STORED_ITEMS_MAX, ascending, readSkipped, writeSkipped } from './store-secret-tree.ts';

const kinds: readonly RatchetKind[] = ['handshake', 'application'];
const untouched: Ratchet = { generation: 0, secret: EMPTY, skipped: new Map() };

/** Whether the second state follows from the first by messages alone, in one epoch's tree. */
export function isSmallChange(before: GroupState, after: GroupState): boolean {
  const { secretTree: _1, past: _2, proposals: _3, ...fixed } = before;
  const same = (Object.keys(fixed) as (keyof typeof fixed)[]).every((key) => before[key] === after[key]);
  return (
    same && before.past.length === after.past.length && changedTrees(before, after).length <= 1 && grew(before, after)
  );
}

function changedTrees(before: GroupState, after: GroupState): readonly number[] {
  const past = before.past.flatMap((kept, i) => (kept.secretTree === after.past[i]?.secretTree ? [] : [i + 1]));
  return before.secretTree === after.secretTree ? past : [0, ...past];
}

function grew(before: GroupState, after: GroupState): boolean {
  if (before.proposals === after.proposals) return true;
  return [...before.proposals].every(([key, cached]) => after.proposals.get(key) === cached);
}

/** For a small change. */
export function writeDelta(writer: Writer, before: GroupState, after: GroupState): void {
  const where = changedTrees(before, after)[0] ?? 0;
  writer.u8(where);
  writeTreeDelta(writer, treeAt(before, where), treeAt(after, where));
  const kept =
    before.proposals === after.proposals ? [] : [...after.proposals].filter(([key]) => !before.proposals.has(key));
  writer.list(kept, (w, [key, cached]) => writeCached(w, key, cached));
}

export function readDelta(reader: Reader, state: GroupState): GroupState {
  const where = reader.u8();
  const secretTree = readTreeDelta(reader, treeAt(state, where));
  const kept = reader.list(readCached);
  const proposals = kept.length === 0 ? state.proposals : new Map([...state.proposals, ...kept]);
  if (where === 0) return { ...state, secretTree, proposals };
  const past = state.past.map((epoch, i) => (i === where - 1 ? { ...epoch, secretTree } : epoch));
  return { ...state, past, proposals };
}

function treeAt(state: GroupState, where: number): SecretTree {
  const tree = where === 0 ? state.secretTree : state.past[where - 1]?.secretTree;
  if (tree === undefined) throw new MlsError('damaged-state', 'past epoch');
  return tree;
}

function writeTreeDelta(writer: Writer, before: SecretTree, after: SecretTree): void {
  const length = Math.max(before.nodes.length, after.nodes.length);
  writer.vectorOf((w) => {
    if (before.nodes === after.nodes) return;
    for (let node = 0; node < length; node++) {
      const secret = after.nodes[node];
      if (secret !== before.nodes[node]) w.u32(node).optional(secret, (to, bytes) => to.vector(bytes));
    }
  });
  writer.vectorOf((w) => {
    after.ratchets.forEach((ratchets, leaf) => {
      const old = before.ratchets[leaf];
      if (ratchets === undefined || ratchets === old) return;
      kinds.forEach((kind, number) => {
        if (ratchets[kind] !== old?.[kind])
          writeRatchetDelta(w.u32(leaf).u8(number), old?.[kind] ?? untouched, ratchets[kind]);
      });
    });
  });
}

function writeRatchetDelta(writer: Writer, before: Ratchet, after: Ratchet): void {
  const gone = [...before.skipped.keys()].filter((generation) => !after.skipped.has(generation));
  const fresh = ascending(after.skipped).filter(([generation]) => !before.skipped.has(generation));
  // A late message moves no secret.
  const secret = before.secret === after.secret ? EMPTY : after.secret;
  writer.u32(after.generation).vector(secret);
  writer.list(gone, (w, generation) => w.u32(generation)).list(fresh, writeSkipped);
}

function readTreeDelta(reader: Reader, tree: SecretTree): SecretTree {
  const nodes = [...tree.nodes];
  const ratchets = [...tree.ratchets];
  for (const [node, secret] of reader.list((r) => [r.u32(), r.optional(owned)] as const, STORED_ITEMS_MAX))
    nodes[node] = secret;
  for (const { leaf, kind, apply } of reader.list(readRatchetDelta, STORED_ITEMS_MAX)) {
    const old: LeafRatchets = ratchets[leaf] ?? { handshake: untouched, application: untouched };
    ratchets[leaf] = { ...old, [kind]: apply(old[kind]) };
  }
  return { ...tree, nodes, ratchets };
}

function readRatchetDelta(reader: Reader): {
  readonly leaf: number;
  readonly kind: RatchetKind;
  readonly apply: (before: Ratchet) => Ratchet;
} {
  const leaf = reader.u32();
  const kind = kinds[reader.u8()];
  if (kind === undefined) throw new MlsError('damaged-state', 'ratchet');
  const generation = reader.u32();
  const secret = owned(reader);
  const gone = reader.list((r) => r.u32(), STORED_ITEMS_MAX);
  const fresh = reader.list(readSkipped, STORED_ITEMS_MAX);
  return {
    leaf,
    kind,
    apply(before) {
      const skipped = new Map(before.skipped);
      for (const at of gone) skipped.delete(at);
      for (const [at, key] of fresh) skipped.set(at, key);
      return { generation, secret: secret.length === 0 ? before.secret : secret, skipped };
    },
  };
}
