/** Everything a group receives comes in here (RFC 9420 §6, §12.1, §12.4.2, §15). */
import { equalPublic, keyOf } from '../codec/bytes.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import type { AuthenticatedContent } from '../framing/authenticated-content.ts';
import { contentSignatureVerifies, proposalRef } from '../framing/authenticated-content.ts';
import type { FramedContent } from '../framing/content.ts';
import { decodeMessage } from '../framing/message.ts';
import type { PrivateMessage } from '../framing/private-message.ts';
import { unprotect } from '../framing/private-message.ts';
import type { PublicMessage } from '../framing/public-message.ts';
import { demandMembership } from '../framing/public-message.ts';
import { openSenderData } from '../framing/sender-data.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import type { SecretTree } from '../schedule/secret-tree.ts';
import { takeAt } from '../schedule/secret-tree.ts';
import { externalSendersIn } from '../tree/extension.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { PskStore } from './epoch.ts';
import type { Actor, Judgement } from './policy.ts';
import type { Proposal } from './proposal.ts';
import { actorOf, demandMayPropose } from './proposal-list.ts';
import type { Member } from './roster.ts';
import { PROPOSALS_KEPT_MAX } from './send.ts';
import type { StagedCommit } from './stage-commit.ts';
import { stageCommit } from './stage-commit.ts';
import type { Advanced, GroupState, PastEpoch } from './state.ts';

export interface ReceiveInput extends Judgement {
  readonly message: Uint8Array;
  readonly psks?: PskStore;
  /** Whether handshakes may come unencrypted; those of non-members always do. */
  readonly publicHandshakes: 'accept' | 'refuse-members';
}

export interface ReceivedApplication extends Advanced {
  readonly kind: 'application';
  readonly sender: Member;
  /** The epoch it was sent in; at most the state's. */
  readonly epoch: bigint;
  readonly generation: number;
  readonly authenticatedData: Uint8Array;
  readonly plaintext: Uint8Array;
}

export interface ReceivedProposal extends Advanced {
  readonly kind: 'proposal';
  readonly actor: Actor;
  readonly proposal: Proposal;
  readonly reference: Uint8Array;
  readonly authenticatedData: Uint8Array;
}

export type Received = ReceivedApplication | ReceivedProposal | StagedCommit;

/**
 * A message of the group: application data, a proposal, or a commit that is valid but not merged. Nothing of a refused
 * message stays in the state. Errors: `malformed`, `unsupported`, `wrong-kind`, `wrong-group`, `too-old`, `too-new`,
 * `too-far-ahead`, `replayed`, `own-message`, `undecryptable`, `bad-*`, and what commits are refused with.
 */
export function receive(state: GroupState, input: ReceiveInput): Received {
  const message = decodeMessage(input.message);
  switch (message.kind) {
    case 'private-message':
      return receivePrivate(state, message.privateMessage, input);
    case 'public-message':
      return receivePublic(state, message.publicMessage, input);
    case 'welcome':
    case 'group-info':
    case 'key-package':
      throw new MlsError('wrong-kind', message.kind);
  }
}

/** The part of an epoch, current or past, that reading takes. */
interface Readable {
  readonly context: Uint8Array;
  readonly senderData: Uint8Array;
  readonly secretTree: SecretTree;
  leaf(index: LeafIndex): LeafNode | undefined;
  /** The state with this secret tree in place of the one given. */
  with(tree: SecretTree): GroupState;
}

function receivePrivate(state: GroupState, message: PrivateMessage, input: ReceiveInput): Received {
  const { suite, config } = state;
  demandGroup(state, message.groupId);
  const { contentType, ciphertext } = message;
  const epoch = readableEpoch(state, message);
  const senderData = openSenderData(suite, message.sealedSenderData, {
    secret: epoch.senderData,
    ciphertext,
    head: message,
  });
  const { leaf, generation } = senderData;
  const node = wanted(epoch.leaf(leaf), 'unknown-sender', 'blank leaf, §6.3.2');
  demand(leaf !== state.ownLeaf, 'own-message');
  const kind = contentType === 'application' ? 'application' : 'handshake';
  const key = takeAt(epoch.secretTree, { leaf, kind, generation, window: config.window });
  const opened = unprotect(suite, { message, senderData, key });
  const verifies = contentSignatureVerifies(suite, {
    message: opened,
    context: epoch.context,
    publicKey: node.signatureKey,
  });
  demand(verifies, 'bad-signature', 'message, §6.1');
  const next: Advanced = { state: epoch.with(key.tree), wipe: key.wipe };
  const { body, authenticatedData } = opened.content;
  if (body.kind === 'application') {
    const { data: plaintext } = body;
    const sender = { leaf, node };
    return { kind: 'application', ...next, sender, epoch: message.epoch, generation, authenticatedData, plaintext };
  }
  if (body.kind === 'proposal') return keepProposal(next, opened, body.proposal);
  return stageCommit(state, { ...input, message: opened, commit: body.commit });
}

function readableEpoch(state: GroupState, message: Pick<PrivateMessage, 'epoch' | 'contentType'>): Readable {
  const { epoch } = state.context;
  if (message.epoch > epoch) throw new MlsError(state.status.kind === 'active' ? 'too-new' : 'closed');
  if (message.epoch === epoch && state.status.kind !== 'removed')
    return {
      context: encodeGroupContext(state.context),
      senderData: state.secrets.senderData,
      secretTree: state.secretTree,
      leaf: (index) => state.tree.leaf(index),
      with: (secretTree) => ({ ...state, secretTree }),
    };
  const past = message.contentType === 'application' ? pastEpoch(state, message.epoch) : undefined;
  if (past === undefined) throw new MlsError('too-old', 'epoch');
  return {
    ...past,
    leaf: (index) => past.leaves[index],
    with: (secretTree) => ({
      ...state,
      past: state.past.map((kept) => (kept === past ? { ...kept, secretTree } : kept)),
    }),
  };
}

function pastEpoch(state: GroupState, epoch: bigint): PastEpoch | undefined {
  return state.past.find((kept) => kept.epoch === epoch);
}

function receivePublic(state: GroupState, { message, membershipTag }: PublicMessage, input: ReceiveInput): Received {
  const { suite, context } = state;
  const { content } = message;
  const { sender, body } = content;
  demandGroup(state, content.groupId);
  demand(state.status.kind !== 'removed', 'closed', 'removed');
  demand(content.epoch <= context.epoch, 'too-new', 'epoch');
  demand(content.epoch === context.epoch, 'too-old', 'epoch');
  demand(body.kind !== 'application', 'malformed', 'application data in the clear, §6');
  const encoded = encodeGroupContext(context);
  if (sender.kind === 'member') {
    demand(input.publicHandshakes === 'accept', 'wrong-kind', 'unencrypted handshake');
    const membershipKey = state.secrets.membership;
    demandMembership(suite, membershipTag, { message, context: encoded, membershipKey });
    memberAt(state.tree, sender.leaf);
    demand(sender.leaf !== state.ownLeaf, 'own-message');
  }
  const publicKey = signatureKeyOf(state, content);
  demand(contentSignatureVerifies(suite, { message, context: encoded, publicKey }), 'bad-signature', 'message, §6.1');
  if (body.kind === 'proposal') return keepProposal({ state, wipe: [] }, message, body.proposal);
  return stageCommit(state, { ...input, message, commit: body.commit });
}

/** §6.1: whose key signs depends on the kind of sender, and so does what it may send. */
function signatureKeyOf({ tree, context }: GroupState, { sender, body }: FramedContent): Uint8Array {
  switch (sender.kind) {
    case 'member':
      return memberAt(tree, sender.leaf).signatureKey;
    case 'external': {
      demand(body.kind === 'proposal', 'unknown-sender', 'a non-member sends proposals, §6.1');
      const known = externalSendersIn(context.extensions)[sender.index];
      return wanted(known, 'unknown-sender', 'external sender, §12.1.8.1').signatureKey;
    }
    case 'new-member-proposal':
      if (body.kind === 'proposal' && body.proposal.kind === 'add') return body.proposal.keyPackage.leaf.signatureKey;
      throw new MlsError('malformed', 'from a new member, §6.1');
    case 'new-member-commit':
      if (body.kind !== 'commit') throw new MlsError('malformed', 'from a new member, §6.1');
      return wanted(body.commit.path, 'missing-path', '§12.4.3.2').leaf.signatureKey;
  }
}

function keepProposal(next: Advanced, message: AuthenticatedContent, proposal: Proposal): ReceivedProposal {
  const { state, wipe } = next;
  const { sender, authenticatedData } = message.content;
  demand(state.status.kind === 'active', 'closed', state.status.kind);
  demandMayPropose(sender, proposal.kind);
  demand(state.proposals.size < PROPOSALS_KEPT_MAX, 'limit', 'proposals of an epoch');
  const actor = actorOf(state, { proposal, sender });
  const reference = proposalRef(state.suite, message);
  const proposals = new Map(state.proposals);
  if (!proposals.has(keyOf(reference))) proposals.set(keyOf(reference), { proposal, sender, privateKey: undefined });
  return { kind: 'proposal', state: { ...state, proposals }, wipe, actor, proposal, reference, authenticatedData };
}

function demandGroup(state: GroupState, groupId: Uint8Array): void {
  demand(equalPublic(groupId, state.context.groupId), 'wrong-group');
}
