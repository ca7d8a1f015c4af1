/**
 * The port behind which a group key agreement (MLS, RFC 9420) works. Nothing of the library that implements it leaks.
 *
 * Everything is synchronous and a function of its arguments. A state is a value in memory: no method changes it, a step
 * gives the next one, and `wipe` names what the caller fills with zeros once that one is stored; until then the old state
 * is still the truth, afterwards it refuses to be used. Calls for one group must not overlap between reading a state and
 * storing its successor. Key package secrets and pending commits are opaque bytes, secret and versioned by the engine.
 */
import type { Entropy } from '@securechat/crypto';

/** A member as the tree shows it. All fields are copies. */
export interface Leaf {
  /** Position in the tree, 0 for the founder. */
  readonly index: number;
  /** At most `credentialBytesMax`; what it says is for credential.ts. */
  readonly credential: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly signingKey: Uint8Array;
  /** The leaf's HPKE key (X-Wing: 1216 bytes). */
  readonly encryptionKey: Uint8Array;
}
export type Roster = readonly Leaf[];

/**
 * Whether a credential may stand on a leaf with that signature key. Asked for every leaf that enters a group or changes
 * in it; false refuses the whole step.
 */
export type CredentialCheck = (credential: Uint8Array, signingKey: Uint8Array) => boolean;

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

declare const opaque: unique symbol;

/** A group as one member knows it: secret, never changed, understood by the engine alone. */
export interface GroupState {
  readonly [opaque]: 'GroupState';
}

/** A state in storage, versioned by the engine: two secret records that are right together only. */
export interface PackedState {
  /** Members, keys and past epochs: what a commit changes. Some 10 kB for two leaves. */
  readonly base: Uint8Array;
  /**
   * Message keys of the current epoch, replaced by every message so that none that was used stays behind. Below 400 bytes
   * for two leaves, and 50 for each key that a message out of order left over.
   */
  readonly messageKeys: Uint8Array;
}

/** A secret known outside the group, mixed into its first epoch. */
export interface ExternalPsk {
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
}

export interface MadeKeyPackage {
  /** Public, to be published; at most `keyPackageBytesMax`. */
  readonly keyPackage: Uint8Array;
  /** What a welcome calls it (a hash of its bytes). */
  readonly reference: Uint8Array;
  /** The private halves; stored until used, then wiped. */
  readonly secrets: Uint8Array;
}

export interface KeyPackageFacts {
  readonly reference: Uint8Array;
  readonly credential: Uint8Array;
  readonly signingKey: Uint8Array;
  readonly validity: Validity;
}

/** Why something was refused. Values, not errors: every one of them is expected from a hostile or a slow network. */
export type EngineRefusal =
  /** Cannot be read, or is of another kind than asked for. */
  | 'malformed'
  /** Of another group. */
  | 'other-group'
  /** Of an epoch or generation whose keys are gone. */
  | 'too-old'
  /** Of an epoch that is still to come: park it. */
  | 'too-new'
  /** Further ahead in the sender's chain than `outOfOrderForwardMax`. */
  | 'too-far-ahead'
  /** Its key was used already. */
  | 'replayed'
  /** Claims to be from this very leaf. */
  | 'own'
  /** Authentication failed: wrong key, tampered, or not for us. */
  | 'undecryptable'
  | 'bad-signature'
  /** A leaf's credential was refused by the check. */
  | 'credential'
  /** Breaks a rule of MLS or of the engine's policy. */
  | 'policy'
  /** The welcome is for no key package given. */
  | 'no-key-package'
  /** The welcome does not use the external PSK insisted on. */
  | 'no-psk';

export interface Refused<Reason extends string = EngineRefusal> {
  readonly kind: 'refused';
  readonly reason: Reason;
}

/** A new state of a group. */
export interface Advanced {
  readonly state: GroupState;
  readonly epoch: number;
  /** To be filled with zeros after `state` is stored; the state before cannot be used afterwards. */
  readonly wipe: readonly Uint8Array[];
}

export interface Founded extends Advanced {
  readonly kind: 'founded';
  /** For all members added; with the tree inside. */
  readonly welcome: Uint8Array;
}

export interface Joined extends Advanced {
  readonly kind: 'joined';
  readonly group: Uint8Array;
  readonly context: Uint8Array;
  readonly roster: Roster;
  /** The leaf that signed the GroupInfo: who invited. */
  readonly signer: Leaf;
}

export interface Encrypted extends Advanced {
  readonly ciphertext: Uint8Array;
}

export interface DecryptedMessage extends Advanced {
  readonly kind: 'message';
  readonly sender: Leaf;
  /** The epoch the message was made in; at most the state's. */
  readonly sentInEpoch: number;
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
}

/** A valid commit of another member, not merged yet: look at the rosters first. */
export interface StagedCommit {
  readonly kind: 'commit';
  readonly committer: Leaf;
  readonly before: Roster;
  readonly after: Roster;
  readonly contextBefore: Uint8Array;
  readonly contextAfter: Uint8Array;
  /** The group after the commit. Once. */
  merge(): Advanced;
  /** Instead of merging: fills the secrets of the new epoch with zeros. */
  drop(): void;
}

/**
 * A commit of ours. `state` is the current epoch's, with the key of the commit message used up: stored together with
 * `pending` before the commit is sent, and in use until the delivery service accepted it.
 */
export interface PendingCommit extends Advanced {
  readonly commit: Uint8Array;
  /** The epoch after the commit; secret. */
  readonly pending: Uint8Array;
  /** Its number. */
  readonly epochAfter: number;
  /** Its signed GroupInfo, with tree and external public key. */
  readonly groupInfo: Uint8Array;
}

export interface GroupFacts {
  readonly group: Uint8Array;
  readonly epoch: number;
  /** Our own extension of the group context (group-context.ts). */
  readonly context: Uint8Array;
  readonly roster: Roster;
  readonly ownLeaf: number;
  /** RFC 9420 §8.7: equal for all members of an epoch; differs when the group was forked. */
  readonly authenticator: Uint8Array;
}

export interface OwnLeaf {
  readonly credential: Uint8Array;
  /** Ed25519 private key (seed), 32 bytes. Never part of a state. */
  readonly signing: Uint8Array;
  /** Ed25519 public key, 32 bytes. */
  readonly signingPublic: Uint8Array;
}

export interface KeyPackageInput {
  readonly own: OwnLeaf;
  readonly validity: Validity;
  readonly entropy: Entropy;
}

export interface FoundInput {
  /** Group id. */
  readonly group: Uint8Array;
  readonly context: Uint8Array;
  readonly own: OwnLeaf;
  readonly validity: Validity;
  /** One key package per leaf to add; at least one. */
  readonly keyPackages: readonly Uint8Array[];
  readonly psk: ExternalPsk;
  readonly check: CredentialCheck;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

export interface JoinInput {
  readonly welcome: Uint8Array;
  readonly keyPackage: Uint8Array;
  readonly secrets: Uint8Array;
  readonly own: OwnLeaf;
  /** Insisted on. */
  readonly psk: ExternalPsk;
  readonly check: CredentialCheck;
  readonly nowMs: number;
}

export interface EncryptInput {
  readonly state: GroupState;
  readonly signing: Uint8Array;
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly entropy: Entropy;
}

export interface DecryptInput {
  readonly state: GroupState;
  readonly ciphertext: Uint8Array;
  readonly check: CredentialCheck;
  readonly nowMs: number;
}

export interface SelfUpdateInput {
  readonly state: GroupState;
  readonly signing: Uint8Array;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

export interface MlsEngine {
  /** Number of the cipher suite. */
  readonly suite: number;
  keyPackage(input: KeyPackageInput): MadeKeyPackage;
  /** What a key package says, its signature verified; undefined where it is malformed, of another suite or badly signed. */
  readKeyPackage(keyPackage: Uint8Array): KeyPackageFacts | undefined;
  /** References of the key packages a welcome is for; undefined where it cannot be read. */
  welcomedReferences(welcome: Uint8Array): readonly Uint8Array[] | undefined;
  /** A group of epoch 1 with all members added and the PSK injected by one commit. */
  found(input: FoundInput): Founded | Refused;
  join(input: JoinInput): Joined | Refused;
  encrypt(input: EncryptInput): Encrypted;
  /** A commit must be an empty one of a member; proposals are refused. */
  decrypt(input: DecryptInput): DecryptedMessage | StagedCommit | Refused;
  /** Renews this leaf's keys (empty commit with path). Its result is merged by `mergeOwn` or wiped. */
  selfUpdate(input: SelfUpdateInput): PendingCommit;
  /** `state` is the current one: what was received since the commit was made is not forgotten. */
  mergeOwn(input: { readonly state: GroupState; readonly pending: Uint8Array }): Advanced;
  facts(state: GroupState): GroupFacts;
  /** Signed GroupInfo with tree and external public key. */
  exportGroupInfo(input: { readonly state: GroupState; readonly signing: Uint8Array }): Uint8Array;
  /** For storage. `stored`: the state that is there now; its base is left out where it is still right. */
  pack(state: GroupState, stored?: GroupState): Omit<PackedState, 'base'> & { readonly base: Uint8Array | undefined };
  /** PROFILE_DAMAGED (also for a state of an engine that is gone, and for records of two states), SCHEMA_NEWER. */
  unpack(packed: PackedState): GroupState;
  /** Fills every secret of a state that is given up with zeros; it cannot be used afterwards. */
  discard(state: GroupState): void;
}
