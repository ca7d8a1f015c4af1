/** A whole state in storage. Equal states have equal snapshots. */
import { equalPublic, keyOf, bytesOfKey } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import { decode } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { suiteOf } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import { readSender, writeSender } from '../framing/content.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import { readLeaf, writeLeaf } from '../tree/leaf-node.ts';
import type { CachedProposal, GroupConfig, GroupState, PastEpoch } from './state.ts';
import { readProposal, writeProposal } from './proposal.ts';
import { owned, readEpoch, writeEpoch } from './store-epoch.ts';
import { STORED_ITEMS_MAX, readSecretTree, writeSecretTree } from './store-secret-tree.ts';

type Leaves = readonly (LeafNode | undefined)[];

export function writeSnapshot(writer: Writer, state: GroupState): void {
  const { suite, config } = state;
  writer.u16(suite.id);
  writeConfig(writer, config);
  writeEpoch(writer, state);
  writer.list(state.proposals, (w, [key, cached]) => writeCached(w, key, cached));
  let newer = leavesOf(state);
  writer.list(state.past, (w, past) => {
    writePast(w, past, newer);
    newer = past.leaves;
  });
  writer.list(state.resumption, (w, { epoch, secret }) => w.u64(epoch).vector(secret));
}

export function readSnapshot(reader: Reader, provider: CryptoProvider): GroupState {
  const suite = suiteOf(provider, reader.u16());
  const config = readConfig(reader);
  const epoch = readEpoch(reader, suite);
  const proposals = new Map(reader.list(readCached));
  let newer = leavesOf(epoch);
  const past = reader.list((r) => {
    const kept = readPast(r, suite, newer);
    newer = kept.leaves;
    return kept;
  });
  const resumption = reader.list((r) => ({ epoch: r.u64(), secret: owned(r) }));
  return { ...epoch, suite, config, proposals, past, resumption };
}

function writeConfig(writer: Writer, { window, pastEpochsMax, resumptionEpochsMax }: GroupConfig): void {
  writer.u32(window.backMax).u32(window.forwardMax).u32(pastEpochsMax).u32(resumptionEpochsMax);
}

function readConfig(reader: Reader): GroupConfig {
  const window = { backMax: reader.u32(), forwardMax: reader.u32() };
  return { window, pastEpochsMax: reader.u32(), resumptionEpochsMax: reader.u32() };
}

export function writeCached(writer: Writer, key: string, { proposal, sender, privateKey }: CachedProposal): void {
  writeSender(writer.vector(bytesOfKey(key)), sender);
  writer.vectorOf((w) => writeProposal(w, proposal));
  writer.optional(privateKey, (w, secret) => w.vector(secret));
}

export function readCached(reader: Reader): readonly [string, CachedProposal] {
  const key = keyOf(reader.vector());
  const sender = readSender(reader);
  // Of a copy: a record may be wiped once it is read.
  const proposal = decode(reader.vector().slice(), readProposal);
  return [key, { sender, proposal, privateKey: reader.optional(owned) }];
}

function leavesOf({ tree }: Pick<GroupState, 'tree'>): Leaves {
  return Array.from({ length: tree.leafCount }, (_, leaf) => tree.leaf(leaf));
}

/** Most members are in many epochs: 0 blank, 1 as in the next newer epoch, 2 another leaf. */
function writePast(writer: Writer, past: PastEpoch, newer: Leaves): void {
  writer.u64(past.epoch).vector(past.context).vector(past.senderData).u32(past.leaves.length);
  past.leaves.forEach((leaf, index) => {
    if (leaf === undefined) writer.u8(0);
    else if (isSame(leaf, newer[index])) writer.u8(1);
    else writeLeaf(writer.u8(2), leaf);
  });
  writeSecretTree(writer, past.secretTree);
}

function isSame(leaf: LeafNode, other: LeafNode | undefined): boolean {
  return other !== undefined && equalPublic(leaf.encoded, other.encoded);
}

function readPast(reader: Reader, suite: Suite, newer: Leaves): PastEpoch {
  const epoch = reader.u64();
  const context = reader.vector().slice();
  const senderData = owned(reader);
  const count = reader.u32();
  if (count > STORED_ITEMS_MAX) throw new MlsError('damaged-state', 'leaves');
  const leaves: (LeafNode | undefined)[] = [];
  for (let index = 0; index < count; index++) leaves.push(readPastLeaf(reader, newer[index]));
  return { epoch, context, senderData, leaves, secretTree: readSecretTree(reader, suite) };
}

function readPastLeaf(reader: Reader, newer: LeafNode | undefined): LeafNode | undefined {
  const kind = reader.u8();
  if (kind === 0) return undefined;
  if (kind === 2) return readLeaf(reader);
  if (kind !== 1 || newer === undefined) throw new MlsError('damaged-state', 'leaf');
  return newer;
}
