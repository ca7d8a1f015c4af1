/** A group of one (RFC 9420 §11). Others are added by a commit. */
import { EMPTY } from '../codec/bytes.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { epochFromSecret, mac } from '../schedule/key-schedule.ts';
import type { Extension } from '../tree/extension.ts';
import { demandReadable } from '../tree/extension.ts';
import type { Lifetime } from '../tree/leaf-node.ts';
import { signLeaf } from '../tree/leaf-node.ts';
import { treeOfOne } from '../tree/ratchet-tree.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import { demandHonest } from '../tree/capabilities.ts';
import { epochFrom } from './conclude.ts';
import type { Identity } from './key-package.ts';
import type { Judgement } from './policy.ts';
import type { GroupConfig, GroupState } from './state.ts';
import { defaultConfig, demandConfig, newState } from './state.ts';
import { validateLeaf } from './validate-leaf.ts';

export interface CreateGroupInput extends Judgement {
  /** Must never be used twice; Nh random bytes are. */
  readonly groupId: Uint8Array;
  /** Of the group context: what all members are to support. */
  readonly extensions?: readonly Extension[];
  readonly identity: Identity;
  readonly capabilities: Capabilities;
  readonly lifetime: Lifetime;
  readonly leafExtensions?: readonly Extension[];
  readonly config?: GroupConfig;
  readonly entropy: Entropy;
}

/** Errors: `invalid-leaf`, `expired`, `refused-credential`, `malformed` for two extensions of a type. */
export function createGroup(suite: Suite, input: CreateGroupInput): GroupState {
  const { groupId, extensions = [], identity, entropy, config = defaultConfig } = input;
  demandConfig(config);
  demandReadable(extensions);
  demandHonest(input.capabilities);
  const encryption = suite.kem.generate(entropy);
  const leaf = signLeaf(suite, {
    content: {
      encryptionKey: encryption.publicKey,
      signatureKey: suite.provider.ed25519.publicOf(identity.signatureKey),
      credential: identity.credential,
      capabilities: input.capabilities,
      extensions: input.leafExtensions ?? [],
      source: { kind: 'key-package', lifetime: input.lifetime },
    },
    privateKey: identity.signatureKey,
  });
  validateLeaf(suite, { leaf, source: 'key-package', groupExtensions: extensions }, input);
  const tree = treeOfOne(suite, leaf);
  const newEpoch = epochFromSecret(suite, entropy(suite.hashBytes));
  const context = {
    suite: suite.id,
    groupId: groupId.slice(),
    epoch: 0n,
    treeHash: tree.hash(),
    confirmedTranscriptHash: EMPTY,
    extensions,
  };
  const confirmationTag = mac(suite, newEpoch.secrets.confirmation, EMPTY);
  const privateKeys = new Map([[0, encryption.privateKey]]);
  const epoch = epochFrom(suite, { context, confirmationTag, newEpoch }, { tree, ownLeaf: 0, privateKeys });
  return newState(suite, config, epoch);
}
