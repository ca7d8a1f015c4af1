/**
 * RSA keys: one key, one use. `identity` keys sign (PSS, SHA-256, salt 32) and never decrypt; `sealing` keys open (OAEP,
 * SHA-256, also for MGF1) and never sign. The purpose is part of the type and checked again when a key is used.
 *
 * Keys are plain rsaEncryption (Node's `rsa-pss` kind is refused by WebCrypto and jose), e = 65537, 2048 to 4096 bits.
 * Generation, OAEP padding and PSS salts take the system's randomness.
 */
import type { KeyObject } from 'node:crypto';
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  publicEncrypt,
  sign,
  verify,
  webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { Fingerprint } from '@securechat/wire';
import { SecureChatError, toBase64url } from '@securechat/wire';
import { digest } from './hash.ts';
import { plain } from './plain.ts';

export type RsaPurpose = 'identity' | 'sealing';

export const RSA_BITS_MIN = 2048;
export const RSA_BITS_DEFAULT = 3072;
export const RSA_BITS_MAX = 4096;
/** DER SubjectPublicKeyInfo at 4096 bits. */
export const RSA_SPKI_BYTES_MAX = 550;

let objectOf: (key: RsaPublic<RsaPurpose> | RsaPrivate<RsaPurpose>) => KeyObject;

/** A public key, checked at import. Equal keys have equal `spki`. */
export class RsaPublic<out P extends RsaPurpose> {
  readonly purpose: P;
  readonly bits: number;
  /** Canonical DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** SHA-256 of `spki`, 32 bytes. */
  readonly spkiHash: Uint8Array;
  readonly fingerprint: Fingerprint;
  readonly #key: KeyObject;

  constructor(purpose: P, key: KeyObject) {
    this.purpose = purpose;
    this.bits = bitsOf(key, 'public');
    this.spki = plain(key.export({ format: 'der', type: 'spki' }));
    this.spkiHash = digest('sha256', this.spki);
    this.fingerprint = fingerprintOf(this.spki);
    this.#key = key;
  }

  static {
    objectOf = (key) => (key instanceof RsaPrivate ? RsaPrivate.objectOf(key) : key.#key);
  }
}

/** A private key with its public half. The key itself stays inside node:crypto until `exportPkcs8`. */
export class RsaPrivate<out P extends RsaPurpose> {
  readonly purpose: P;
  readonly public: RsaPublic<P>;
  readonly #key: KeyObject;
  #opener: Promise<webcrypto.CryptoKey> | undefined;

  constructor(purpose: P, key: KeyObject) {
    bitsOf(key, 'private');
    this.purpose = purpose;
    this.public = new RsaPublic(purpose, createPublicKey(key));
    this.#key = key;
  }

  /** DER PKCS #8, unencrypted; the caller wraps it and wipes it. */
  exportPkcs8(): Uint8Array<ArrayBuffer> {
    return plain(this.#key.export({ format: 'der', type: 'pkcs8' }));
  }

  static objectOf(key: RsaPrivate<RsaPurpose>): KeyObject {
    return key.#key;
  }

  /** WebCrypto works on the thread pool; `privateDecrypt` would hold the event loop for milliseconds. */
  static openerOf(key: RsaPrivate<'sealing'>): Promise<webcrypto.CryptoKey> {
    key.#opener ??= Promise.resolve(key.#key.toCryptoKey({ name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['decrypt']));
    return key.#opener;
  }
}

/** The node:crypto object of a key; for the other doors of this package alone. */
export function keyObjectOf(key: RsaPublic<RsaPurpose> | RsaPrivate<RsaPurpose>): KeyObject {
  return objectOf(key);
}

const generateAsync = promisify(generateKeyPair);

/** On the thread pool: about 0.1 s at 2048 bits, 0.3 s at 3072, 1 s at 4096. USAGE for other sizes. */
export async function generateRsa<P extends RsaPurpose>(
  purpose: P,
  bits: number = RSA_BITS_DEFAULT,
): Promise<RsaPrivate<P>> {
  if (!bitsAllowed(bits))
    throw new SecureChatError('USAGE', { text: 'RSA keys have 2048 to 4096 bits, a multiple of 8.' });
  const { privateKey } = await generateAsync('rsa', { modulusLength: bits, publicExponent: 0x10001 });
  return new RsaPrivate(purpose, privateKey);
}

/** Public keys read last: each certificate names the same few again and again. Nothing secret, some kB each. */
const RECENT_MAX = 256;
const recent = new Map<string, RsaPublic<RsaPurpose>>();

/** MALFORMED where it is no canonical DER SPKI; CERTIFICATE_REJECTED where the key is not of the allowed kind. */
export function importRsaPublic<P extends RsaPurpose>(purpose: P, spki: Uint8Array): RsaPublic<P> {
  if (spki.length > RSA_SPKI_BYTES_MAX) throw new SecureChatError('MALFORMED', { text: 'A public key is too long.' });
  const name = `${purpose} ${Buffer.from(spki).toString('latin1')}`;
  const known = recent.get(name) as RsaPublic<P> | undefined;
  const result = known ?? readRsaPublic(purpose, spki);
  recent.delete(name);
  recent.set(name, result);
  const [oldest] = recent.keys();
  if (recent.size > RECENT_MAX && oldest !== undefined) recent.delete(oldest);
  return result;
}

function readRsaPublic<P extends RsaPurpose>(purpose: P, spki: Uint8Array): RsaPublic<P> {
  const key = parsed(() => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }));
  bitsOf(key, 'public');
  const result = new RsaPublic(purpose, key);
  // One key, one spelling: otherwise one key had many fingerprints.
  if (Buffer.compare(result.spki, spki) !== 0)
    throw new SecureChatError('MALFORMED', { text: 'A public key is not in canonical form.' });
  return result;
}

/** MALFORMED where it is no PKCS #8; CERTIFICATE_REJECTED where the key is not of the allowed kind. */
export function importRsaPrivate<P extends RsaPurpose>(purpose: P, pkcs8: Uint8Array): RsaPrivate<P> {
  const der = Buffer.from(pkcs8);
  try {
    return new RsaPrivate(
      purpose,
      parsed(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })),
    );
  } finally {
    der.fill(0);
  }
}

/** `sha256:` and the SHA-256 of the SPKI in base64url. */
export function fingerprintOf(spki: Uint8Array): Fingerprint {
  return `sha256:${toBase64url(digest('sha256', spki))}` as Fingerprint;
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;

/** RSASSA-PSS, SHA-256, salt 32, on the thread pool: 0.5 ms at 2048 bits, 1.7 at 3072. */
export function pssSign(key: RsaPrivate<'identity'>, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  insistOn(key, 'identity');
  return new Promise((resolve, reject) => {
    sign('sha256', message, { key: keyObjectOf(key), ...pss }, (error, signature) => {
      if (error === null) resolve(plain(signature));
      else reject(error);
    });
  });
}

export function pssVerify(key: RsaPublic<'identity'>, message: Uint8Array, signature: Uint8Array): boolean {
  insistOn(key, 'identity');
  // RFC 8017 §8.1.2, step 1: OpenSSL takes one without its leading zero as well, and one signature had two spellings.
  if (signature.length * 8 !== key.bits) return false;
  return verify('sha256', message, { key: keyObjectOf(key), ...pss }, signature);
}

export interface OaepInput<Key> {
  readonly key: Key;
  readonly label: Uint8Array;
}

/** RSAES-OAEP; `plaintext` at most bits / 8 − 66 bytes. Under 0.1 ms. */
export function oaepSeal(
  input: OaepInput<RsaPublic<'sealing'>> & { readonly plaintext: Uint8Array },
): Uint8Array<ArrayBuffer> {
  insistOn(input.key, 'sealing');
  const options = {
    key: keyObjectOf(input.key),
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: 'sha256',
    oaepLabel: Buffer.from(input.label),
  };
  return plain(publicEncrypt(options, input.plaintext));
}

/**
 * On the thread pool: 0.5 ms at 2048 bits, 1.6 at 3072. Undefined for whatever is wrong. The caller must not let the
 * other side see that undefined (Manger's attack): `openSealed` goes on with a random key.
 */
export async function oaepOpen(
  input: OaepInput<RsaPrivate<'sealing'>> & { readonly ciphertext: Uint8Array },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  insistOn(input.key, 'sealing');
  const key = await RsaPrivate.openerOf(input.key);
  const algorithm = { name: 'RSA-OAEP', label: new Uint8Array(input.label) };
  try {
    return new Uint8Array(await webcrypto.subtle.decrypt(algorithm, key, new Uint8Array(input.ciphertext)));
  } catch {
    return undefined;
  }
}

function insistOn(key: { readonly purpose: RsaPurpose }, purpose: RsaPurpose): void {
  if (key.purpose !== purpose) throw new SecureChatError('INTERNAL', { text: 'A key was used for another purpose.' });
}

function bitsAllowed(bits: number): boolean {
  return Number.isInteger(bits) && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && bits % 8 === 0;
}

function bitsOf(key: KeyObject, type: 'public' | 'private'): number {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  const fits = key.type === type && key.asymmetricKeyType === 'rsa' && publicExponent === 65537n;
  if (!fits || modulusLength === undefined || !bitsAllowed(modulusLength))
    throw new SecureChatError('CERTIFICATE_REJECTED', {
      text: 'A key is not RSA of 2048 to 4096 bits with e = 65537.',
    });
  return modulusLength;
}

function parsed(parse: () => KeyObject): KeyObject {
  try {
    return parse();
  } catch (cause) {
    throw new SecureChatError('MALFORMED', { text: 'A key cannot be read.' }, { cause });
  }
}
