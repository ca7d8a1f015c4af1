/** The list of proposals of a commit: found, checked (RFC 9420 §12.2) and told to the policy. */
import { keyOf } from '../codec/bytes.ts';
import type { Sender } from '../framing/content.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import type { PskId } from '../schedule/psk.ts';
import { samePskId } from '../schedule/psk.ts';
import { demandReadable } from '../tree/extension.ts';
import { memberAt } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { ProposalOrRef } from './commit-structure.ts';
import { validateKeyPackage } from './key-package.ts';
import type { Actor, Judgement } from './policy.ts';
import type { Proposal, ProposalKind } from './proposal.ts';
import { proposalRules } from './proposal.ts';
import type { GroupState } from './state.ts';
import { validateLeaf } from './validate-leaf.ts';

export interface SentProposal {
  readonly proposal: Proposal;
  readonly sender: Sender;
  /** Of an Update of ours. */
  readonly privateKey?: Uint8Array | undefined;
}

/** Those by value are the committer's; `missing-proposal` for a reference to one that was not received. */
export function resolveProposals(
  state: Pick<GroupState, 'proposals'>,
  items: readonly ProposalOrRef[],
  committer: Sender,
): readonly SentProposal[] {
  return items.map((item) => {
    if (item.kind === 'proposal') return { proposal: item.proposal, sender: committer };
    return wanted(state.proposals.get(keyOf(item.reference)), 'missing-proposal');
  });
}

type Of<Kind extends ProposalKind> = Extract<Proposal, { readonly kind: Kind }>;

export function ofKind<Kind extends ProposalKind>(
  proposals: readonly SentProposal[],
  kind: Kind,
): readonly (SentProposal & { readonly proposal: Of<Kind> })[] {
  return proposals.filter(
    (sent): sent is SentProposal & { readonly proposal: Of<Kind> } => sent.proposal.kind === kind,
  );
}

type Group = Pick<GroupState, 'suite' | 'tree' | 'context'>;

interface ListRules {
  readonly proposals: readonly SentProposal[];
  readonly committer: LeafIndex;
  /** Whether this commit founds a group by ReInit or branching (§11.2, §11.3). */
  readonly founding: boolean;
}

/** A commit of a member. `invalid-proposal` and what leaves and key packages fail with. */
export function validateMemberList(
  group: Group,
  { proposals, committer, founding }: ListRules,
  judge: Judgement,
): void {
  const extensions = extensionsAfter(group, proposals);
  for (const sent of proposals) validateProposal(group, sent, { judge, founding, extensions });
  const touched = [
    ...ofKind(proposals, 'update').map(({ sender }) => leafOfSender(sender)),
    ...ofKind(proposals, 'remove').map(({ proposal }) => proposal.removed),
  ];
  demand(!touched.includes(committer), 'invalid-proposal', 'update or removal of the committer, §12.2');
  demand(new Set(touched).size === touched.length, 'invalid-proposal', 'one leaf changed twice, §12.2');
  demandDistinctPsks(ofKind(proposals, 'psk').map(({ proposal }) => proposal.psk));
  const extensionChanges = ofKind(proposals, 'group-context-extensions').length;
  demand(extensionChanges <= 1, 'invalid-proposal', 'several GroupContextExtensions, §12.2');
  const alone = ofKind(proposals, 'reinit').length === 0 || proposals.length === 1;
  demand(alone, 'invalid-proposal', 'ReInit with other proposals, §12.2');
  demand(ofKind(proposals, 'external-init').length === 0, 'invalid-proposal', 'ExternalInit of a member, §12.2');
}

const externalCommitKinds: readonly ProposalKind[] = ['external-init', 'remove', 'psk'];

/** A commit of somebody who joins by it (§12.2, §12.4.3.2). */
export function validateExternalList(group: Group, proposals: readonly SentProposal[], judge: Judgement): void {
  const foreign = proposals.find(({ proposal }) => !externalCommitKinds.includes(proposal.kind));
  demand(foreign === undefined, 'invalid-proposal', 'not allowed in an external commit, §12.2');
  demand(ofKind(proposals, 'external-init').length === 1, 'invalid-proposal', 'exactly one ExternalInit, §12.2');
  demand(ofKind(proposals, 'remove').length <= 1, 'invalid-proposal', 'at most one Remove, §12.2');
  demandDistinctPsks(ofKind(proposals, 'psk').map(({ proposal }) => proposal.psk));
  const { extensions } = group.context;
  for (const sent of proposals) validateProposal(group, sent, { judge, founding: false, extensions });
}

interface ProposalRules {
  readonly judge: Judgement;
  readonly founding: boolean;
  /** Of the group context after the commit (§12.3). */
  readonly extensions: GroupState['context']['extensions'];
}

function validateProposal(group: Group, { proposal, sender }: SentProposal, rules: ProposalRules): void {
  const { suite, tree, context } = group;
  const { judge, founding, extensions: groupExtensions } = rules;
  demandMayPropose(sender, proposal.kind);
  switch (proposal.kind) {
    case 'add':
      validateKeyPackage(suite, proposal.keyPackage);
      return validateLeaf(suite, { leaf: proposal.keyPackage.leaf, source: 'key-package', groupExtensions }, judge);
    case 'update': {
      const leaf = leafOfSender(sender);
      const place = { groupId: context.groupId, leaf };
      const previous = memberAt(tree, leaf);
      return validateLeaf(suite, { leaf: proposal.leaf, source: 'update', groupExtensions, place, previous }, judge);
    }
    case 'remove':
      return demand(tree.leaf(proposal.removed) !== undefined, 'invalid-proposal', 'removal of a blank leaf, §12.1.3');
    case 'psk':
      return validatePsk(group, proposal.psk, founding);
    case 'reinit':
      demandReadable(proposal.reinit.extensions);
      return demand(proposal.reinit.version >= PROTOCOL_VERSION, 'invalid-proposal', 'version of a ReInit, §12.1.5');
    case 'group-context-extensions':
      return demandReadable(proposal.extensions);
    case 'external-init':
      return;
  }
}

/** §12.1.4. */
function validatePsk({ suite }: Group, psk: PskId, founding: boolean): void {
  demand(psk.nonce.length === suite.hashBytes, 'invalid-proposal', 'psk_nonce, §12.1.4');
  const special = psk.kind === 'resumption' && psk.usage !== 'application';
  demand(!special || founding, 'invalid-proposal', 'usage of a resumption PSK, §12.1.4');
}

function demandDistinctPsks(psks: readonly PskId[]): void {
  psks.forEach((psk, i) => {
    const again = psks.slice(i + 1).some((other) => samePskId(psk, other));
    demand(!again, 'invalid-proposal', 'one PSK twice, §12.2');
  });
}

/** §12.1.8. */
export function demandMayPropose(sender: Sender, kind: ProposalKind): void {
  if (sender.kind === 'external')
    demand(proposalRules[kind].fromOutside, 'malformed', 'from an external sender, §12.1.8');
}

function leafOfSender(sender: Sender): LeafIndex {
  if (sender.kind !== 'member') throw new MlsError('invalid-proposal', 'Update of a non-member, §12.1.2');
  return sender.leaf;
}

export function extensionsAfter(group: Group, proposals: readonly SentProposal[]): GroupState['context']['extensions'] {
  const [change] = ofKind(proposals, 'group-context-extensions');
  return change === undefined ? group.context.extensions : change.proposal.extensions;
}

export function actorOf(group: Group, { proposal, sender }: SentProposal): Actor {
  switch (sender.kind) {
    case 'member':
      return { kind: 'member', member: { leaf: sender.leaf, node: memberAt(group.tree, sender.leaf) } };
    case 'external':
      return { kind: 'external', index: sender.index };
    case 'new-member-proposal':
    case 'new-member-commit':
      if (proposal.kind === 'add') return { kind: 'new-member', leaf: proposal.keyPackage.leaf };
      throw new MlsError('malformed', 'sender of a proposal');
  }
}

/** §12.4: whether a commit of these must carry a path. */
export function needsPath(proposals: readonly SentProposal[]): boolean {
  return proposals.length === 0 || proposals.some(({ proposal }) => proposalRules[proposal.kind].needsPath);
}
