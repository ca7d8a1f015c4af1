/**
 * The port behind which a group key agreement (MLS, RFC 9420) works. Nothing of the library that implements it leaks.
 *
 * States and key package secrets are opaque byte strings: secret, versioned by the engine, to be stored as they are
 * (encrypted at rest by the caller). No method changes its inputs. A result that carries a new state names in `wipe` what
 * the caller must fill with zeros once that state is stored; until then the old state is still the truth.
 *
 * Methods return promises because the first engine knows nothing else; none of them waits for IO. Calls for one group
 * must not overlap.
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
  readonly state: Uint8Array;
  readonly epoch: number;
  /** To be filled with zeros after `state` is stored. */
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
  /** Names of the proposals in it; empty for a self-update. */
  readonly proposals: readonly string[];
  /** The group after the commit. */
  merge(): Advanced;
}

/** A commit of ours. The old state stays in use until the delivery service accepted it. */
export interface PendingCommit {
  readonly commit: Uint8Array;
  /** SHA-256 of `commit`. */
  readonly commitHash: Uint8Array;
  /** The state after the commit; secret, stored beside the current one. */
  readonly pending: Uint8Array;
  /** Epoch after the commit. */
  readonly epoch: number;
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
  readonly entropy: Entropy;
}

export interface StateInput {
  readonly state: Uint8Array;
  readonly signing: Uint8Array;
  readonly entropy: Entropy;
}

export interface EncryptInput extends StateInput {
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
}

export interface DecryptInput extends StateInput {
  readonly ciphertext: Uint8Array;
  readonly check: CredentialCheck;
}

export interface MlsEngine {
  /** Number of the cipher suite. */
  readonly suite: number;
  keyPackage(input: KeyPackageInput): Promise<MadeKeyPackage>;
  /** What a key package says, its signature verified; undefined where it is malformed, of another suite or badly signed. */
  readKeyPackage(keyPackage: Uint8Array): Promise<KeyPackageFacts | undefined>;
  /** References of the key packages a welcome is for; undefined where it cannot be read. */
  welcomedReferences(welcome: Uint8Array): readonly Uint8Array[] | undefined;
  /** A group of epoch 1 with all members added and the PSK injected by one commit. */
  found(input: FoundInput): Promise<Founded | Refused>;
  join(input: JoinInput): Promise<Joined | Refused>;
  encrypt(input: EncryptInput): Promise<Encrypted>;
  decrypt(input: DecryptInput): Promise<DecryptedMessage | StagedCommit | Refused>;
  /** Renews this leaf's keys (empty commit with path). Its result is merged by `mergeOwn` or wiped. */
  selfUpdate(input: StateInput): Promise<PendingCommit>;
  /** `state` is the current one: what was received since the commit was made is not forgotten. */
  mergeOwn(input: { readonly state: Uint8Array; readonly pending: Uint8Array }): Advanced;
  /** Drops the keys of past epochs: for when the device has read past the commit that ended them. */
  forgetPastEpochs(state: Uint8Array): Advanced;
  facts(state: Uint8Array): GroupFacts;
  /** Signed GroupInfo with tree and external public key. */
  exportGroupInfo(input: StateInput): Promise<Uint8Array>;
}
