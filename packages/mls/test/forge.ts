/** What a hostile member or stranger could send: messages that are signed and sealed rightly around wrong content. */
import assert from 'node:assert/strict';
import { EMPTY } from '../src/codec/bytes.ts';
import type { AuthenticatedContent } from '../src/framing/authenticated-content.ts';
import { signContent } from '../src/framing/authenticated-content.ts';
import type { Body, Sender } from '../src/framing/content.ts';
import { encodeMessage } from '../src/framing/message.ts';
import { membershipTag } from '../src/framing/public-message.ts';
import { sealSenderData } from '../src/framing/sender-data.ts';
import type { ProposalOrRef } from '../src/group/commit-structure.ts';
import type { Provisional } from '../src/group/epoch.ts';
import { applyProposals, provisionalContext } from '../src/group/epoch.ts';
import type { LeafAppearance } from '../src/group/make-path.ts';
import { makePath } from '../src/group/make-path.ts';
import type { Proposal } from '../src/group/proposal.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import type { LeafContent, LeafNode } from '../src/tree/leaf-node.ts';
import { signLeaf } from '../src/tree/leaf-node.ts';
import { filteredDirectPath, withPathKeys } from '../src/tree/path.ts';
import { derivePathSecrets, sealPath } from '../src/tree/path-secrets.ts';
import { memberAt } from '../src/tree/ratchet-tree.ts';
import type { UpdatePath } from '../src/tree/update-path.ts';
import type { Client } from './client.ts';

export interface ForgeInput {
  readonly proposals?: readonly Proposal[];
  readonly items?: readonly ProposalOrRef[];
  readonly path?: UpdatePath | undefined;
  readonly sender?: Sender;
  readonly signatureKey?: Uint8Array;
  readonly tag?: Uint8Array;
  readonly epoch?: bigint;
  readonly body?: Body;
  readonly membershipKey?: Uint8Array;
}

/** A commit (or any body) as a public message; its confirmation tag is made up. */
export function forge(client: Client, input: ForgeInput = {}): Uint8Array {
  const { suite, context, ownLeaf, secrets } = client.state;
  const items = input.items ?? (input.proposals ?? []).map((proposal) => ({ kind: 'proposal', proposal }) as const);
  const body: Body = input.body ?? { kind: 'commit', commit: { proposals: items, path: input.path } };
  const sender = input.sender ?? { kind: 'member', leaf: ownLeaf };
  const epoch = input.epoch ?? context.epoch;
  const content = { groupId: context.groupId, epoch, sender, authenticatedData: EMPTY, body };
  const encoded = encodeGroupContext(context);
  const key = input.signatureKey ?? client.identity.signatureKey;
  const signature = signContent(suite, { format: 'public', content, context: encoded }, key);
  const confirmationTag = body.kind === 'commit' ? (input.tag ?? client.entropy(suite.hashBytes)) : undefined;
  const message: AuthenticatedContent = {
    format: 'public',
    content,
    auth: { signature, confirmationTag },
  };
  const membershipKey = input.membershipKey ?? secrets.membership;
  const tag = membershipTag(suite, { message, context: encoded, membershipKey });
  return encodeMessage({ kind: 'public-message', publicMessage: { message, membershipTag: tag } });
}

/** A path that fits these proposals, changed as asked. */
export function pathFor(
  client: Client,
  input: { readonly proposals?: readonly Proposal[]; readonly appearance?: Partial<LeafAppearance> } = {},
): UpdatePath {
  const { state, identity, entropy } = client;
  const { context, ownLeaf: leaf } = state;
  const appearance = { ...memberAt(state.tree, leaf), ...input.appearance };
  const provisional = provisionalFor(client, input.proposals ?? []);
  return makePath({ context, provisional, leaf, appearance, signatureKey: identity.signatureKey, entropy }).path;
}

export function provisionalFor(client: Client, proposals: readonly Proposal[]): Provisional {
  const sender = { kind: 'member', leaf: client.leaf } as const;
  return applyProposals(
    client.state,
    proposals.map((proposal) => ({ proposal, sender })),
  );
}

/** A path whose secrets are sealed rightly and do not belong to its public keys. */
export function crookedPath(client: Client): UpdatePath {
  const { state, entropy, suite } = client;
  const { tree, context, ownLeaf: leaf } = state;
  const { steps } = derivePathSecrets(suite, filteredDirectPath(tree, leaf), entropy(suite.hashBytes));
  const others = steps.map(() => suite.kem.generate(entropy).publicKey);
  const merged = withPathKeys(tree, { leaf, keys: others });
  const encryptionKey = suite.kem.generate(entropy).publicKey;
  const node = leafOf(client, { encryptionKey, source: { kind: 'commit', parentHash: merged.leafParentHash } });
  const after = merged.tree.edit().setLeaf(leaf, node).done();
  const provisional = provisionalContext(context, { tree: after, extensions: context.extensions });
  const sealed = sealPath(tree, { steps, context: encodeGroupContext(provisional), added: new Set(), entropy });
  return {
    leaf: node,
    nodes: sealed.map((step, i) => ({ ...step, encryptionKey: others[i] ?? assert.fail() })),
  };
}

/** A leaf of a client, signed, with other content. */
export function leafOf(
  client: Client,
  change: Partial<LeafContent>,
  place?: { readonly groupId?: Uint8Array; readonly leaf?: number },
): LeafNode {
  const { state, identity, suite } = client;
  const content = { ...memberAt(state.tree, client.leaf), ...change };
  const at = { groupId: state.context.groupId, leaf: client.leaf, ...place };
  return signLeaf(suite, { content, place: at, privateKey: identity.signatureKey });
}

/** A private message whose sender data says this; its content is noise. */
export function withSenderData(
  client: Client,
  data: { readonly leaf: number; readonly generation: number },
): Uint8Array {
  const { suite, context, secrets } = client.state;
  const ciphertext = client.entropy(80);
  const head = { groupId: context.groupId, epoch: context.epoch, contentType: 'application' } as const;
  const sealedSenderData = sealSenderData(
    suite,
    { ...data, reuseGuard: client.entropy(4) },
    { secret: secrets.senderData, ciphertext, head },
  );
  const privateMessage = { ...head, authenticatedData: EMPTY, sealedSenderData, ciphertext };
  return encodeMessage({ kind: 'private-message', privateMessage });
}

export function first<T>(items: readonly T[]): T {
  return items[0] ?? assert.fail('nothing there');
}
