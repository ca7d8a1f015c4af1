/** What a state gives away: facts, exported secrets, a GroupInfo for those who want in. */
import { encodeMessage } from '../framing/message.ts';
import { exportSecret, externalPair } from '../schedule/key-schedule.ts';
import type { Extension } from '../tree/extension.ts';
import { encodeTree } from '../tree/tree-extension.ts';
import { externalPubExtension, ratchetTreeExtension, signGroupInfo } from './group-info.ts';
import type { Identity } from './key-package.ts';
import type { Member, Roster } from './roster.ts';
import { rosterOf } from './roster.ts';
import type { GroupState } from './state.ts';
import { demandActive } from './state.ts';
import { memberAt } from '../tree/ratchet-tree.ts';

export interface GroupFacts {
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly extensions: readonly Extension[];
  readonly roster: Roster;
  readonly own: Member;
  /** RFC 9420 §8.7: equal for all members of an epoch, different when the group was forked. */
  readonly authenticator: Uint8Array;
}

export function factsOf(state: GroupState): GroupFacts {
  const { context, tree, ownLeaf, secrets } = state;
  const { groupId, epoch, extensions } = context;
  const own = { leaf: ownLeaf, node: memberAt(tree, ownLeaf) };
  return { groupId, epoch, extensions, roster: rosterOf(tree), own, authenticator: secrets.authenticator.slice() };
}

/** MLS-Exporter (§8.5): a secret of this epoch for another purpose. */
export function exportFrom(
  state: GroupState,
  input: { readonly label: string; readonly context: Uint8Array; readonly length: number },
): Uint8Array {
  demandActive(state);
  return exportSecret(state.suite, state.secrets.exporter, input);
}

export interface ExportGroupInfoInput {
  readonly identity: Pick<Identity, 'signatureKey'>;
  /** `inside` by default. */
  readonly tree?: 'inside' | 'apart';
  /** `offered` adds the key that an external commit needs. */
  readonly externalJoin: 'offered' | 'not-offered';
  readonly extensions?: readonly Extension[];
}

/** A signed GroupInfo message of the current epoch (§12.4.3). */
export function exportGroupInfo(state: GroupState, input: ExportGroupInfoInput): Uint8Array {
  demandActive(state);
  const { suite, context, tree, secrets, confirmationTag, ownLeaf: signer } = state;
  const extensions = [...(input.extensions ?? [])];
  if (input.externalJoin === 'offered') {
    const pair = externalPair(suite, secrets);
    pair.privateKey.fill(0);
    extensions.push(externalPubExtension(pair.publicKey));
  }
  if (input.tree !== 'apart') extensions.push(ratchetTreeExtension(tree));
  const { signatureKey } = input.identity;
  const groupInfo = signGroupInfo(suite, { context, extensions, confirmationTag, signer }, signatureKey);
  return encodeMessage({ kind: 'group-info', groupInfo });
}

/** The tree by itself (§12.4.3.3), for a welcome or GroupInfo without it. */
export function exportTree(state: GroupState): Uint8Array {
  return encodeTree(state.tree);
}
