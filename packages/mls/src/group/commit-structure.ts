/**
 * A commit on the wire (RFC 9420 §12.4).
 *
 *     Commit        := ProposalOrRef<V> | optional UpdatePath
 *     ProposalOrRef := 1 Proposal | 2 reference <V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import type { UpdatePath } from '../tree/update-path.ts';
import { readUpdatePath, writeUpdatePath } from '../tree/update-path.ts';
import type { Proposal } from './proposal.ts';
import { readProposal, writeProposal } from './proposal.ts';

export type ProposalOrRef =
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'reference'; readonly reference: Uint8Array };

export interface Commit {
  readonly proposals: readonly ProposalOrRef[];
  readonly path: UpdatePath | undefined;
}

/** A group of a thousand can be founded with one commit, and then some. */
const PROPOSALS_MAX = 4096;

export function writeCommit(writer: Writer, { proposals, path }: Commit): void {
  writer.list(proposals, (w, item) => {
    if (item.kind === 'proposal') writeProposal(w.u8(1), item.proposal);
    else w.u8(2).vector(item.reference);
  });
  writer.optional(path, writeUpdatePath);
}

export function readCommit(reader: Reader): Commit {
  const proposals = reader.list((r): ProposalOrRef => {
    const type = r.u8();
    if (type === 1) return { kind: 'proposal', proposal: readProposal(r) };
    if (type === 2) return { kind: 'reference', reference: r.vector() };
    throw new MlsError('malformed', 'ProposalOrRef, §12.4');
  }, PROPOSALS_MAX);
  return { proposals, path: reader.optional(readUpdatePath) };
}
