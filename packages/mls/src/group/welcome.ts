/** Making the welcome of a commit (RFC 9420 §12.4.3.1). */
import { EMPTY, wipeAll } from '../codec/bytes.ts';
import { encryptWithLabel } from '../crypto/labels.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { welcomeKey } from '../schedule/key-schedule.ts';
import type { PskId } from '../schedule/psk.ts';
import type { StepSecret } from '../tree/path-secrets.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import { commonAncestor, nodeOf } from '../tree/tree-math.ts';
import type { GroupInfo } from './group-info.ts';
import { encodeGroupInfo } from './group-info.ts';
import type { KeyPackage } from './key-package.ts';
import { keyPackageRef } from './key-package.ts';
import type { Welcome } from './welcome-structure.ts';
import { encodeGroupSecrets } from './welcome-structure.ts';

export interface MakeWelcomeInput {
  readonly groupInfo: GroupInfo;
  readonly joiner: Uint8Array;
  readonly pskSecret: Uint8Array;
  readonly psks: readonly PskId[];
  readonly newMembers: readonly { readonly keyPackage: KeyPackage; readonly leaf: LeafIndex }[];
  readonly committer: LeafIndex;
  /** Of the commit's path; empty without one. */
  readonly steps: readonly StepSecret[];
  readonly entropy: Entropy;
}

export function makeWelcome(suite: Suite, input: MakeWelcomeInput): Welcome {
  const { joiner, psks, committer, steps, entropy } = input;
  const { key, nonce } = welcomeKey(suite, { joiner, psk: input.pskSecret });
  const plaintext = encodeGroupInfo(input.groupInfo);
  const sealedGroupInfo = suite.provider.seal(suite.aead, { key, nonce, aad: EMPTY, plaintext });
  wipeAll([key, nonce]);
  const secrets = input.newMembers.map(({ keyPackage, leaf }) => {
    const shared = commonAncestor(nodeOf(committer), nodeOf(leaf));
    const pathSecret = steps.find(({ step }) => step.node === shared)?.pathSecret;
    const groupSecrets = encodeGroupSecrets({ joiner, pathSecret, psks });
    const sealed = encryptWithLabel(suite, {
      publicKey: keyPackage.initKey,
      label: 'Welcome',
      context: sealedGroupInfo,
      plaintext: groupSecrets,
      entropy,
    });
    groupSecrets.fill(0);
    return { newMember: keyPackageRef(suite, keyPackage), sealed };
  });
  return { suite: suite.id, secrets, sealedGroupInfo };
}
