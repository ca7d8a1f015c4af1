/** Joining, or coming back, by one's own commit (RFC 9420 §12.4.3.2). */
import { EMPTY, wipeAll } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import type { AuthenticatedContent } from '../framing/authenticated-content.ts';
import { signContent, transcriptInput } from '../framing/authenticated-content.ts';
import { decodeMessage, encodeMessage } from '../framing/message.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { sendExternalInit } from '../schedule/key-schedule.ts';
import type { PskId } from '../schedule/psk.ts';
import { pskSecret } from '../schedule/psk.ts';
import { interimTranscriptHash } from '../schedule/transcript.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import { demandHonest } from '../tree/capabilities.ts';
import type { Extension } from '../tree/extension.ts';
import { wipePathSecrets } from '../tree/path-secrets.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import { nodeOf } from '../tree/tree-math.ts';
import { conclude, epochFrom } from './conclude.ts';
import type { Provisional, PskStore } from './epoch.ts';
import { applyProposals, lookUpPsks, noPsks, provisionalContext } from './epoch.ts';
import type { GroupInfo } from './group-info.ts';
import { externalPubIn } from './group-info.ts';
import type { Identity } from './key-package.ts';
import type { MadePath } from './make-path.ts';
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
  const { identity, config = defaultConfig } = input;
  demandConfig(config);
  demandHonest(input.capabilities);
  const info = readGroupInfoMessage(input.groupInfo);
  const { context } = info;
  demand(context.suite === suite.id, 'unsupported', 'cipher suite of the GroupInfo');
  const before = treeOf(suite, info, input.tree);
  validateGroupInfo(suite, { info, tree: before }, input);
  const publicKey = wanted(externalPubIn(info.extensions), 'malformed', 'no external_pub, §12.4.3.2');
  const { output, initSecret } = sendExternalInit(suite, { publicKey, entropy: input.entropy });
  const draft = draftOf({ suite, tree: before, context }, input, output);
  const { provisional, made, leaf } = draft;
  const psk = pskSecret(suite, lookUpPsks(undefined, provisional.psks, input.pskStore ?? noPsks));
  const signed = signCommit(suite, context, { ...draft, identity, authenticatedData: input.authenticatedData });
  const { confirmedTranscriptHash: confirmed } = context;
  const concluded = conclude(suite, {
    provisional: provisionalContext(context, { tree: made.tree, extensions: context.extensions }),
    interimBefore: interimTranscriptHash(suite, { confirmed, confirmationTag: info.confirmationTag }),
    commit: transcriptInput(signed, signed.signature),
    initSecret,
    commitSecret: made.commitSecret,
    psk,
  });
  const { confirmationTag, joiner } = concluded;
  wipeAll([initSecret, joiner, psk]);
  wipePathSecrets(made.steps);
  const message = { ...signed, auth: { signature: signed.signature, confirmationTag } };
  const privateKeys = new Map(made.steps.map(({ step, pair }) => [step.node, pair.privateKey]));
  privateKeys.set(nodeOf(leaf), made.leafPrivateKey);
  const publicMessage = { message, membershipTag: undefined };
  return {
    commit: encodeMessage({ kind: 'public-message', publicMessage }),
    state: newState(suite, config, epochFrom(suite, concluded, { tree: made.tree, ownLeaf: leaf, privateKeys })),
    roster: rosterOf(made.tree),
  };
}

interface Draft {
  readonly proposals: readonly Proposal[];
  readonly provisional: Provisional;
  readonly leaf: LeafIndex;
  readonly made: MadePath;
}

/** Held against the rules that the members will hold it against. */
function draftOf(
  group: Pick<GroupState, 'suite' | 'tree' | 'context'>,
  input: ExternalCommitInput,
  output: Uint8Array,
): Draft {
  const { suite, tree, context } = group;
  const { identity, capabilities, leafExtensions: extensions = [], entropy, replaces } = input;
  const proposals = proposalsOf(input, output);
  const sent = proposals.map((proposal) => ({ proposal, sender }));
  validateExternalList(group, sent, input);
  const applied = applyProposals(group, sent);
  const draft = applied.tree.edit();
  const leaf = draft.claimBlankLeaf();
  const provisional = { ...applied, tree: draft.done() };
  const { signatureKey, credential } = identity;
  const publicKey = suite.provider.ed25519.publicOf(signatureKey);
  const appearance = { signatureKey: publicKey, credential, capabilities, extensions };
  const made = makePath({ context, provisional, leaf, appearance, signatureKey, entropy });
  const previous = replaces === undefined ? undefined : memberAt(tree, replaces);
  const place = { groupId: context.groupId, leaf };
  const { extensions: groupExtensions } = context;
  validateLeaf(suite, { leaf: made.path.leaf, source: 'commit', groupExtensions, place, previous }, input);
  demandDistinctMembers(made.tree, [leaf]);
  demandMutualCredentials(made.tree);
  return { proposals, provisional, leaf, made };
}

const sender = { kind: 'new-member-commit' } as const;

function signCommit(
  suite: Suite,
  context: GroupContext,
  input: Draft & { readonly identity: Identity; readonly authenticatedData: Uint8Array | undefined },
): Omit<AuthenticatedContent, 'auth'> & { readonly signature: Uint8Array } {
  const { proposals, made, identity, authenticatedData = EMPTY } = input;
  const items = proposals.map((proposal) => ({ kind: 'proposal', proposal }) as const);
  const body = { kind: 'commit', commit: { proposals: items, path: made.path } } as const;
  const { groupId, epoch } = context;
  const content = { groupId, epoch, sender, authenticatedData, body };
  const part = { format: 'public', content, context: encodeGroupContext(context) } as const;
  return { format: 'public', content, signature: signContent(suite, part, identity.signatureKey) };
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
