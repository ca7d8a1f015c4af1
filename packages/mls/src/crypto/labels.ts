/** Labelled cryptography of MLS: signatures (§5.1.2), encryption (§5.1.3), references (§5.2), derivation (§8). */
import { EMPTY, utf8 } from '../codec/bytes.ts';
import { Writer, vectorBytes } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import { expand } from './hkdf.ts';
import type { Sealed } from './hpke.ts';
import { hpkeOpen, hpkeSeal } from './hpke.ts';
import type { Entropy, KeyPair } from './provider.ts';
import type { Suite } from './suite.ts';

/** `label<V> ‖ content<V>` with "MLS 1.0 " before the label: SignContent, EncryptContext. */
function labelled(label: string, content: Content): Uint8Array {
  const start = labelVectorOf(label);
  if (content instanceof Uint8Array) return new Writer(content.length + 64).raw(start).vector(content).view();
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const writer = new Writer(length + 64).raw(start).vectorHeader(length);
  for (const part of content) writer.raw(part);
  return writer.view();
}

/** In one piece, or in several to be read one after the other. */
type Content = Uint8Array | readonly Uint8Array[];

interface SignInput {
  /** Ed25519 seed, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly label: string;
  readonly content: Content;
}

export function signWithLabel(suite: Suite, { privateKey, label, content }: SignInput): Uint8Array {
  return suite.provider.ed25519.sign(privateKey, labelled(label, content));
}

interface VerifyInput {
  readonly publicKey: Uint8Array;
  readonly label: string;
  readonly content: Content;
  readonly signature: Uint8Array;
}

export function verifyWithLabel(suite: Suite, { publicKey, label, content, signature }: VerifyInput): boolean {
  return suite.provider.ed25519.verify(publicKey, labelled(label, content), signature);
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
  const sealed = hpkeSeal(suite, { publicKey, info: labelled(label, context), plaintext, entropy });
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
  const plaintext = hpkeOpen(suite, { pair, info: labelled(label, context), output, ciphertext });
  if (plaintext === undefined) throw new MlsError('undecryptable', label);
  return plaintext;
}

/** RefHash. */
export function refHash(suite: Suite, label: string, value: Uint8Array): Uint8Array {
  return suite.provider.hash(suite.hash, new Writer(value.length + 64).vector(utf8(label)).vector(value).view());
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
  const writer = new Writer(2 + start.length + vectorBytes(context) + 1);
  const firstBlock = writer.u16(length).raw(start).vector(context).u8(1).view();
  return expand(suite, { prk: secret, firstBlock, length });
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
  const bytes = new Writer(64).vector(utf8(`MLS 1.0 ${label}`)).done();
  if (known.size < KNOWN_MAX) known.set(label, bytes);
  return bytes;
}
