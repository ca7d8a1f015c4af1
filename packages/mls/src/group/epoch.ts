/** From one epoch to the next: the steps that committers, members and joiners share (RFC 9420 §12.4). */
import { equalPublic } from '../codec/bytes.ts';
import { demand, wanted } from '../errors.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import type { Psk, PskId } from '../schedule/psk.ts';
import type { Extension } from '../tree/extension.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { TreeChange } from './apply-proposals.ts';
import { applyToTree, treeChangeOf } from './apply-proposals.ts';
import type { SentProposal } from './proposal-list.ts';
import { extensionsAfter, ofKind } from './proposal-list.ts';
import type { ReInit } from './proposal.ts';
import type { GroupState } from './state.ts';
import { resumptionSecretOf } from './state.ts';
import { demandDistinctMembers, demandMutualCredentials, demandSupport } from './validate-leaf.ts';

/** The group with the proposals of a commit applied, before its path. */
export interface Provisional {
  readonly tree: RatchetTree;
  readonly change: TreeChange;
  /** Leaves of new members, in the order of their proposals. */
  readonly added: readonly LeafIndex[];
  readonly extensions: readonly Extension[];
  readonly psks: readonly PskId[];
  readonly reinit: ReInit | undefined;
}

/** §12.3, and what of §12.2 shows only in the tree that comes out. */
export function applyProposals(
  group: Pick<GroupState, 'suite' | 'tree' | 'context'>,
  proposals: readonly SentProposal[],
): Provisional {
  const change = treeChangeOf(
    proposals.map(({ proposal, sender }) => ({ proposal, leaf: sender.kind === 'member' ? sender.leaf : undefined })),
  );
  const { tree, added } = applyToTree(group.tree, change);
  const extensions = extensionsAfter(group, proposals);
  demandDistinctMembers(tree, [...added, ...change.updates.map(({ leaf }) => leaf)]);
  if (change.additions.length + change.updates.length > 0) demandMutualCredentials(tree);
  if (extensions !== group.context.extensions) demandSupport(tree, extensions);
  return {
    tree,
    change,
    added,
    extensions,
    psks: ofKind(proposals, 'psk').map(({ proposal }) => proposal.psk),
    reinit: ofKind(proposals, 'reinit')[0]?.proposal.reinit,
  };
}

/** The context that path secrets are sealed under (§12.4.1): of the new epoch, with the old transcript hash. */
export function provisionalContext(
  context: GroupContext,
  next: { readonly tree: RatchetTree; readonly extensions: readonly Extension[] },
): GroupContext {
  return { ...context, epoch: context.epoch + 1n, treeHash: next.tree.hash(), extensions: next.extensions };
}

/** The secret of a PSK, from wherever the application keeps it; undefined when it is not at hand. */
export type PskStore = (id: PskId) => Uint8Array | undefined;

export const noPsks: PskStore = () => undefined;

/** Resumption PSKs of this group come from the state; `missing-psk`. */
export function lookUpPsks(state: GroupState | undefined, ids: readonly PskId[], store: PskStore): readonly Psk[] {
  return ids.map((id) => {
    const own =
      state !== undefined && id.kind === 'resumption' && equalPublic(id.groupId, state.context.groupId)
        ? resumptionSecretOf(state, id.epoch)
        : undefined;
    return { id, secret: wanted(own ?? store(id), 'missing-psk') };
  });
}

/** §7.3: no key of a path is in the tree already, or twice in the path. */
export function demandFreshKeys(tree: RatchetTree, keys: readonly Uint8Array[]): void {
  keys.forEach((key, i) => {
    const twice = keys.slice(i + 1).some((other) => equalPublic(key, other));
    const known = tree.nodes.some((node) => node !== undefined && equalPublic(node.encryptionKey, key));
    demand(!twice && !known, 'invalid-path', 'a public key that is in the tree already, §12.4.2');
  });
}
