/**
 * How the ts-mls engine keeps a group between two calls, and how its tree reads as a roster.
 *
 *     state := version u8 (1) | engine u8 (1 = ts-mls 1.6) | GroupState as ts-mls encodes it, its signature key left out
 *
 * The device's signing key is handed in with every call that needs it, so that it is stored once and not in every group.
 */
import type { ClientConfig, ClientState, LeafNode, RatchetTree } from 'ts-mls';
import { decodeGroupState, defaultKeyPackageEqualityConfig, encodeGroupState } from 'ts-mls';
import { concatBytes, defaultLimits, SecureChatError } from '@securechat/wire';
import { wipe } from '@securechat/crypto';
import type { CredentialCheck, GroupFacts, Leaf, Roster } from '../engine.ts';

const HEADER = Uint8Array.of(1, 1);
const none = new Uint8Array(0);

/** Our extension of the group context (group-context.ts), in the private-use range. */
export const CONTEXT_EXTENSION = 0xf101;

/** A decoded state and the copy of the bytes that all its secrets are views of. */
export interface OpenState {
  readonly state: ClientState;
  /** Wipes every secret of this decoded state; what was encoded from it is not touched. */
  close(): void;
}

/** PROFILE_DAMAGED for bytes that are no state, SCHEMA_NEWER for those of a later version. */
export function openState(bytes: Uint8Array, signing: Uint8Array, config: ClientConfig): OpenState {
  if (bytes[0] !== HEADER[0] || bytes[1] !== HEADER[1])
    throw new SecureChatError((bytes[0] ?? 0) > 1 || (bytes[1] ?? 0) > 1 ? 'SCHEMA_NEWER' : 'PROFILE_DAMAGED');
  const copy = bytes.slice(HEADER.length);
  const decoded = decodedState(copy);
  return {
    state: { ...decoded[0], signaturePrivateKey: signing, clientConfig: config },
    close: () => wipe(copy),
  };
}

function decodedState(bytes: Uint8Array): NonNullable<ReturnType<typeof decodeGroupState>> {
  let decoded: ReturnType<typeof decodeGroupState>;
  try {
    decoded = decodeGroupState(bytes, 0);
  } catch (cause) {
    throw new SecureChatError('PROFILE_DAMAGED', {}, { cause });
  }
  if (decoded === undefined || decoded[1] !== bytes.length) throw new SecureChatError('PROFILE_DAMAGED');
  return decoded;
}

export function stateBytes(state: ClientState): Uint8Array<ArrayBuffer> {
  const body = encodeGroupState({ ...state, signaturePrivateKey: none });
  const bytes = concatBytes(HEADER, body);
  wipe(body);
  return bytes;
}

/**
 * The configuration that goes with every state. Lifetimes are validated on receipt by the machine's clock, in addition to
 * the check against the caller's `nowMs` in key-package.ts.
 */
export function configOf(check: CredentialCheck): ClientConfig {
  return {
    keyRetentionConfig: {
      retainKeysForGenerations: defaultLimits.outOfOrderBackMax,
      maximumForwardRatchetSteps: defaultLimits.outOfOrderForwardMax,
      retainKeysForEpochs: defaultLimits.pastEpochsMax,
    },
    lifetimeConfig: {
      maximumTotalLifetime: BigInt(defaultLimits.keyPackageMsMax / 1000),
      validateLifetimeOnReceive: true,
    },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig: { kind: 'alwaysPad', paddingLength: 0 },
    authService: {
      validateCredential: async (credential, signingKey) =>
        credential.credentialType === 'basic' &&
        credential.identity.length <= defaultLimits.credentialBytesMax &&
        check(credential.identity.slice(), signingKey.slice()),
    },
  };
}

/** For steps in which no credential may turn up. */
export const refuseCredentials: CredentialCheck = () => false;

export function rosterOf(tree: RatchetTree): Roster {
  // Leaves stand at the even node indices (RFC 9420 Appendix C).
  return tree.flatMap((node, index) => (node?.nodeType === 'leaf' ? [leafOf(node.leaf, index / 2)] : []));
}

export function leafAt(tree: RatchetTree, index: number): Leaf | undefined {
  const node = tree[index * 2];
  return node?.nodeType === 'leaf' ? leafOf(node.leaf, index) : undefined;
}

function leafOf(leaf: LeafNode, index: number): Leaf {
  const { credential } = leaf;
  return {
    index,
    // A credential of another type reads as an empty one, which no check accepts.
    credential: credential.credentialType === 'basic' ? credential.identity.slice() : none,
    signingKey: leaf.signaturePublicKey.slice(),
    encryptionKey: leaf.hpkePublicKey.slice(),
  };
}

export function contextOf(state: ClientState): Uint8Array {
  const extension = state.groupContext.extensions.find(({ extensionType }) => extensionType === CONTEXT_EXTENSION);
  return extension?.extensionData.slice() ?? none;
}

export function factsOf(state: ClientState): GroupFacts {
  return {
    group: state.groupContext.groupId.slice(),
    epoch: Number(state.groupContext.epoch),
    context: contextOf(state),
    roster: rosterOf(state.ratchetTree),
    ownLeaf: state.privatePath.leafIndex,
    authenticator: state.keySchedule.epochAuthenticator.slice(),
  };
}
