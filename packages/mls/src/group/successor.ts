/** Groups that follow from another: re-initialised (RFC 9420 §11.2) or branched off (§11.3). */
import { equalPublic } from '../codec/bytes.ts';
import { encode } from '../codec/writer.ts';
import { demand, wanted } from '../errors.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import type { PskId, ResumptionUsage } from '../schedule/psk.ts';
import type { Extension } from '../tree/extension.ts';
import { writeExtensions } from '../tree/extension.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import type { CommitInput, CreatedCommit } from './commit.ts';
import { createCommitWith } from './commit.ts';
import type { CreateGroupInput } from './create.ts';
import { createGroup } from './create.ts';
import type { GroupState } from './state.ts';
import type { Suite } from '../crypto/suite.ts';
import { resumptionSecretOf } from './state.ts';

export interface Predecessor {
  readonly state: GroupState;
  /** Whether two leaves are of one client, by what their credentials say. */
  sameClient(before: LeafNode, after: LeafNode): boolean;
}

export interface FoundSuccessorInput
  extends Omit<CreateGroupInput, 'groupId' | 'extensions'>, Pick<CommitInput, 'padding' | 'psks'> {
  readonly predecessor: Predecessor;
  readonly proposals: NonNullable<CommitInput['proposals']>;
}

/**
 * The group that a ReInit promised, with the same members: their new key packages come as Add proposals. `bad-argument`
 * unless the predecessor ended by a ReInit to this suite, `invalid-proposal` when a member is left out.
 */
export function foundReinitialised(suite: Suite, input: FoundSuccessorInput): CreatedCommit {
  const { status } = input.predecessor.state;
  demand(status.kind === 'reinitialised', 'bad-argument', 'the predecessor was not re-initialised');
  const { groupId, extensions, suite: number } = status.reinit;
  demand(number === suite.id, 'bad-argument', 'another cipher suite was agreed on');
  return found(suite, { ...input, groupId, extensions }, 'reinit');
}

/** A group of some of the members of another, with the same parameters. `invalid-proposal` for a stranger. */
export function foundBranch(
  suite: Suite,
  input: FoundSuccessorInput & { readonly groupId: Uint8Array; readonly extensions?: readonly Extension[] },
): CreatedCommit {
  demand(input.predecessor.state.suite.id === suite.id, 'bad-argument', 'another cipher suite, §11.3');
  return found(suite, input, 'branch');
}

function found(
  suite: Suite,
  input: FoundSuccessorInput & Pick<CreateGroupInput, 'groupId' | 'extensions'>,
  usage: ResumptionUsage,
): CreatedCommit {
  const { state } = input.predecessor;
  const { groupId, epoch } = state.context;
  const nonce = input.entropy(suite.hashBytes);
  const psk: PskId = { kind: 'resumption', usage, groupId, epoch, nonce };
  const store = (id: PskId): Uint8Array | undefined =>
    id === psk ? resumptionSecretOf(state, epoch) : input.psks?.(id);
  const proposals = [...input.proposals, { kind: 'psk', psk } as const];
  const { padding, entropy, policy, now, identity } = input;
  const commit = { identity, proposals, psks: store, entropy, policy, now, ...(padding && { padding }) };
  const founded = createCommitWith(createGroup(suite, input), commit, 'founding');
  // What those who join will hold against it.
  demandSuccession({ ids: [psk], ...founded.pending.epoch, predecessor: input.predecessor });
  return founded;
}

interface SuccessionInput {
  readonly ids: readonly PskId[];
  readonly context: GroupContext;
  readonly tree: RatchetTree;
  readonly predecessor: Predecessor | undefined;
}

/** §12.4.3.1, last steps: whether a welcome with such a PSK keeps what it promises. `missing-psk`, `invalid-proposal`. */
export function demandSuccession({ ids, context, tree, predecessor }: SuccessionInput): void {
  const psk = ids.find((id) => id.kind === 'resumption' && id.usage !== 'application');
  if (psk?.kind !== 'resumption') return;
  const { state, sameClient } = wanted(predecessor, 'missing-psk', 'the group before this one');
  demand(equalPublic(psk.groupId, state.context.groupId), 'invalid-proposal', 'PSK of another group');
  demand(context.epoch === 1n, 'invalid-proposal', 'epoch of a successor, §12.4.3.1');
  const old = Array.from(state.tree.leaves(), ([, leaf]) => leaf);
  const fresh = Array.from(tree.leaves(), ([, leaf]) => leaf);
  if (psk.usage === 'branch') {
    demand(context.suite === state.suite.id, 'invalid-proposal', 'suite of a branch, §11.3');
    const known = fresh.every((after) => old.some((before) => sameClient(before, after)));
    return demand(known, 'invalid-proposal', 'a stranger in a branch, §11.3');
  }
  demand(state.status.kind === 'reinitialised', 'invalid-proposal', 'the group was not re-initialised, §11.2');
  const { reinit } = state.status;
  demand(psk.epoch === state.context.epoch, 'invalid-proposal', 'epoch of the PSK, §11.2');
  const promised = equalPublic(reinit.groupId, context.groupId) && reinit.suite === context.suite;
  demand(promised && reinit.version === PROTOCOL_VERSION, 'invalid-proposal', 'not what the ReInit said, §11.2');
  const encoded = (extensions: readonly Extension[]): Uint8Array => encode((w) => writeExtensions(w, extensions));
  const same = equalPublic(encoded(reinit.extensions), encoded(context.extensions));
  demand(same, 'invalid-proposal', 'extensions are not what the ReInit said, §11.2');
  const complete = old.every((before) => fresh.some((after) => sameClient(before, after)));
  demand(complete, 'invalid-proposal', 'a member was left out, §11.2');
}
