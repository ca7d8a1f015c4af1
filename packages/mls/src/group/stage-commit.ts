/** Processing a commit of another (RFC 9420 §12.4.2), up to where only merging is left. */
import { equalPublic, equalSecret, wipeAll } from '../codec/bytes.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import type { AuthenticatedContent } from '../framing/authenticated-content.ts';
import { transcriptInput } from '../framing/authenticated-content.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { receiveExternalInit } from '../schedule/key-schedule.ts';
import { pskSecret } from '../schedule/psk.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import type { PathSecrets, PrivateKeys } from '../tree/path-secrets.ts';
import { nextPrivateKeys, openPath, wipePathSecrets } from '../tree/path-secrets.ts';
import { withPathKeys } from '../tree/path.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import { nodeOf } from '../tree/tree-math.ts';
import type { UpdatePath } from '../tree/update-path.ts';
import type { Commit } from './commit-structure.ts';
import { conclude, epochFrom } from './conclude.ts';
import type { Provisional, PskStore } from './epoch.ts';
import { applyProposals, demandFreshKeys, lookUpPsks, noPsks, provisionalContext } from './epoch.ts';
import type { Outcome } from './merge.ts';
import { enter } from './merge.ts';
import type { Actor, Judgement, ProposedBy } from './policy.ts';
import type { SentProposal } from './proposal-list.ts';
import {
  actorOf,
  needsPath,
  ofKind,
  resolveProposals,
  validateExternalList,
  validateMemberList,
} from './proposal-list.ts';
import type { Roster, RosterDifference } from './roster.ts';
import { differenceOf, rosterOf } from './roster.ts';
import type { Advanced, Epoch, GroupState } from './state.ts';
import { demandActive } from './state.ts';
import { demandDistinctMembers, demandMutualCredentials, validateLeaf } from './validate-leaf.ts';

/** A valid commit of another, not merged: look at the difference first, then `mergeCommit` or leave it. */
export interface StagedCommit {
  readonly kind: 'commit';
  readonly committer: Actor;
  readonly proposals: readonly ProposedBy[];
  readonly difference: RosterDifference;
  readonly before: Roster;
  readonly after: Roster;
  readonly contextBefore: GroupContext;
  /** Of the new epoch; of the old one where the commit removes us. */
  readonly contextAfter: GroupContext;
  readonly authenticatedData: Uint8Array;
  /** `removed`: the commit removes us. Its confirmation tag cannot be checked then. */
  readonly outcome: Outcome;
}

export interface StageInput extends Judgement {
  readonly message: AuthenticatedContent;
  readonly commit: Commit;
  readonly psks?: PskStore;
}

/** The signature over the message is verified already. */
export function stageCommit(state: GroupState, input: StageInput): StagedCommit {
  demandActive(state);
  const { message, commit } = input;
  const { content, auth } = message;
  const committing = committerOf(state, input);
  const { proposals, leaf, committer } = committing;
  const { provisional } = committing;
  const path = commit.path;
  demand(path !== undefined || !needsPath(proposals), 'missing-path', '§12.4');
  const tree = path === undefined ? provisional.tree : mergePath(state, input, { ...committing, path });
  const difference = differenceOf({
    before: state.tree,
    after: tree,
    change: provisional.change,
    added: committing.isNew ? [leaf] : provisional.added,
    renewed: path === undefined || committing.isNew ? undefined : leaf,
  });
  const proposed = proposals.map((sent): ProposedBy => ({
    actor: committing.isNew ? committer : actorOf(state, sent),
    proposal: sent.proposal,
  }));
  const allowed = input.policy.change({
    committer,
    proposals: proposed,
    difference,
    extensionsBefore: state.context.extensions,
    extensionsAfter: provisional.extensions,
  });
  demand(allowed, 'refused-change');
  const staged = {
    kind: 'commit',
    committer,
    proposals: proposed,
    difference,
    before: rosterOf(state.tree),
    after: rosterOf(tree),
    contextBefore: state.context,
    authenticatedData: content.authenticatedData,
  } as const;
  if (provisional.change.removals.includes(state.ownLeaf))
    return { ...staged, contextAfter: state.context, outcome: { kind: 'removed' } };
  const tag = wanted(auth.confirmationTag, 'malformed', 'confirmation tag');
  const epoch = nextEpoch(state, input, { ...committing, tree, tag });
  return { ...staged, contextAfter: epoch.context, outcome: { kind: 'epoch', epoch } };
}

/** Enters the epoch of a staged commit. */
export function mergeCommit(state: GroupState, staged: StagedCommit): Advanced {
  const { groupId, epoch: epochBefore } = staged.contextBefore;
  return enter(state, { groupId, epochBefore, outcome: staged.outcome });
}

interface Committing {
  readonly committer: Actor;
  /** Of the committer, in the tree after the proposals. */
  readonly leaf: LeafIndex;
  /** Whether it joins by this commit. */
  readonly isNew: boolean;
  /** What its path's leaf takes the place of. */
  readonly previous: LeafNode | undefined;
  readonly proposals: readonly SentProposal[];
  readonly provisional: Provisional;
}

function committerOf(state: GroupState, input: StageInput): Committing {
  const { sender } = input.message.content;
  if (sender.kind === 'member') return memberCommitting(state, input, sender.leaf);
  if (sender.kind === 'new-member-commit') return newMemberCommitting(state, input);
  throw new MlsError('unknown-sender', 'sender of a commit, §6.1');
}

function memberCommitting(state: GroupState, input: StageInput, leaf: LeafIndex): Committing {
  const proposals = resolveProposals(state, input.commit.proposals, input.message.content.sender);
  validateMemberList(state, { proposals, committer: leaf, founding: false }, input);
  const node = memberAt(state.tree, leaf);
  const committer = { kind: 'member', member: { leaf, node } } as const;
  const provisional = applyProposals(state, proposals);
  return { committer, leaf, isNew: false, previous: node, proposals, provisional };
}

/** §12.4.3.2: nothing by reference, and the leftmost blank leaf. */
function newMemberCommitting(state: GroupState, { message, commit, ...judge }: StageInput): Committing {
  const byValue = commit.proposals.every(({ kind }) => kind === 'proposal');
  demand(byValue, 'invalid-proposal', 'a reference in an external commit, §12.4.3.2');
  const proposals = resolveProposals(state, commit.proposals, message.content.sender);
  validateExternalList(state, proposals, judge);
  const applied = applyProposals(state, proposals);
  const draft = applied.tree.edit();
  const leaf = draft.claimBlankLeaf();
  const [removal] = ofKind(proposals, 'remove');
  const previous = removal && memberAt(state.tree, removal.proposal.removed);
  const path = wanted(commit.path, 'missing-path', '§12.4.3.2');
  const committer = { kind: 'new-member', leaf: path.leaf } as const;
  return { committer, leaf, isNew: true, previous, proposals, provisional: { ...applied, tree: draft.done() } };
}

/** Validates a path and puts its public half into the tree (§7.5, §12.4.2). */
function mergePath(
  state: GroupState,
  judge: Judgement,
  { provisional, leaf, previous, path }: Committing & { readonly path: UpdatePath },
): RatchetTree {
  const { suite, context } = state;
  const { tree, extensions: groupExtensions } = provisional;
  const place = { groupId: context.groupId, leaf };
  validateLeaf(suite, { leaf: path.leaf, source: 'commit', groupExtensions, place, previous }, judge);
  const keys = path.nodes.map(({ encryptionKey }) => encryptionKey);
  demand(
    keys.every((key) => suite.kem.accepts(key)),
    'invalid-path',
    'a public key',
  );
  demandFreshKeys(tree, [path.leaf.encryptionKey, ...keys]);
  const { tree: withKeys, leafParentHash } = withPathKeys(tree, { leaf, keys });
  const { source } = path.leaf;
  const chained = source.kind === 'commit' && equalPublic(source.parentHash, leafParentHash);
  demand(chained, 'invalid-path', 'parent hash, §7.9.2');
  const merged = withKeys.edit().setLeaf(leaf, path.leaf).done();
  demandDistinctMembers(merged, [leaf]);
  demandMutualCredentials(merged);
  return merged;
}

function nextEpoch(
  state: GroupState,
  input: StageInput,
  committing: Committing & { readonly tree: RatchetTree; readonly tag: Uint8Array },
): Epoch {
  const { suite, ownLeaf } = state;
  const { provisional, proposals, tree, tag } = committing;
  const { message, commit } = input;
  const psks = lookUpPsks(state, provisional.psks, input.psks ?? noPsks);
  const next = provisionalContext(state.context, { tree, extensions: provisional.extensions });
  const opened = openCommitPath(state, { ...committing, path: commit.path, context: encodeGroupContext(next) });
  const [external] = ofKind(proposals, 'external-init');
  const initSecret = external
    ? receiveExternalInit(suite, state.secrets, external.proposal.output)
    : state.secrets.init.slice();
  const psk = pskSecret(suite, psks);
  const concluded = conclude(suite, {
    provisional: next,
    interimBefore: state.interimTranscriptHash,
    commit: transcriptInput(message, message.auth.signature),
    initSecret,
    commitSecret: opened.commitSecret,
    psk,
  });
  wipeAll([initSecret, concluded.joiner, psk]);
  demand(equalSecret(concluded.confirmationTag, tag), 'bad-confirmation-tag', '§12.4.2');
  const { privateKeys } = opened;
  return epochFrom(suite, concluded, { tree, ownLeaf, privateKeys, reinit: provisional.reinit });
}

function openCommitPath(
  state: GroupState,
  input: Committing & {
    readonly tree: RatchetTree;
    readonly path: UpdatePath | undefined;
    readonly context: Uint8Array;
  },
): { readonly commitSecret: Uint8Array; readonly privateKeys: PrivateKeys } {
  const { suite, ownLeaf: own } = state;
  const { provisional, proposals, tree, path, leaf, context, isNew } = input;
  const keys = new Map(nextPrivateKeys(state.privateKeys, { before: state.tree, after: provisional.tree, path: [] }));
  const [update] = ofKind(proposals, 'update').filter(({ sender }) => sender.kind === 'member' && sender.leaf === own);
  if (update !== undefined)
    keys.set(nodeOf(own), wanted(update.privateKey, 'bad-argument', 'key of an update').slice());
  if (path === undefined) return { commitSecret: new Uint8Array(suite.hashBytes), privateKeys: keys };
  const added = new Set(isNew ? [] : provisional.added);
  const opened: PathSecrets = openPath(provisional.tree, {
    sender: leaf,
    own,
    keys,
    nodes: path.nodes,
    context,
    added,
  });
  wipePathSecrets(opened.steps);
  const privateKeys = nextPrivateKeys(keys, { before: provisional.tree, after: tree, path: opened.steps });
  return { commitSecret: opened.commitSecret, privateKeys };
}
