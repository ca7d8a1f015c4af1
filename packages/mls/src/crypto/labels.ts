/** Labelled cryptography of MLS: signatures (§5.1.2), encryption (§5.1.3), references (§5.2), derivation (§8). */
import { EMPTY, utf8 } from '../codec/bytes.ts';
import { passing } from '../codec/passing.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter, vectorBytes } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import { expand } from './hkdf.ts';
import type { Sealed } from './hpke.ts';
import { hpkeOpen, hpkeSeal } from './hpke.ts';
import type { Entropy, KeyPair } from './provider.ts';
import type { Suite } from './suite.ts';

/** With `label<V> ‖ content<V>`, "MLS 1.0 " before the label: SignContent, EncryptContext. */
function labelled<T>(label: string, content: Content, use: (bytes: Uint8Array) => T): T {
  const write = (writer: Writer): void => {
    writer.raw(labelVectorOf(label));
    if (content instanceof Uint8Array) writer.vector(content);
    else writer.vectorOf(content.write);
  };
  return passing((content instanceof Uint8Array ? content.length : content.bytes) + LABEL_BYTES, write, use);
}

/** Room for a label and two lengths. */
const LABEL_BYTES = 64;

/** As it is, or to be written: some so many bytes. */
type Content = Uint8Array | { readonly bytes: number; readonly write: (writer: Writer) => void };

interface SignInput {
  /** Ed25519 seed, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly label: string;
  readonly content: Content;
}

export function signWithLabel(suite: Suite, { privateKey, label, content }: SignInput): Uint8Array {
  return labelled(label, content, (message) => suite.provider.ed25519.sign(privateKey, message));
}

interface VerifyInput {
  readonly publicKey: Uint8Array;
  readonly label: string;
  readonly content: Content;
  readonly signature: Uint8Array;
}

export function verifyWithLabel(suite: Suite, { publicKey, label, content, signature }: VerifyInput): boolean {
  return labelled(label, content, (message) => suite.provider.ed25519.verify(publicKey, message, signature));
}

interface EncryptInput {
  readonly publicKey: Uint8Array;
  readonly label: string;
  readonly context: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly entropy: Entropy;
}

/** `invalid-leaf` for a public key that is none. */
export function encryptWithLabel(
  suite: Suite,
  { publicKey, label, context, plaintext, entropy }: EncryptInput,
): Sealed {
  const sealed = labelled(label, context, (info) => hpkeSeal(suite, { publicKey, info, plaintext, entropy }));
  if (sealed === undefined) throw new MlsError('invalid-leaf', 'HPKE public key');
  return sealed;
}

interface DecryptInput extends Sealed {
  readonly pair: KeyPair;
  readonly label: string;
  readonly context: Uint8Array;
}

/** `undecryptable` when anything is wrong. */
export function decryptWithLabel(suite: Suite, { pair, label, context, output, ciphertext }: DecryptInput): Uint8Array {
  const plaintext = labelled(label, context, (info) => hpkeOpen(suite, { pair, info, output, ciphertext }));
  if (plaintext === undefined) throw new MlsError('undecryptable', label);
  return plaintext;
}

/** RefHash. */
export function refHash(suite: Suite, label: string, value: Uint8Array): Uint8Array {
  return passing(
    value.length + LABEL_BYTES,
    (writer) => writer.vector(utf8(label)).vector(value),
    (bytes) => suite.provider.hash(suite.hash, bytes),
  );
}

interface ExpandInput {
  readonly secret: Uint8Array;
  readonly label: string;
  readonly context: Uint8Array;
  readonly length: number;
}

/** The most frequent operation of all: `length u16 | label<V> | context<V>`, and the number of the block. */
export function expandWithLabel(suite: Suite, { secret, label, context, length }: ExpandInput): Uint8Array {
  const start = labelVectorOf(label);
  return passing(
    2 + start.length + vectorBytes(context) + 1,
    (writer) => writer.u16(length).raw(start).vector(context).u8(1),
    (firstBlock) => expand(suite, { prk: secret, firstBlock, length }),
  );
}

export function deriveSecret(suite: Suite, secret: Uint8Array, label: string): Uint8Array {
  return expandWithLabel(suite, { secret, label, context: EMPTY, length: suite.hashBytes });
}

interface TreeSecretInput {
  readonly secret: Uint8Array;
  readonly label: string;
  readonly generation: number;
  readonly length: number;
}

/** §9.1. */
export function deriveTreeSecret(suite: Suite, { secret, label, generation, length }: TreeSecretInput): Uint8Array {
  const context = Uint8Array.of(generation >>> 24, generation >>> 16, generation >>> 8, generation);
  return expandWithLabel(suite, { secret, label, context, length });
}

/** A closed set of short labels is derived from most of the time; an application's exporter labels are not kept. */
const known = new Map<string, Uint8Array>();
const KNOWN_MAX = 64;

function labelVectorOf(label: string): Uint8Array {
  const kept = known.get(label);
  if (kept !== undefined) return kept;
  const bytes = new BytesWriter(64).vector(utf8(`MLS 1.0 ${label}`)).done();
  if (known.size < KNOWN_MAX) known.set(label, bytes);
  return bytes;
}
