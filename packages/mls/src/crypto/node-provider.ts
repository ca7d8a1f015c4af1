/** The primitives of `node:crypto` (OpenSSL 3.5 and later for ML-KEM). The only file that imports a `node:` module. */
import type { KeyObject } from 'node:crypto';
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  hash,
  sign,
  verify,
} from 'node:crypto';
import type { AeadName, CryptoProvider } from './provider.ts';

const TAG_BYTES = 16;
const CURVE_KEY_BYTES = 32;
const ML_KEM_PUBLIC_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;

const ciphers = {
  aes128gcm: 'aes-128-gcm',
  aes256gcm: 'aes-256-gcm',
  chacha20poly1305: 'chacha20-poly1305',
} as const satisfies Record<AeadName, string>;

export const nodeProvider: CryptoProvider = {
  name: 'node:crypto',
  hash: (name, data) => plain(hash(name, data, 'buffer')),
  hmac: (name, key, data) => plain(createHmac(name, key).update(data).digest()),
  seal(name, { key, nonce, aad, plaintext }) {
    // The casts choose among Node's overloads; all three ciphers take the options of an AEAD.
    const cipher = createCipheriv(ciphers[name] as 'aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed;
  },
  open(name, { key, nonce, aad, ciphertext }) {
    const length = ciphertext.length - TAG_BYTES;
    if (length < 0) return undefined;
    const decipher = createDecipheriv(ciphers[name] as 'aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(aad, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    const opened = plain(decipher.update(ciphertext.subarray(0, length)));
    try {
      decipher.final();
      return opened;
    } catch {
      opened.fill(0);
      return undefined;
    }
  },
  ed25519: {
    publicOf: (privateKey) => rawPublic(privateObject('ed25519', privateKey)),
    sign: (privateKey, message) => plain(sign(null, message, signingObject(privateKey))),
    verify(publicKey, message, signature) {
      const key = publicObject('ed25519', publicKey, CURVE_KEY_BYTES);
      return key !== undefined && verify(null, message, key, signature);
    },
  },
  x25519: {
    publicOf: (privateKey) => rawPublic(privateObject('x25519', privateKey)),
    shared: (privateKey, publicKey) => agree(privateObject('x25519', privateKey), publicKey),
    exchange(privateKey, publicKey) {
      const own = privateObject('x25519', privateKey);
      const shared = agree(own, publicKey);
      return shared && { share: rawPublic(own), shared };
    },
  },
  mlKem768: {
    publicOf: (seed) => rawPublic(mlKemPrivate(seed)),
    encapsulate(publicKey) {
      const key = publicObject('ml-kem-768', publicKey, ML_KEM_PUBLIC_BYTES);
      if (key === undefined) return undefined;
      const { sharedKey, ciphertext } = encapsulate(key);
      return { secret: plain(sharedKey), output: plain(ciphertext) };
    },
    decapsulate(seed, ciphertext) {
      if (ciphertext.length !== ML_KEM_CIPHERTEXT_BYTES) return undefined;
      return plain(decapsulate(mlKemPrivate(seed), ciphertext));
    },
  },
  sha3: (data) => plain(hash('sha3-256', data, 'buffer')),
  shake256: (data, length) => plain(createHash('shake256', { outputLength: length }).update(data).digest()),
};

function agree(own: KeyObject, publicKey: Uint8Array): Uint8Array | undefined {
  const theirs = publicObject('x25519', publicKey, CURVE_KEY_BYTES);
  if (theirs === undefined) return undefined;
  try {
    const secret = plain(diffieHellman({ privateKey: own, publicKey: theirs }));
    return secret.some((byte) => byte !== 0) ? secret : undefined;
  } catch {
    // OpenSSL refuses points of small order itself.
    return undefined;
  }
}

type KeyType = 'ed25519' | 'x25519' | 'ml-kem-768';

function privateObject(asymmetricKeyType: 'ed25519' | 'x25519', privateKey: Uint8Array): KeyObject {
  return createPrivateKey({ key: viewOf(privateKey), format: 'raw-private', asymmetricKeyType });
}

interface SigningKey {
  readonly key: KeyObject;
  readonly fingerprint: string;
}

/**
 * Importing a signing key costs as much as signing. The object goes with the byte string; where the bytes are others than
 * they were, wiped or reused, it is not used.
 */
const signingKeys = new WeakMap<Uint8Array, SigningKey>();

function signingObject(privateKey: Uint8Array): KeyObject {
  const fingerprint = hash('sha256', privateKey, 'base64');
  const known = signingKeys.get(privateKey);
  if (known?.fingerprint === fingerprint) return known.key;
  const key = privateObject('ed25519', privateKey);
  signingKeys.set(privateKey, { key, fingerprint });
  return key;
}

/** PKCS #8 of an ML-KEM-768 seed (RFC 9935 §6), before the seed itself. */
const mlKemHeader = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');

/** In a PKCS #8 of its own: OpenSSL takes less than half of the time that it takes for a seed alone. */
function mlKemPrivate(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([mlKemHeader, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** Importing a public key costs a tenth of using it; the cache lives as long as the byte string does. */
const imported = new WeakMap<Uint8Array, KeyObject>();

function publicObject(asymmetricKeyType: KeyType, publicKey: Uint8Array, bytes: number): KeyObject | undefined {
  if (publicKey.length !== bytes) return undefined;
  const known = imported.get(publicKey);
  if (known?.asymmetricKeyType === asymmetricKeyType) return known;
  try {
    const key = createPublicKey({ key: viewOf(publicKey), format: 'raw-public', asymmetricKeyType });
    imported.set(publicKey, key);
    return key;
  } catch {
    return undefined;
  }
}

function rawPublic(privateKey: KeyObject): Uint8Array {
  return plain(createPublicKey(privateKey).export({ format: 'raw-public' }));
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The same memory without Buffer's methods; a Buffer of the shared pool is copied out of it. */
function plain(buffer: Buffer): Uint8Array {
  if (buffer.byteLength !== buffer.buffer.byteLength) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
