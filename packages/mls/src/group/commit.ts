/** Creating a commit (RFC 9420 §12.4.1). */
import { EMPTY, wipeAll } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import { demand, wanted } from '../errors.ts';
import { signContent, transcriptInput } from '../framing/authenticated-content.ts';
import type { AuthenticatedContent, MessageFormat } from '../framing/authenticated-content.ts';
import { encodeMessage } from '../framing/message.ts';
import type { Padding } from '../framing/private-message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { pskSecret } from '../schedule/psk.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import { demandHonest } from '../tree/capabilities.ts';
import type { Extension } from '../tree/extension.ts';
import type { PrivateKeys } from '../tree/path-secrets.ts';
import { nextPrivateKeys, wipePathSecrets } from '../tree/path-secrets.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import { nodeOf } from '../tree/tree-math.ts';
import type { ProposalOrRef } from './commit-structure.ts';
import type { Provisional, PskStore } from './epoch.ts';
import { applyProposals, lookUpPsks, noPsks, provisionalContext } from './epoch.ts';
import type { Concluded } from './conclude.ts';
import { conclude, epochFrom } from './conclude.ts';
import { ratchetTreeExtension, signGroupInfo } from './group-info.ts';
import type { Identity } from './key-package.ts';
import type { MadePath } from './make-path.ts';
import { makePath } from './make-path.ts';
import { enter } from './merge.ts';
import type { Policy } from './policy.ts';
import type { Proposal } from './proposal.ts';
import type { SentProposal } from './proposal-list.ts';
import { actorOf, needsPath, ofKind, resolveProposals, validateMemberList } from './proposal-list.ts';
import { protectContent } from './protect.ts';
import type { RosterDifference } from './roster.ts';
import { differenceOf } from './roster.ts';
import type { Advanced, Epoch, GroupState } from './state.ts';
import { demandActive } from './state.ts';
import { demandDistinctMembers, demandMutualCredentials, validateLeaf } from './validate-leaf.ts';
import type { Welcome } from './welcome-structure.ts';
import { makeWelcome } from './welcome.ts';

export interface CommitInput {
  readonly identity: Pick<Identity, 'signatureKey'>;
  /** By value, in this order, after those by reference. */
  readonly proposals?: readonly Proposal[];
  /** References of proposals received or sent in this epoch. */
  readonly references?: readonly Uint8Array[];
  /** `always` renews our keys with every commit; `if-required` only where §12.4 asks for it. */
  readonly path?: 'always' | 'if-required';
  /** What our leaf says from now on; as before where absent. */
  readonly appearance?: {
    readonly identity?: Identity;
    readonly capabilities?: Capabilities;
    readonly extensions?: readonly Extension[];
  };
  readonly psks?: PskStore;
  readonly authenticatedData?: Uint8Array;
  readonly format?: MessageFormat;
  readonly padding?: Padding;
  /** In the GroupInfo of the welcome, besides the tree. */
  readonly groupInfoExtensions?: readonly Extension[];
  /** `inside` by default; `apart` when new members get the tree another way. */
  readonly welcomeTree?: 'inside' | 'apart';
  readonly policy: Policy;
  readonly now: bigint;
  readonly entropy: Entropy;
}

/** A commit of ours that the delivery service has not accepted yet. To be stored before the commit is sent. */
export interface PendingCommit {
  readonly groupId: Uint8Array;
  readonly epochBefore: bigint;
  /** Of the commit message, with the suite's hash: how one's own commit is recognised. */
  readonly hash: Uint8Array;
  /** What the application meant by it, as it likes; stored along. */
  readonly intent: Uint8Array;
  readonly epoch: Epoch;
}

export interface CreatedCommit extends Advanced {
  /** Still of the old epoch, with the key of the commit message used up: to be stored before sending. */
  readonly state: GroupState;
  readonly commit: Uint8Array;
  /** For the members added; undefined when there are none. */
  readonly welcome: Uint8Array | undefined;
  readonly pending: PendingCommit;
  readonly difference: RosterDifference;
}

/**
 * Changes the group by proposals, or renews our keys when there are none. Errors: what proposals, leaves and policy are
 * refused with, `missing-psk`, `missing-proposal`, `closed`.
 */
export function createCommit(state: GroupState, input: CommitInput & { readonly intent?: Uint8Array }): CreatedCommit {
  return createCommitWith(state, input, 'ordinary');
}

/** `founding` allows the PSK usages of §11.2 and §11.3, in the first commit of a group and by its only member. */
export function createCommitWith(
  state: GroupState,
  input: CommitInput & { readonly intent?: Uint8Array },
  kind: 'ordinary' | 'founding',
): CreatedCommit {
  demandActive(state);
  const { suite, context, ownLeaf } = state;
  const draft = draftOf(state, input, kind);
  const { provisional, made, tree } = draft;
  const psks = lookUpPsks(state, provisional.psks, input.psks ?? noPsks);
  const signed = signCommit(state, input, draft);
  const psk = pskSecret(suite, psks);
  const concluded = conclude(suite, {
    provisional: provisionalContext(context, { tree, extensions: provisional.extensions }),
    interimBefore: state.interimTranscriptHash,
    commit: transcriptInput(signed, signed.signature),
    initSecret: state.secrets.init,
    commitSecret: made?.commitSecret ?? new Uint8Array(suite.hashBytes),
    psk,
  });
  const { confirmationTag, joiner } = concluded;
  const message: AuthenticatedContent = { ...signed, auth: { signature: signed.signature, confirmationTag } };
  const sent = protectContent(state, { message, padding: input.padding, entropy: input.entropy });
  const welcome = welcomeOf(state, input, { ...draft, concluded, psk });
  const privateKeys = privateKeysAfter(state, draft);
  wipePathSecrets(made?.steps ?? []);
  wipeAll([joiner, psk]);
  return {
    state: sent.state,
    wipe: sent.wipe,
    commit: sent.bytes,
    welcome: welcome && encodeMessage({ kind: 'welcome', welcome }),
    pending: {
      groupId: context.groupId,
      epochBefore: context.epoch,
      hash: suite.provider.hash(suite.hash, sent.bytes),
      intent: input.intent ?? EMPTY,
      epoch: epochFrom(suite, concluded, { tree, ownLeaf, privateKeys, reinit: provisional.reinit }),
    },
    difference: draft.difference,
  };
}

/** Enters the epoch of a commit of ours that the delivery service accepted. */
export function mergePending(state: GroupState, pending: PendingCommit): Advanced {
  const { groupId, epochBefore, epoch } = pending;
  return enter(state, { groupId, epochBefore, outcome: { kind: 'epoch', epoch } });
}

interface Draft {
  readonly items: readonly ProposalOrRef[];
  readonly proposals: readonly SentProposal[];
  readonly provisional: Provisional;
  readonly made: MadePath | undefined;
  /** Of the new epoch. */
  readonly tree: RatchetTree;
  readonly difference: RosterDifference;
}

/** Everything public about the commit, checked, and allowed by the policy. */
function draftOf(state: GroupState, input: CommitInput, kind: 'ordinary' | 'founding'): Draft {
  const { context, ownLeaf } = state;
  demand(kind === 'ordinary' || context.epoch === 0n, 'bad-argument', 'founding in an epoch after the first');
  const items = itemsOf(input);
  const proposals = resolveProposals(state, items, { kind: 'member', leaf: ownLeaf });
  validateMemberList(state, { proposals, committer: ownLeaf, founding: kind === 'founding' }, input);
  const provisional = applyProposals(state, proposals);
  const pathless = input.path === 'if-required' && input.appearance === undefined && !needsPath(proposals);
  const made = pathless ? undefined : pathOf(state, input, provisional);
  const tree = made?.tree ?? provisional.tree;
  const { change, added, extensions } = provisional;
  const difference = differenceOf({ before: state.tree, after: tree, change, added, renewed: made && ownLeaf });
  const allowed = input.policy.change({
    committer: { kind: 'member', member: { leaf: ownLeaf, node: memberAt(state.tree, ownLeaf) } },
    proposals: proposals.map((sent) => ({ actor: actorOf(state, sent), proposal: sent.proposal })),
    difference,
    extensionsBefore: context.extensions,
    extensionsAfter: extensions,
  });
  demand(allowed, 'refused-change');
  return { items, proposals, provisional, made, tree, difference };
}

function itemsOf({ references = [], proposals = [] }: CommitInput): readonly ProposalOrRef[] {
  return [
    ...references.map((reference): ProposalOrRef => ({ kind: 'reference', reference })),
    ...proposals.map((proposal): ProposalOrRef => ({ kind: 'proposal', proposal })),
  ];
}

/** Signed in the old epoch, by the key that stands in its tree. */
function signCommit(
  { suite, context, ownLeaf: leaf }: GroupState,
  { format = 'private', authenticatedData = EMPTY, identity }: CommitInput,
  { items, made }: Draft,
): Omit<AuthenticatedContent, 'auth'> & { readonly signature: Uint8Array } {
  const { groupId, epoch } = context;
  const sender = { kind: 'member', leaf } as const;
  const body = { kind: 'commit', commit: { proposals: items, path: made?.path } } as const;
  const content = { groupId, epoch, sender, authenticatedData, body };
  const part = { format, content, context: encodeGroupContext(context) };
  return { format, content, signature: signContent(suite, part, identity.signatureKey) };
}

/** For everybody the commit adds; undefined for nobody. */
function welcomeOf(
  { suite, ownLeaf }: GroupState,
  input: CommitInput,
  { proposals, provisional, made, tree, concluded, psk }: Draft & { concluded: Concluded; psk: Uint8Array },
): Welcome | undefined {
  const packages = ofKind(proposals, 'add').map(({ proposal }) => proposal.keyPackage);
  if (packages.length === 0) return undefined;
  const { context, confirmationTag, joiner } = concluded;
  const extensions = [...(input.groupInfoExtensions ?? [])];
  if (input.welcomeTree !== 'apart') extensions.push(ratchetTreeExtension(tree));
  // Of the new epoch, so by the key that stands in the new tree.
  const signatureKey = input.appearance?.identity?.signatureKey ?? input.identity.signatureKey;
  return makeWelcome(suite, {
    groupInfo: signGroupInfo(suite, { context, extensions, confirmationTag, signer: ownLeaf }, signatureKey),
    joiner,
    pskSecret: psk,
    psks: provisional.psks,
    newMembers: packages.map((keyPackage, i) => ({ keyPackage, leaf: wanted(provisional.added[i], 'bad-argument') })),
    committer: ownLeaf,
    steps: made?.steps ?? [],
    entropy: input.entropy,
  });
}

function privateKeysAfter(state: GroupState, { made, tree }: Draft): PrivateKeys {
  const path = made?.steps ?? [];
  const keys = new Map(nextPrivateKeys(state.privateKeys, { before: state.tree, after: tree, path }));
  if (made !== undefined) keys.set(nodeOf(state.ownLeaf), made.leafPrivateKey);
  return keys;
}

function pathOf(state: GroupState, input: CommitInput, provisional: Provisional): MadePath {
  const { suite, context, ownLeaf: leaf } = state;
  const previous = memberAt(state.tree, leaf);
  const { identity, capabilities, extensions } = input.appearance ?? {};
  if (capabilities !== undefined) demandHonest(capabilities);
  const signatureKey = identity?.signatureKey ?? input.identity.signatureKey;
  const appearance = {
    signatureKey: identity ? suite.provider.ed25519.publicOf(signatureKey) : previous.signatureKey,
    credential: identity?.credential ?? previous.credential,
    capabilities: capabilities ?? previous.capabilities,
    extensions: extensions ?? previous.extensions,
  };
  const made = makePath({ context, provisional, leaf, appearance, signatureKey, entropy: input.entropy });
  const place = { groupId: context.groupId, leaf };
  const { extensions: groupExtensions } = provisional;
  validateLeaf(suite, { leaf: made.path.leaf, source: 'commit', groupExtensions, place, previous }, input);
  demandDistinctMembers(made.tree, [leaf]);
  demandMutualCredentials(made.tree);
  return made;
}
