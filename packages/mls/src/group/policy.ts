/**
 * What the application decides. MLS leaves to it whom a credential speaks for (RFC 9420 §5.3.1) and who may do what
 * (§12.2); both are asked for everything that enters the group, of our own commits as well, and `false` refuses.
 */
import type { Extension } from '../tree/extension.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import type { Proposal } from './proposal.ts';
import type { Member, RosterDifference } from './roster.ts';

export interface CredentialQuestion {
  readonly leaf: LeafNode;
  /** The leaf it takes the place of: of an update, a path, a resync. The successor must speak for the same client. */
  readonly previous: LeafNode | undefined;
}

/** Who is behind a proposal or a commit. */
export type Actor =
  | { readonly kind: 'member'; readonly member: Member }
  /** Of the `external_senders` extension. */
  | { readonly kind: 'external'; readonly index: number }
  /** Who joins by an external commit or asks to be added. */
  | { readonly kind: 'new-member'; readonly leaf: LeafNode };

export interface ProposedBy {
  readonly actor: Actor;
  readonly proposal: Proposal;
}

export interface Change {
  readonly committer: Actor;
  readonly proposals: readonly ProposedBy[];
  readonly difference: RosterDifference;
  readonly extensionsBefore: readonly Extension[];
  readonly extensionsAfter: readonly Extension[];
}

export interface Policy {
  /** The longest lifetime of a key package, in seconds. */
  readonly lifetimeMax: bigint;
  /** Whether a credential may stand on a leaf; asked for every leaf on joining, then for every one that changes. */
  credential(question: CredentialQuestion): boolean;
  /** Whether this may be done by those who do it. */
  change(change: Change): boolean;
}

/** Policy and time: what validity depends on. */
export interface Judgement {
  readonly policy: Policy;
  /** Seconds since 1970. */
  readonly now: bigint;
}
