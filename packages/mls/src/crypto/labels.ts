/** Labelled cryptography of MLS: signatures (§5.1.2), encryption (§5.1.3), references (§5.2), derivation (§8). */
import { EMPTY, utf8 } from '../codec/bytes.ts';
import { Writer } from '../codec/writer.ts';
import { MlsError } from '../errors.ts';
import { expand } from './hkdf.ts';
import type { Sealed } from './hpke.ts';
import { hpkeOpen, hpkeSeal } from './hpke.ts';
import type { Entropy, KeyPair } from './provider.ts';
import type { Suite } from './suite.ts';

/** `label<V> ‖ content<V>` with "MLS 1.0 " before the label: SignContent, EncryptContext. */
function labelled(label: string, content: Uint8Array): Uint8Array {
  return new Writer(content.length + 64)
    .vector(utf8(`MLS 1.0 ${label}`))
    .vector(content)
    .done();
}

interface SignInput {
  /** Ed25519 seed, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly label: string;
  readonly content: Uint8Array;
}

export function signWithLabel(suite: Suite, { privateKey, label, content }: SignInput): Uint8Array {
  return suite.provider.ed25519.sign(privateKey, labelled(label, content));
}

interface VerifyInput {
  readonly publicKey: Uint8Array;
  readonly label: string;
  readonly content: Uint8Array;
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
  return suite.provider.hash(suite.hash, new Writer(value.length + 64).vector(utf8(label)).vector(value).done());
}

interface ExpandInput {
  readonly secret: Uint8Array;
  readonly label: string;
  readonly context: Uint8Array;
  readonly length: number;
}

/** The most frequent operation of all, so its input is laid out by hand: `length u16 | label<V> | context<V>`. */
export function expandWithLabel(suite: Suite, { secret, label, context, length }: ExpandInput): Uint8Array {
  const labelVector = labelVectorOf(label);
  const contextVector =
    context.length < SHORT_VECTOR_BYTES ? undefined : new Writer(context.length + 4).vector(context).done();
  const info = new Uint8Array(2 + labelVector.length + (contextVector?.length ?? context.length + 1));
  info[0] = length >>> 8;
  info[1] = length;
  info.set(labelVector, 2);
  const at = 2 + labelVector.length;
  if (contextVector === undefined) {
    info[at] = context.length;
    info.set(context, at + 1);
  } else info.set(contextVector, at);
  return expand(suite, { prk: secret, info, length });
}

/** Below this, the length of a vector is one byte. */
const SHORT_VECTOR_BYTES = 64;

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
  const context = new Writer(4).u32(generation).done();
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
