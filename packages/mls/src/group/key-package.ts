/**
 * Key packages (RFC 9420 §10): what a client publishes to be added while it is offline.
 *
 *     KeyPackage := version u16 | suite u16 | init key <V> | LeafNode | Extension<V> | signature <V>
 */
import { equalPublic } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import { Reader as BytesReader } from '../codec/reader.ts';
import { Writer, encode } from '../codec/writer.ts';
import { refHash, signWithLabel, verifyWithLabel } from '../crypto/labels.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { demand } from '../errors.ts';
import type { Capabilities } from '../tree/capabilities.ts';
import { demandHonest } from '../tree/capabilities.ts';
import type { Credential } from '../tree/credential.ts';
import type { Extension } from '../tree/extension.ts';
import { extensionOf, extensionTypes, readExtensions, writeExtensions } from '../tree/extension.ts';
import type { LeafNode, Lifetime } from '../tree/leaf-node.ts';
import { readLeaf, signLeaf, writeLeaf } from '../tree/leaf-node.ts';

export interface KeyPackage {
  readonly version: number;
  readonly suite: number;
  readonly initKey: Uint8Array;
  readonly leaf: LeafNode;
  readonly extensions: readonly Extension[];
  readonly signature: Uint8Array;
  /** The whole structure as it was received or made. */
  readonly encoded: Uint8Array;
  readonly unsigned: Uint8Array;
}

/** The private halves. To be stored until the welcome came, then wiped. */
export interface KeyPackageSecrets {
  readonly initKey: Uint8Array;
  readonly encryptionKey: Uint8Array;
}

/** Who a client is: what goes into its leaves. */
export interface Identity {
  readonly credential: Credential;
  /** Ed25519 seed, 32 bytes; never stored in a state. */
  readonly signatureKey: Uint8Array;
}

export interface KeyPackageInput {
  readonly identity: Identity;
  readonly capabilities: Capabilities;
  readonly lifetime: Lifetime;
  readonly entropy: Entropy;
  readonly extensions?: readonly Extension[];
  readonly leafExtensions?: readonly Extension[];
}

export interface MadeKeyPackage {
  readonly keyPackage: KeyPackage;
  readonly secrets: KeyPackageSecrets;
}

/** `bad-argument` for capabilities that say too much, or too little for the extensions. */
export function createKeyPackage(suite: Suite, input: KeyPackageInput): MadeKeyPackage {
  const { identity, capabilities, lifetime, entropy, extensions = [], leafExtensions = [] } = input;
  demandHonest(capabilities, [...extensions, ...leafExtensions]);
  const init = suite.kem.generate(entropy);
  const encryption = suite.kem.generate(entropy);
  const privateKey = identity.signatureKey;
  const content = {
    encryptionKey: encryption.publicKey,
    signatureKey: suite.provider.ed25519.publicOf(privateKey),
    credential: identity.credential,
    capabilities,
    extensions: leafExtensions,
    source: { kind: 'key-package', lifetime },
  } as const;
  const leaf = signLeaf(suite, { content, privateKey });
  const unsigned = encode((writer) => {
    writeLeaf(writer.u16(PROTOCOL_VERSION).u16(suite.id).vector(init.publicKey), leaf);
    writeExtensions(writer, extensions);
  });
  const signature = signWithLabel(suite, { privateKey, label: 'KeyPackageTBS', content: unsigned });
  const encoded = new Writer(unsigned.length + 72).raw(unsigned).vector(signature).done();
  return {
    keyPackage: readKeyPackage(new BytesReader(encoded)),
    secrets: { initKey: init.privateKey, encryptionKey: encryption.privateKey },
  };
}

export function keyPackageRef(suite: Suite, keyPackage: KeyPackage): Uint8Array {
  return refHash(suite, 'MLS 1.0 KeyPackage Reference', keyPackage.encoded);
}

/** Whether its owner may use it more than once. */
export function isLastResort(keyPackage: KeyPackage): boolean {
  return extensionOf(keyPackage.extensions, extensionTypes.lastResort) !== undefined;
}

/** §10.1, apart from the leaf: `unsupported`, `invalid-key-package`, `bad-signature`. */
export function validateKeyPackage(suite: Suite, keyPackage: KeyPackage): void {
  const { leaf, initKey } = keyPackage;
  demand(keyPackage.version === PROTOCOL_VERSION, 'unsupported', 'protocol version');
  demand(keyPackage.suite === suite.id, 'unsupported', 'cipher suite of a key package, §10.1');
  demand(leaf.source.kind === 'key-package', 'invalid-key-package', 'leaf node source, §7.3');
  demand(suite.kem.accepts(initKey), 'invalid-key-package', 'init key');
  demand(!equalPublic(leaf.encryptionKey, initKey), 'invalid-key-package', 'one key for two purposes, §10.1');
  const { unsigned: content, signature } = keyPackage;
  const publicKey = leaf.signatureKey;
  const verifies = verifyWithLabel(suite, { publicKey, label: 'KeyPackageTBS', content, signature });
  demand(verifies, 'bad-signature', 'key package, §10');
}

export function writeKeyPackage(writer: Writer, keyPackage: KeyPackage): void {
  writer.raw(keyPackage.encoded);
}

export function readKeyPackage(reader: Reader): KeyPackage {
  const start = reader.position;
  const version = reader.u16();
  const suite = reader.u16();
  const initKey = reader.vector().slice();
  const leaf = readLeaf(reader);
  const extensions = readExtensions(reader);
  const unsignedBytes = reader.since(start).length;
  const signature = reader.vector().slice();
  const encoded = reader.since(start).slice();
  return {
    version,
    suite,
    initKey,
    leaf,
    extensions,
    signature,
    encoded,
    unsigned: encoded.subarray(0, unsignedBytes),
  };
}
