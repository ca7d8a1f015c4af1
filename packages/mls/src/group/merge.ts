/** Entering the epoch that a commit made. Before that nothing has changed; afterwards the old epoch can only be read. */
import { EMPTY, equalPublic } from '../codec/bytes.ts';
import { demand } from '../errors.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import type { Ratchet } from '../schedule/ratchet.ts';
import type { SecretTree } from '../schedule/secret-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { Advanced, Epoch, GroupState, PastEpoch } from './state.ts';
import { noSecrets, onlyIn } from './state.ts';

/** What a commit leads to: an epoch, or out of the group. */
export type Outcome = { readonly kind: 'epoch'; readonly epoch: Epoch } | { readonly kind: 'removed' };

/**
 * `state` is the current one: messages received since the commit was staged are not forgotten. `bad-argument` when it is
 * not of the epoch the outcome follows.
 */
export function enter(
  state: GroupState,
  input: { groupId: Uint8Array; epochBefore: bigint; outcome: Outcome },
): Advanced {
  const follows = equalPublic(state.context.groupId, input.groupId) && state.context.epoch === input.epochBefore;
  demand(follows && state.status.kind === 'active', 'bad-argument', 'a commit of another epoch');
  const { outcome } = input;
  const past = [pastOf(state), ...state.past].slice(0, state.config.pastEpochsMax);
  const common = { suite: state.suite, config: state.config, proposals: new Map(), past };
  const next: GroupState =
    outcome.kind === 'epoch'
      ? { ...common, ...outcome.epoch, resumption: resumptionAfter(state) }
      : { ...state, ...common, ...nothing(state), status: { kind: 'removed' }, resumption: [] };
  return { state: next, wipe: onlyIn(state, next) };
}

function resumptionAfter({ context, secrets, resumption, config }: GroupState): GroupState['resumption'] {
  return [{ epoch: context.epoch, secret: secrets.resumption }, ...resumption].slice(0, config.resumptionEpochsMax);
}

function nothing({ secretTree }: GroupState): Pick<GroupState, 'secrets' | 'privateKeys' | 'secretTree'> {
  return { secrets: noSecrets, privateKeys: new Map(), secretTree: { ...secretTree, nodes: [], ratchets: [] } };
}

function pastOf(state: GroupState): PastEpoch {
  return {
    epoch: state.context.epoch,
    context: encodeGroupContext(state.context),
    leaves: Array.from({ length: state.tree.leafCount }, (_, leaf) => state.tree.leaf(leaf)),
    senderData: state.secrets.senderData,
    secretTree: forReading(state.secretTree, state.ownLeaf),
  };
}

const spent: Ratchet = { generation: 0, secret: EMPTY, skipped: new Map() };

/** Handshakes of an epoch that is over are refused, and nothing is sent in it: those chains are not kept. */
function forReading(tree: SecretTree, own: LeafIndex): SecretTree {
  const ratchets = tree.ratchets.map(
    (kept, leaf) => kept && { handshake: spent, application: leaf === own ? spent : kept.application },
  );
  return { ...tree, ratchets };
}

/** Drops the keys of all past epochs: for when everything up to the last commit was read. */
export function forgetPastEpochs(state: GroupState): Advanced {
  const next = { ...state, past: [] };
  return { state: next, wipe: onlyIn(state, next) };
}
