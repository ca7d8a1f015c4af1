/**
 * A member as the tree shows it (RFC 9420 §7.2).
 *
 *     LeafNode := encryption key <V> | signature key <V> | Credential | Capabilities | source u8
 *                 | 1: not before u64, not after u64 | 2: nothing | 3: parent hash <V>
 *                 | Extension<V> | signature <V>
 *     signed   := all but the signature, for sources 2 and 3 followed by group id <V> | leaf index u32
 */
import { concat } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import { Reader as BytesReader } from '../codec/reader.ts';
import { Writer, encode } from '../codec/writer.ts';
import { signWithLabel, verifyWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import type { Capabilities } from './capabilities.ts';
import { readCapabilities, writeCapabilities } from './capabilities.ts';
import type { Credential } from './credential.ts';
import { readCredential, writeCredential } from './credential.ts';
import type { Extension } from './extension.ts';
import { readExtensions, writeExtensions } from './extension.ts';
import type { LeafIndex } from './tree-math.ts';

/** Seconds since 1970. */
export interface Lifetime {
  readonly notBefore: bigint;
  readonly notAfter: bigint;
}

/** How the leaf came into the tree. */
export type LeafSource =
  | { readonly kind: 'key-package'; readonly lifetime: Lifetime }
  | { readonly kind: 'update' }
  | { readonly kind: 'commit'; readonly parentHash: Uint8Array };

export interface LeafContent {
  readonly encryptionKey: Uint8Array;
  readonly signatureKey: Uint8Array;
  readonly credential: Credential;
  readonly capabilities: Capabilities;
  readonly extensions: readonly Extension[];
  readonly source: LeafSource;
}

export interface LeafNode extends LeafContent {
  readonly kind: 'leaf';
  readonly signature: Uint8Array;
  /** The whole structure as it was received or made. */
  readonly encoded: Uint8Array;
  /** `encoded` without the signature. */
  readonly unsigned: Uint8Array;
}

const sourceNumbers: Readonly<Record<LeafSource['kind'], number>> = { 'key-package': 1, update: 2, commit: 3 };

/** Which leaf of which group a leaf of source `update` or `commit` is signed for. */
export interface LeafPlace {
  readonly groupId: Uint8Array;
  readonly leaf: LeafIndex;
}

export function signLeaf(
  suite: Suite,
  input: { readonly content: LeafContent; readonly place?: LeafPlace; readonly privateKey: Uint8Array },
): LeafNode {
  const { content, privateKey } = input;
  const unsigned = encode((writer) => writeContent(writer, content));
  const signed = withPlace(content.source, unsigned, input.place);
  const signature = signWithLabel(suite, { privateKey, label: 'LeafNodeTBS', content: signed });
  const encoded = new Writer(unsigned.length + signature.length + 4).raw(unsigned).vector(signature).done();
  return readLeaf(new BytesReader(encoded));
}

export function leafSignatureVerifies(suite: Suite, leaf: LeafNode, place?: LeafPlace): boolean {
  const content = withPlace(leaf.source, leaf.unsigned, place);
  const { signatureKey: publicKey, signature } = leaf;
  return verifyWithLabel(suite, { publicKey, label: 'LeafNodeTBS', content, signature });
}

function withPlace(source: LeafSource, unsigned: Uint8Array, place: LeafPlace | undefined): Uint8Array {
  if (source.kind === 'key-package') return unsigned;
  if (place === undefined) throw new MlsError('bad-argument', 'a leaf of a group without its place');
  return concat(
    unsigned,
    encode((writer) => writer.vector(place.groupId).u32(place.leaf)),
  );
}

function writeContent(writer: Writer, content: LeafContent): void {
  writer.vector(content.encryptionKey).vector(content.signatureKey);
  writeCredential(writer, content.credential);
  writeCapabilities(writer, content.capabilities);
  const { source } = content;
  writer.u8(sourceNumbers[source.kind]);
  if (source.kind === 'key-package') writer.u64(source.lifetime.notBefore).u64(source.lifetime.notAfter);
  if (source.kind === 'commit') writer.vector(source.parentHash);
  writeExtensions(writer, content.extensions);
}

export function writeLeaf(writer: Writer, leaf: LeafNode): void {
  writer.raw(leaf.encoded);
}

/** The leaf owns its bytes: nothing of a large message stays alive through it. */
export function readLeaf(reader: Reader): LeafNode {
  const start = reader.position;
  readContent(reader);
  const unsignedBytes = reader.since(start).length;
  reader.vector();
  const encoded = reader.since(start).slice();
  const own = new BytesReader(encoded);
  const content = readContent(own);
  return { kind: 'leaf', ...content, signature: own.vector(), encoded, unsigned: encoded.subarray(0, unsignedBytes) };
}

function readContent(reader: Reader): LeafContent {
  return {
    encryptionKey: reader.vector(),
    signatureKey: reader.vector(),
    credential: readCredential(reader),
    capabilities: readCapabilities(reader),
    source: readSource(reader),
    extensions: readExtensions(reader),
  };
}

function readSource(reader: Reader): LeafSource {
  const source = reader.u8();
  if (source === 1) return { kind: 'key-package', lifetime: { notBefore: reader.u64(), notAfter: reader.u64() } };
  if (source === 2) return { kind: 'update' };
  if (source === 3) return { kind: 'commit', parentHash: reader.vector() };
  throw new MlsError('malformed', 'leaf node source, §7.2');
}
