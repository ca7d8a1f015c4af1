/**
 * What a message says (RFC 9420 §6).
 *
 *     FramedContent := group id <V> | epoch u64 | Sender | authenticated data <V> | content type u8 | body
 *     Sender        := 1 leaf u32 | 2 index u32 | 3 new member's proposal | 4 new member's commit
 *     body          := 1 application data <V> | 2 Proposal | 3 Commit
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { vectorBytes } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import type { Commit } from '../group/commit-structure.ts';
import { readCommit, writeCommit } from '../group/commit-structure.ts';
import type { Proposal } from '../group/proposal.ts';
import { readProposal, writeProposal } from '../group/proposal.ts';
import type { LeafIndex } from '../tree/tree-math.ts';

export type Sender =
  | { readonly kind: 'member'; readonly leaf: LeafIndex }
  | { readonly kind: 'external'; readonly index: number }
  | { readonly kind: 'new-member-proposal' }
  | { readonly kind: 'new-member-commit' };

export type Body =
  | { readonly kind: 'application'; readonly data: Uint8Array }
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'commit'; readonly commit: Commit };

export type ContentType = Body['kind'];

export interface FramedContent {
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly sender: Sender;
  readonly authenticatedData: Uint8Array;
  readonly body: Body;
}

export const contentTypeNumbers: Readonly<Record<ContentType, number>> = { application: 1, proposal: 2, commit: 3 };
const contentTypes: readonly ContentType[] = ['application', 'proposal', 'commit'];
const senderNumbers: Readonly<Record<Sender['kind'], number>> = {
  member: 1,
  external: 2,
  'new-member-proposal': 3,
  'new-member-commit': 4,
};

/** Epoch, sender, type and the lengths of three vectors. */
const HEAD_BYTES = 8 + 5 + 1 + 3 * 4;
/** For a handshake to start with. */
const ROOM_BYTES = 1024;

export function writeContent(writer: Writer, content: FramedContent): void {
  const { groupId, epoch, sender, authenticatedData, body } = content;
  writeSender(writer.vector(groupId).u64(epoch), sender);
  writeBody(writer.vector(authenticatedData).u8(contentTypeNumbers[body.kind]), body);
}

/** Room for `writeContent`: of application data enough. */
export function contentBytes({ groupId, authenticatedData, body }: FramedContent): number {
  return groupId.length + authenticatedData.length + bodyBytes(body) + HEAD_BYTES;
}

/** Room for `writeBody`: of application data enough. */
export function bodyBytes(body: Body): number {
  return body.kind === 'application' ? vectorBytes(body.data) : ROOM_BYTES;
}

export function readContent(reader: Reader): FramedContent {
  const groupId = reader.vector();
  const epoch = reader.u64();
  const sender = readSender(reader);
  const authenticatedData = reader.vector();
  return { groupId, epoch, sender, authenticatedData, body: readBody(reader, readContentType(reader)) };
}

export function readContentType(reader: Reader): ContentType {
  const type = contentTypes[reader.u8() - 1];
  if (type === undefined) throw new MlsError('malformed', 'content type, §6');
  return type;
}

export function writeBody(writer: Writer, body: Body): void {
  if (body.kind === 'application') writer.vector(body.data);
  else if (body.kind === 'proposal') writeProposal(writer, body.proposal);
  else writeCommit(writer, body.commit);
}

export function readBody(reader: Reader, type: ContentType): Body {
  if (type === 'application') return { kind: type, data: reader.vector() };
  if (type === 'proposal') return { kind: type, proposal: readProposal(reader) };
  return { kind: type, commit: readCommit(reader) };
}

export function writeSender(writer: Writer, sender: Sender): void {
  writer.u8(senderNumbers[sender.kind]);
  if (sender.kind === 'member') writer.u32(sender.leaf);
  if (sender.kind === 'external') writer.u32(sender.index);
}

export function readSender(reader: Reader): Sender {
  switch (reader.u8()) {
    case 1:
      return { kind: 'member', leaf: reader.u32() };
    case 2:
      return { kind: 'external', index: reader.u32() };
    case 3:
      return { kind: 'new-member-proposal' };
    case 4:
      return { kind: 'new-member-commit' };
    default:
      throw new MlsError('malformed', 'sender type, §6');
  }
}
