/** Joining, or coming back, by one's own commit (RFC 9420 §12.4.3.2). */
import { EMPTY, wipeAll } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import { signContent, transcriptInput } from '../framing/authenticated-content.ts';
import { decodeMessage, encodeMessage } from '../framing/message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { mac, sendExternalInit } from '../schedule/key-schedule.ts';
import type { PskId } from '../schedule/psk.ts';
import { pskSecret } from '../schedule/psk.ts';
import { secretTreeOf } from '../schedule/secret-tree.ts';
import { confirmedTranscriptHash, interimTranscriptHash } from '../schedule/transcript.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import type { Extension } from '../tree/extension.ts';
import { wipePathSecrets } from '../tree/path-secrets.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import { nodeOf } from '../tree/tree-math.ts';
import type { PskStore } from './epoch.ts';
import { applyProposals, lookUpPsks, nextSecrets, noPsks, provisionalContext } from './epoch.ts';
import type { GroupInfo } from './group-info.ts';
import { externalPubIn } from './group-info.ts';
import type { Identity } from './key-package.ts';
import { makePath } from './make-path.ts';
import { treeOf, validateGroupInfo } from './open-group-info.ts';
import type { Judgement } from './policy.ts';
import type { Proposal } from './proposal.ts';
import { validateExternalList } from './proposal-list.ts';
import type { Roster } from './roster.ts';
import { rosterOf } from './roster.ts';
import type { GroupConfig, GroupState } from './state.ts';
import { defaultConfig, demandConfig, newState } from './state.ts';
import { demandDistinctMembers, demandMutualCredentials, validateLeaf } from './validate-leaf.ts';

export interface ExternalCommitInput extends Judgement {
  /** A GroupInfo message with `external_pub`. */
  readonly groupInfo: Uint8Array;
  /** The tree, where the GroupInfo does not bring it. */
  readonly tree?: Uint8Array;
  readonly identity: Identity;
  readonly capabilities: Capabilities;
  readonly leafExtensions?: readonly Extension[];
  /** Our old leaf, which this commit removes (resync); its signature key may stay the same. */
  readonly replaces?: LeafIndex;
  readonly psks?: readonly PskId[];
  readonly pskStore?: PskStore;
  readonly authenticatedData?: Uint8Array;
  readonly config?: GroupConfig;
  readonly entropy: Entropy;
}

export interface ExternallyJoined {
  /** A PublicMessage. The members are in the new epoch once the delivery service accepted it, and so are we. */
  readonly commit: Uint8Array;
  readonly state: GroupState;
  readonly roster: Roster;
}

/** Errors: as joining by a welcome, and `malformed` where the GroupInfo has no external key. */
export function joinByExternalCommit(suite: Suite, input: ExternalCommitInput): ExternallyJoined {
  const { identity, entropy, config = defaultConfig } = input;
  demandConfig(config);
  const info = readGroupInfoMessage(input.groupInfo);
  const { context } = info;
  demand(context.suite === suite.id, 'unsupported', 'cipher suite of the GroupInfo');
  const before = treeOf(suite, info, input.tree);
  validateGroupInfo(suite, { info, tree: before }, input);
  const publicKey = wanted(externalPubIn(info.extensions), 'malformed', 'no external_pub, §12.4.3.2');
  const { output, initSecret } = sendExternalInit(suite, { publicKey, entropy });

  const proposals = proposalsOf(input, output);
  const group = { suite, tree: before, context };
  const sender = { kind: 'new-member-commit' } as const;
  const sent = proposals.map((proposal) => ({ proposal, sender }));
  validateExternalList(group, sent, input);
  const applied = applyProposals(group, sent);
  const draft = applied.tree.edit();
  const leaf = draft.claimBlankLeaf();
  const provisional = { ...applied, tree: draft.done() };
  const { signatureKey } = identity;
  const appearance = {
    signatureKey: suite.provider.ed25519.publicOf(signatureKey),
    credential: identity.credential,
    capabilities: input.capabilities,
    extensions: input.leafExtensions ?? [],
  };
  const made = makePath({ context, provisional, leaf, appearance, signatureKey, entropy });
  const previous = input.replaces === undefined ? undefined : memberAt(before, input.replaces);
  const place = { groupId: context.groupId, leaf };
  const groupExtensions = context.extensions;
  validateLeaf(suite, { leaf: made.path.leaf, source: 'commit', groupExtensions, place, previous }, input);
  demandDistinctMembers(made.tree, [leaf]);
  demandMutualCredentials(made.tree);

  const items = proposals.map((proposal) => ({ kind: 'proposal', proposal }) as const);
  const body = { kind: 'commit', commit: { proposals: items, path: made.path } } as const;
  const authenticatedData = input.authenticatedData ?? EMPTY;
  const content = { groupId: context.groupId, epoch: context.epoch, sender, authenticatedData, body };
  const encoded = encodeGroupContext(context);
  const signed = signContent(suite, { format: 'public', content, context: encoded }, signatureKey);
  const { encodedContent, signature } = signed;
  const { confirmedTranscriptHash: confirmedBefore } = context;
  const confirmed = confirmedTranscriptHash(suite, {
    interimBefore: interimTranscriptHash(suite, { confirmed: confirmedBefore, confirmationTag: info.confirmationTag }),
    commit: transcriptInput({ format: 'public', encodedContent }, signature),
  });
  const next = {
    ...provisionalContext(context, { tree: made.tree, extensions: context.extensions }),
    confirmedTranscriptHash: confirmed,
  };
  const psk = pskSecret(suite, lookUpPsks(undefined, provisional.psks, input.pskStore ?? noPsks));
  const { joiner, epoch } = nextSecrets(suite, { initSecret, commitSecret: made.commitSecret, psk, context: next });
  wipeAll([initSecret, joiner, psk]);
  wipePathSecrets(made.steps);
  const confirmationTag = mac(suite, epoch.secrets.confirmation, confirmed);
  const message = { format: 'public', content, encodedContent, auth: { signature, confirmationTag } } as const;
  const privateKeys = new Map(made.steps.map(({ step, pair }) => [step.node, pair.privateKey]));
  privateKeys.set(nodeOf(leaf), made.leafPrivateKey);
  const state = newState(suite, config, {
    context: next,
    tree: made.tree,
    ownLeaf: leaf,
    privateKeys,
    secrets: epoch.secrets,
    secretTree: secretTreeOf(suite, { leafCount: made.tree.leafCount, encryption: epoch.encryption }),
    confirmationTag,
    interimTranscriptHash: interimTranscriptHash(suite, { confirmed, confirmationTag }),
    status: { kind: 'active' },
  });
  const publicMessage = { message, membershipTag: undefined };
  return { commit: encodeMessage({ kind: 'public-message', publicMessage }), state, roster: rosterOf(made.tree) };
}

function readGroupInfoMessage(bytes: Uint8Array): GroupInfo {
  const message = decodeMessage(bytes);
  if (message.kind !== 'group-info') throw new MlsError('wrong-kind', message.kind);
  return message.groupInfo;
}

function proposalsOf({ replaces, psks = [] }: ExternalCommitInput, output: Uint8Array): readonly Proposal[] {
  return [
    { kind: 'external-init', output },
    ...(replaces === undefined ? [] : [{ kind: 'remove', removed: replaces } as const]),
    ...psks.map((psk) => ({ kind: 'psk', psk }) as const),
  ];
}
