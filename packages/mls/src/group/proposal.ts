/** Proposals (RFC 9420 §12.1). Types without a decoder here have no length on the wire and are `unsupported`. */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import type { PskId } from '../schedule/psk.ts';
import { readPskId, writePskId } from '../schedule/psk.ts';
import type { Extension } from '../tree/extension.ts';
import { readExtensions, writeExtensions } from '../tree/extension.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import { readLeaf, writeLeaf } from '../tree/leaf-node.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { KeyPackage } from './key-package.ts';
import { readKeyPackage, writeKeyPackage } from './key-package.ts';

export interface ReInit {
  readonly groupId: Uint8Array;
  readonly version: number;
  readonly suite: number;
  readonly extensions: readonly Extension[];
}

export type Proposal =
  | { readonly kind: 'add'; readonly keyPackage: KeyPackage }
  | { readonly kind: 'update'; readonly leaf: LeafNode }
  | { readonly kind: 'remove'; readonly removed: LeafIndex }
  | { readonly kind: 'psk'; readonly psk: PskId }
  | { readonly kind: 'reinit'; readonly reinit: ReInit }
  | { readonly kind: 'external-init'; readonly output: Uint8Array }
  | { readonly kind: 'group-context-extensions'; readonly extensions: readonly Extension[] };

export type ProposalKind = Proposal['kind'];

interface ProposalRules {
  readonly type: number;
  /** §12.4: a commit that covers one must carry a path. */
  readonly needsPath: boolean;
  /** §12.1.8: whether somebody outside of the group may send it. */
  readonly fromOutside: boolean;
}

export const proposalRules: Readonly<Record<ProposalKind, ProposalRules>> = {
  add: { type: 1, needsPath: false, fromOutside: true },
  update: { type: 2, needsPath: true, fromOutside: false },
  remove: { type: 3, needsPath: true, fromOutside: true },
  psk: { type: 4, needsPath: false, fromOutside: true },
  reinit: { type: 5, needsPath: false, fromOutside: true },
  'external-init': { type: 6, needsPath: true, fromOutside: false },
  'group-context-extensions': { type: 7, needsPath: true, fromOutside: true },
};

export function writeProposal(writer: Writer, proposal: Proposal): void {
  writer.u16(proposalRules[proposal.kind].type);
  switch (proposal.kind) {
    case 'add':
      return writeKeyPackage(writer, proposal.keyPackage);
    case 'update':
      return writeLeaf(writer, proposal.leaf);
    case 'remove':
      return void writer.u32(proposal.removed);
    case 'psk':
      return writePskId(writer, proposal.psk);
    case 'reinit':
      return writeReInit(writer, proposal.reinit);
    case 'external-init':
      return void writer.vector(proposal.output);
    case 'group-context-extensions':
      return writeExtensions(writer, proposal.extensions);
  }
}

export function readProposal(reader: Reader): Proposal {
  const type = reader.u16();
  switch (type) {
    case 1:
      return { kind: 'add', keyPackage: readKeyPackage(reader) };
    case 2:
      return { kind: 'update', leaf: readLeaf(reader) };
    case 3:
      return { kind: 'remove', removed: reader.u32() };
    case 4:
      return { kind: 'psk', psk: readPskId(reader) };
    case 5:
      return { kind: 'reinit', reinit: readReInit(reader) };
    case 6:
      return { kind: 'external-init', output: reader.vector() };
    case 7:
      return { kind: 'group-context-extensions', extensions: readExtensions(reader) };
    default:
      throw new MlsError('unsupported', `proposal type ${type}`);
  }
}

export function writeReInit(writer: Writer, { groupId, version, suite, extensions }: ReInit): void {
  writeExtensions(writer.vector(groupId).u16(version).u16(suite), extensions);
}

export function readReInit(reader: Reader): ReInit {
  return { groupId: reader.vector(), version: reader.u16(), suite: reader.u16(), extensions: readExtensions(reader) };
}
