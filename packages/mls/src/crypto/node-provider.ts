/** The primitives of `node:crypto` (OpenSSL 3.5 and later for ML-KEM). The only file that imports a `node:` module. */
import type { KeyObject } from 'node:crypto';
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  hash,
  sign,
  verify,
} from 'node:crypto';
import type { AeadName, CryptoProvider, HashName } from './provider.ts';

const TAG_BYTES = 16;
const CURVE_KEY_BYTES = 32;
const ML_KEM_PUBLIC_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;

const ciphers = {
  aes128gcm: 'aes-128-gcm',
  aes256gcm: 'aes-256-gcm',
  chacha20poly1305: 'chacha20-poly1305',
} as const satisfies Record<AeadName, string>;

const blockBytes: Readonly<Record<HashName, number>> = { sha256: 64, sha512: 128 };

export const nodeProvider: CryptoProvider = {
  name: 'node:crypto',
  hash: (name, data) => plain(hash(name, data, 'buffer')),
  hmac,
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
    sign: (privateKey, message) => plain(sign(null, message, privateObject('ed25519', privateKey))),
    verify(publicKey, message, signature) {
      const key = publicObject('ed25519', publicKey, CURVE_KEY_BYTES);
      return key !== undefined && verify(null, message, key, signature);
    },
  },
  x25519: {
    publicOf: (privateKey) => rawPublic(privateObject('x25519', privateKey)),
    shared(privateKey, publicKey) {
      const theirs = publicObject('x25519', publicKey, CURVE_KEY_BYTES);
      if (theirs === undefined) return undefined;
      try {
        const secret = plain(diffieHellman({ privateKey: privateObject('x25519', privateKey), publicKey: theirs }));
        return secret.some((byte) => byte !== 0) ? secret : undefined;
      } catch {
        // OpenSSL refuses points of small order itself.
        return undefined;
      }
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

/** RFC 2104 over one-shot hashing: for the short inputs of a key schedule half the time of a Hmac object. */
function hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  const block = blockBytes[name];
  const short = key.length > block ? hash(name, key, 'buffer') : key;
  const inner = new Uint8Array(block + data.length);
  const outer = new Uint8Array(block + (name === 'sha256' ? 32 : 64));
  inner.fill(0x36, 0, block);
  outer.fill(0x5c, 0, block);
  for (let i = 0; i < short.length; i++) {
    const byte = short[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  inner.set(data, block);
  const digest = hash(name, inner, 'buffer');
  outer.set(digest, block);
  const tag = plain(hash(name, outer, 'buffer'));
  inner.fill(0);
  outer.fill(0);
  digest.fill(0);
  return tag;
}

type KeyType = 'ed25519' | 'x25519' | 'ml-kem-768';

function privateObject(asymmetricKeyType: 'ed25519' | 'x25519', privateKey: Uint8Array): KeyObject {
  return createPrivateKey({ key: viewOf(privateKey), format: 'raw-private', asymmetricKeyType });
}

function mlKemPrivate(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: viewOf(seed), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' });
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
  if (buffer.byteLength !== buffer.buffer.byteLength) return Uint8Array.prototype.slice.call(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
