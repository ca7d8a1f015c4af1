/** Joining by a welcome (RFC 9420 §12.4.3.1). */
import { EMPTY, equalPublic, equalSecret, wipeAll } from '../codec/bytes.ts';
import { decode } from '../codec/reader.ts';
import { decryptWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import { decodeMessage } from '../framing/message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { epochOf, mac, welcomeKey } from '../schedule/key-schedule.ts';
import type { PskId } from '../schedule/psk.ts';
import { pskSecret } from '../schedule/psk.ts';
import { derivePathSecrets, wipePathSecrets } from '../tree/path-secrets.ts';
import type { StepSecret } from '../tree/path-secrets.ts';
import { filteredDirectPath } from '../tree/path.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import { commonAncestor, nodeOf } from '../tree/tree-math.ts';
import { epochFrom } from './conclude.ts';
import type { PskStore } from './epoch.ts';
import { lookUpPsks, noPsks } from './epoch.ts';
import type { GroupInfo } from './group-info.ts';
import { readGroupInfo } from './group-info.ts';
import type { KeyPackage, KeyPackageSecrets } from './key-package.ts';
import { keyPackageRef } from './key-package.ts';
import type { Judgement } from './policy.ts';
import { treeOf, validateGroupInfo } from './open-group-info.ts';
import type { Member, Roster } from './roster.ts';
import { rosterOf } from './roster.ts';
import type { GroupConfig, GroupState } from './state.ts';
import { defaultConfig, demandConfig, newState } from './state.ts';
import type { Predecessor } from './successor.ts';
import { demandSuccession } from './successor.ts';
import type { GroupSecrets, Welcome } from './welcome-structure.ts';
import { readGroupSecrets } from './welcome-structure.ts';

export interface JoinInput extends Judgement {
  readonly welcome: Uint8Array;
  readonly keyPackage: KeyPackage;
  readonly secrets: KeyPackageSecrets;
  /** The tree, where the welcome does not bring it: the data of a `ratchet_tree` extension. */
  readonly tree?: Uint8Array;
  readonly psks?: PskStore;
  /** Refuses a welcome that does not use a PSK the application insists on. */
  readonly insistOn?: (psks: readonly PskId[]) => boolean;
  /** The group this one continues (§11.2) or is a part of (§11.3); must be given for such a welcome. */
  readonly predecessor?: Predecessor;
  /** §12.4.3: whether we are in a group of that id already. */
  readonly isKnownGroup?: (groupId: Uint8Array) => boolean;
  readonly config?: GroupConfig;
}

export interface Joined {
  readonly state: GroupState;
  /** Who made the welcome. */
  readonly signer: Member;
  readonly roster: Roster;
  readonly psks: readonly PskId[];
}

/**
 * The state after a welcome. The key package's secrets are to be wiped once it is stored (its encryption key lives on
 * in the state, as a copy). Errors: `no-key-package`, `undecryptable`, `missing-psk`, `missing-tree`, `invalid-tree`,
 * `invalid-leaf`, `bad-signature`, `bad-confirmation-tag`, `refused-credential`, `malformed`, `unsupported`.
 */
export function joinGroup(suite: Suite, input: JoinInput): Joined {
  const config = input.config ?? defaultConfig;
  demandConfig(config);
  const welcome = readWelcomeFor(suite, input.welcome);
  const groupSecrets = openGroupSecrets(suite, welcome, input);
  const { joiner, psks: ids } = groupSecrets;
  demandPskUse(ids, input);
  const psk = pskSecret(suite, lookUpPsks(input.predecessor?.state, ids, input.psks ?? noPsks));
  const info = openGroupInfo(suite, welcome, { joiner, psk });
  const { context, confirmationTag, signer } = info;
  demand(context.suite === suite.id, 'malformed', 'cipher suite of the GroupInfo, §12.4.3.1');
  demand(!(input.isKnownGroup?.(context.groupId) ?? false), 'malformed', 'group is known already, §12.4.3');
  const tree = treeOf(suite, info, input.tree);
  validateGroupInfo(suite, { info, tree }, input);
  demandSuccession({ ids, context, tree, predecessor: input.predecessor });
  const ownLeaf = findOwnLeaf(tree, input.keyPackage);
  const steps = joinPath(tree, { ownLeaf, signer, pathSecret: groupSecrets.pathSecret });
  const privateKeys = new Map<number, Uint8Array>([[nodeOf(ownLeaf), input.secrets.encryptionKey.slice()]]);
  for (const { step, pair } of steps) privateKeys.set(step.node, pair.privateKey);
  const newEpoch = epochOf(suite, { joiner, psk, context: encodeGroupContext(context) });
  wipePathSecrets(steps);
  wipeAll([joiner, psk]);
  const tag = mac(suite, newEpoch.secrets.confirmation, context.confirmedTranscriptHash);
  demand(equalSecret(tag, confirmationTag), 'bad-confirmation-tag', '§12.4.3.1');
  const epoch = epochFrom(suite, { context, confirmationTag, newEpoch }, { tree, ownLeaf, privateKeys });
  const state = newState(suite, config, epoch);
  const node = wanted(tree.leaf(signer), 'invalid-tree');
  return { state, signer: { leaf: signer, node }, roster: rosterOf(tree), psks: ids };
}

/** References of the key packages a welcome is for; `malformed`, `wrong-kind`. */
export function welcomedReferences(welcome: Uint8Array): readonly Uint8Array[] {
  const message = decodeMessage(welcome);
  if (message.kind !== 'welcome') throw new MlsError('wrong-kind', message.kind);
  return message.welcome.secrets.map(({ newMember }) => newMember);
}

function readWelcomeFor(suite: Suite, bytes: Uint8Array): Welcome {
  const message = decodeMessage(bytes);
  if (message.kind !== 'welcome') throw new MlsError('wrong-kind', message.kind);
  demand(message.welcome.suite === suite.id, 'no-key-package', 'cipher suite, §12.4.3.1');
  return message.welcome;
}

function openGroupSecrets(suite: Suite, welcome: Welcome, { keyPackage, secrets }: JoinInput): GroupSecrets {
  demand(keyPackage.suite === suite.id, 'no-key-package', 'cipher suite, §12.4.3.1');
  const reference = keyPackageRef(suite, keyPackage);
  const mine = welcome.secrets.find(({ newMember }) => equalPublic(newMember, reference));
  const { sealed } = wanted(mine, 'no-key-package');
  const pair = { privateKey: secrets.initKey, publicKey: keyPackage.initKey };
  const context = welcome.sealedGroupInfo;
  const opened = decryptWithLabel(suite, { ...sealed, pair, label: 'Welcome', context });
  const groupSecrets = decode(opened, readGroupSecrets);
  demand(groupSecrets.joiner.length === suite.hashBytes, 'malformed', 'size of the joiner secret');
  return groupSecrets;
}

function demandPskUse(ids: readonly PskId[], { insistOn }: JoinInput): void {
  const special = ids.filter((id) => id.kind === 'resumption' && id.usage !== 'application');
  demand(special.length <= 1, 'malformed', 'several PSKs of ReInit or branching, §12.4.3.1');
  demand(insistOn?.(ids) ?? true, 'missing-psk', 'the welcome does not use it');
}

function openGroupInfo(
  suite: Suite,
  welcome: Welcome,
  member: { readonly joiner: Uint8Array; readonly psk: Uint8Array },
): GroupInfo {
  const { key, nonce } = welcomeKey(suite, member);
  const opened = suite.provider.open(suite.aead, { key, nonce, aad: EMPTY, ciphertext: welcome.sealedGroupInfo });
  wipeAll([key, nonce]);
  return decode(wanted(opened, 'undecryptable', 'GroupInfo'), readGroupInfo);
}

function findOwnLeaf(tree: RatchetTree, { leaf: own }: KeyPackage): LeafIndex {
  for (const [index, leaf] of tree.leaves()) if (equalPublic(leaf.encoded, own.encoded)) return index;
  throw new MlsError('invalid-tree', 'our leaf is not in it, §12.4.3.1');
}

/** Our private keys from the lowest node shared with the signer up, checked against the tree. */
function joinPath(
  tree: RatchetTree,
  input: { readonly ownLeaf: LeafIndex; readonly signer: LeafIndex; readonly pathSecret: Uint8Array | undefined },
): readonly StepSecret[] {
  const { ownLeaf, signer, pathSecret } = input;
  if (pathSecret === undefined) return [];
  demand(pathSecret.length === tree.suite.hashBytes, 'malformed', 'size of the path secret');
  demand(signer !== ownLeaf, 'invalid-tree', 'signed by our own leaf');
  const path = filteredDirectPath(tree, signer);
  const start = path.findIndex(({ node }) => node === commonAncestor(nodeOf(ownLeaf), nodeOf(signer)));
  demand(start >= 0, 'invalid-tree', 'no common ancestor');
  const { steps, commitSecret } = derivePathSecrets(tree.suite, path.slice(start), pathSecret.slice());
  commitSecret.fill(0);
  for (const { step, pair } of steps) {
    const claimed = tree.node(step.node)?.encryptionKey;
    demand(claimed !== undefined && equalPublic(claimed, pair.publicKey), 'invalid-path', 'path secret, §12.4.3.1');
  }
  return steps;
}
