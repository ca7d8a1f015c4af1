/** Creating a commit (RFC 9420 §12.4.1). */
import { EMPTY, wipeAll } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import { demand } from '../errors.ts';
import { signContent, transcriptInput } from '../framing/authenticated-content.ts';
import type { AuthenticatedContent, MessageFormat } from '../framing/authenticated-content.ts';
import { encodeMessage } from '../framing/message.ts';
import type { Padding } from '../framing/private-message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { mac } from '../schedule/key-schedule.ts';
import { pskSecret } from '../schedule/psk.ts';
import { secretTreeOf } from '../schedule/secret-tree.ts';
import { confirmedTranscriptHash, interimTranscriptHash } from '../schedule/transcript.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import type { Extension } from '../tree/extension.ts';
import { nextPrivateKeys, wipePathSecrets } from '../tree/path-secrets.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import { nodeOf } from '../tree/tree-math.ts';
import type { ProposalOrRef } from './commit-structure.ts';
import type { Provisional, PskStore } from './epoch.ts';
import { applyProposals, lookUpPsks, nextSecrets, noPsks, provisionalContext } from './epoch.ts';
import { ratchetTreeExtension, signGroupInfo } from './group-info.ts';
import type { Identity } from './key-package.ts';
import type { MadePath } from './make-path.ts';
import { makePath } from './make-path.ts';
import { enter } from './merge.ts';
import type { Judgement, Policy, ProposedBy } from './policy.ts';
import type { Proposal } from './proposal.ts';
import { actorOf, needsPath, resolveProposals, validateMemberList } from './proposal-list.ts';
import { protectContent } from './protect.ts';
import type { RosterDifference } from './roster.ts';
import { differenceOf } from './roster.ts';
import type { Advanced, Epoch, GroupState } from './state.ts';
import { demandActive } from './state.ts';
import { validateLeaf } from './validate-leaf.ts';
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
  const items = itemsOf(input);
  const sender = { kind: 'member', leaf: ownLeaf } as const;
  const proposals = resolveProposals(state, items, sender);
  demand(kind === 'ordinary' || context.epoch === 0n, 'bad-argument', 'founding in an epoch after the first');
  validateMemberList(state, { proposals, committer: ownLeaf, founding: kind === 'founding' }, input);
  const provisional = applyProposals(state, proposals);
  const psks = lookUpPsks(state, provisional.psks, input.psks ?? noPsks);
  const made = input.path === 'if-required' && !needsPath(proposals) ? undefined : pathOf(state, input, provisional);
  const tree = made?.tree ?? provisional.tree;
  const difference = differenceOf({
    before: state.tree,
    after: tree,
    change: provisional.change,
    added: provisional.added,
    renewed: made && ownLeaf,
  });
  demandAllowed(
    state,
    {
      proposals: proposals.map((sent) => ({ actor: actorOf(state, sent), proposal: sent.proposal })),
      provisional,
      difference,
    },
    input,
  );

  const format = input.format ?? 'private';
  const body = { kind: 'commit', commit: { proposals: items, path: made?.path } } as const;
  const authenticatedData = input.authenticatedData ?? EMPTY;
  const content = { groupId: context.groupId, epoch: context.epoch, sender, authenticatedData, body };
  const signed = signContent(
    suite,
    { format, content, context: encodeGroupContext(context) },
    input.identity.signatureKey,
  );
  const { encodedContent, signature } = signed;
  const confirmed = confirmedTranscriptHash(suite, {
    interimBefore: state.interimTranscriptHash,
    commit: transcriptInput({ format, encodedContent }, signature),
  });
  const nextContext = {
    ...provisionalContext(context, { tree, extensions: provisional.extensions }),
    confirmedTranscriptHash: confirmed,
  };
  const psk = pskSecret(suite, psks);
  const commitSecret = made?.commitSecret ?? new Uint8Array(suite.hashBytes);
  const { joiner, epoch } = nextSecrets(suite, {
    initSecret: state.secrets.init,
    commitSecret,
    psk,
    context: nextContext,
  });
  const confirmationTag = mac(suite, epoch.secrets.confirmation, confirmed);
  const message: AuthenticatedContent = { format, content, encodedContent, auth: { signature, confirmationTag } };
  const sent = protectContent(state, { message, padding: input.padding, entropy: input.entropy });

  const signatureKey = input.appearance?.identity?.signatureKey ?? input.identity.signatureKey;
  const steps = made?.steps ?? [];
  const newMembers = newMembersOf(
    proposals.map(({ proposal }) => proposal),
    provisional,
  );
  const welcome =
    newMembers.length === 0
      ? undefined
      : makeWelcome(suite, {
          groupInfo: signGroupInfo(
            suite,
            {
              context: nextContext,
              extensions: [
                ...(input.groupInfoExtensions ?? []),
                ...(input.welcomeTree === 'apart' ? [] : [ratchetTreeExtension(tree)]),
              ],
              confirmationTag,
              signer: ownLeaf,
            },
            signatureKey,
          ),
          joiner,
          pskSecret: psk,
          psks: provisional.psks,
          newMembers,
          committer: ownLeaf,
          steps,
          entropy: input.entropy,
        });
  const privateKeys = new Map(nextPrivateKeys(state.privateKeys, { before: state.tree, after: tree, path: steps }));
  if (made !== undefined) privateKeys.set(nodeOf(ownLeaf), made.leafPrivateKey);
  wipePathSecrets(steps);
  wipeAll([joiner, psk]);
  const next: Epoch = {
    context: nextContext,
    tree,
    ownLeaf,
    privateKeys,
    secrets: epoch.secrets,
    secretTree: secretTreeOf(suite, { leafCount: tree.leafCount, encryption: epoch.encryption }),
    confirmationTag,
    interimTranscriptHash: interimTranscriptHash(suite, { confirmed, confirmationTag }),
    status: provisional.reinit ? { kind: 'reinitialised', reinit: provisional.reinit } : { kind: 'active' },
  };
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
      epoch: next,
    },
    difference,
  };
}

/** Enters the epoch of a commit of ours that the delivery service accepted. */
export function mergePending(state: GroupState, pending: PendingCommit): Advanced {
  const { groupId, epochBefore, epoch } = pending;
  return enter(state, { groupId, epochBefore, outcome: { kind: 'epoch', epoch } });
}

function itemsOf({ references = [], proposals = [] }: CommitInput): readonly ProposalOrRef[] {
  return [
    ...references.map((reference): ProposalOrRef => ({ kind: 'reference', reference })),
    ...proposals.map((proposal): ProposalOrRef => ({ kind: 'proposal', proposal })),
  ];
}

function pathOf(state: GroupState, input: CommitInput, provisional: Provisional): MadePath {
  const { suite, context, ownLeaf: leaf } = state;
  const previous = memberAt(state.tree, leaf);
  const { identity, capabilities, extensions } = input.appearance ?? {};
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
  return made;
}

function demandAllowed(
  state: GroupState,
  change: { proposals: readonly ProposedBy[]; provisional: Provisional; difference: RosterDifference },
  { policy }: Judgement,
): void {
  const member = { leaf: state.ownLeaf, node: memberAt(state.tree, state.ownLeaf) };
  const allowed = policy.change({
    committer: { kind: 'member', member },
    proposals: change.proposals,
    difference: change.difference,
    extensionsBefore: state.context.extensions,
    extensionsAfter: change.provisional.extensions,
  });
  demand(allowed, 'refused-change');
}

function newMembersOf(proposals: readonly Proposal[], { added }: Provisional) {
  const packages = proposals.flatMap((proposal) => (proposal.kind === 'add' ? [proposal.keyPackage] : []));
  return packages.flatMap((keyPackage, i) => {
    const leaf = added[i];
    return leaf === undefined ? [] : [{ keyPackage, leaf }];
  });
}
