/** Application messages and proposals of ours. */
import { EMPTY, keyOf } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import { MlsError, demand } from '../errors.ts';
import type { AuthenticatedContent, MessageFormat } from '../framing/authenticated-content.ts';
import { proposalRef, signContent } from '../framing/authenticated-content.ts';
import type { Body } from '../framing/content.ts';
import type { Padding } from '../framing/private-message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { signLeaf } from '../tree/leaf-node.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { Identity } from './key-package.ts';
import type { Proposal } from './proposal.ts';
import { protectContent } from './protect.ts';
import type { Advanced, GroupState } from './state.ts';
import { demandActive } from './state.ts';

export interface SendInput {
  readonly identity: Pick<Identity, 'signatureKey'>;
  readonly authenticatedData?: Uint8Array;
  readonly padding?: Padding;
  readonly entropy: Entropy;
}

export interface Sent extends Advanced {
  /** To be stored before `bytes` is sent: its key must not be used for another message. */
  readonly state: GroupState;
  readonly bytes: Uint8Array;
}

/** RFC 9420 §15. `closed` after ReInit or removal. */
export function encrypt(state: GroupState, input: SendInput & { readonly plaintext: Uint8Array }): Sent {
  demandActive(state);
  const message = sign(state, { ...input, format: 'private', body: { kind: 'application', data: input.plaintext } });
  return protectContent(state, { message, padding: input.padding, entropy: input.entropy });
}

export interface Proposed extends Sent {
  readonly reference: Uint8Array;
}

/** A proposal on its own (§12.1), to be committed by reference. An Update is made by `proposeUpdate`. */
export function propose(
  state: GroupState,
  input: SendInput & {
    readonly proposal: Exclude<Proposal, { readonly kind: 'update' }>;
    readonly format?: MessageFormat;
  },
): Proposed {
  return sendProposal(state, { ...input, privateKey: undefined });
}

/** Fresh keys for our leaf, to be committed by another member (§12.1.2). */
export function proposeUpdate(
  state: GroupState,
  input: SendInput & { readonly format?: MessageFormat; readonly next?: Identity },
): Proposed {
  const { suite, context, ownLeaf: leaf } = state;
  const { credential, capabilities, extensions, signatureKey: key } = memberAt(state.tree, leaf);
  const signatureKey = input.next ? suite.provider.ed25519.publicOf(input.next.signatureKey) : key;
  const pair = suite.kem.generate(input.entropy);
  const node = signLeaf(suite, {
    content: {
      encryptionKey: pair.publicKey,
      signatureKey,
      credential: input.next?.credential ?? credential,
      capabilities,
      extensions,
      source: { kind: 'update' },
    },
    place: { groupId: context.groupId, leaf },
    privateKey: input.next?.signatureKey ?? input.identity.signatureKey,
  });
  return sendProposal(state, { ...input, proposal: { kind: 'update', leaf: node }, privateKey: pair.privateKey });
}

/** Proposals kept for one epoch at most: the senders could fill memory otherwise. */
export const PROPOSALS_KEPT_MAX = 1024;

function sendProposal(
  state: GroupState,
  input: SendInput & {
    readonly proposal: Proposal;
    readonly format?: MessageFormat;
    readonly privateKey: Uint8Array | undefined;
  },
): Proposed {
  demandActive(state);
  demand(state.proposals.size < PROPOSALS_KEPT_MAX, 'limit', 'proposals of an epoch');
  const { proposal, privateKey } = input;
  const message = sign(state, { ...input, format: input.format ?? 'private', body: { kind: 'proposal', proposal } });
  const sent = protectContent(state, { message, padding: input.padding, entropy: input.entropy });
  const reference = proposalRef(state.suite, message);
  const proposals = new Map(state.proposals);
  proposals.set(keyOf(reference), { proposal, sender: message.content.sender, privateKey });
  return { ...sent, state: { ...sent.state, proposals }, reference };
}

function sign(
  state: GroupState,
  input: SendInput & { readonly format: MessageFormat; readonly body: Body },
): AuthenticatedContent {
  const { suite, context, ownLeaf } = state;
  const { format, body, authenticatedData = EMPTY } = input;
  if (body.kind === 'commit') throw new MlsError('bad-argument', 'a commit is made by createCommit');
  const sender = { kind: 'member', leaf: ownLeaf } as const;
  const content = { groupId: context.groupId, epoch: context.epoch, sender, authenticatedData, body };
  const part = { format, content, context: encodeGroupContext(context) };
  const signature = signContent(suite, part, input.identity.signatureKey);
  return { format, content, auth: { signature, confirmationTag: undefined } };
}
