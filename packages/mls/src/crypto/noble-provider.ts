/**
 * The primitives in JavaScript alone, for browsers: noble. Slower than `node:crypto`, and as far from constant time as
 * JavaScript is. All randomness comes from `entropy`, that of ML-KEM too. The only file that imports noble.
 */
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { concat, equalPublic } from '../codec/bytes.ts';
import type { AeadName, CryptoProvider, HashName } from './provider.ts';
import { isMlKemKey } from './usable-key.ts';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const ML_KEM_RANDOM_BYTES = 32;
const ML_KEM_CIPHERTEXT_BYTES = 1088;

const hashes = { sha256, sha512 } as const satisfies Record<HashName, unknown>;
const ciphers = { aes128gcm: gcm, aes256gcm: gcm, chacha20poly1305 } as const satisfies Record<AeadName, unknown>;

export const nobleProvider: CryptoProvider = {
  name: 'noble',
  hash: (name, data) => hashes[name](data),
  hmac: (name, key, data) => hmac(hashes[name], key, data),
  seal: (name, { key, nonce, aad, plaintext }) => ciphers[name](key, nonce, aad).encrypt(plaintext),
  open(name, { key, nonce, aad, ciphertext }) {
    if (ciphertext.length < TAG_BYTES) return undefined;
    return unlessItThrows(() => ciphers[name](key, nonce, aad).decrypt(ciphertext));
  },
  ed25519: {
    publicOf: (privateKey) => ed25519.getPublicKey(privateKey),
    sign: (privateKey, message) => ed25519.sign(message, privateKey),
    verify: (publicKey, message, signature) =>
      unlessItThrows(() => verifiesStrictly(publicKey, message, signature)) ?? false,
  },
  x25519: {
    publicOf: (privateKey) => x25519.getPublicKey(privateKey),
    shared,
    exchange(privateKey, publicKey) {
      const secret = shared(privateKey, publicKey);
      return secret && { share: x25519.getPublicKey(privateKey), shared: secret };
    },
  },
  mlKem768: {
    publicOf(seed) {
      const { publicKey, secretKey } = ml_kem768.keygen(seed);
      secretKey.fill(0);
      return publicKey;
    },
    encapsulate(publicKey, entropy) {
      // noble does not look whether it is reduced.
      if (!isMlKemKey(publicKey)) return undefined;
      return unlessItThrows(() => {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, entropy(ML_KEM_RANDOM_BYTES));
        return { secret: sharedSecret, output: cipherText };
      });
    },
    decapsulate(seed, ciphertext) {
      if (ciphertext.length !== ML_KEM_CIPHERTEXT_BYTES) return undefined;
      const { secretKey } = ml_kem768.keygen(seed);
      const secret = ml_kem768.decapsulate(ciphertext, secretKey);
      secretKey.fill(0);
      return secret;
    },
  },
  sha3: (data) => sha3_256(data),
  shake256: (data, length) => shake256(data, { dkLen: length }),
};

const SIGNATURE_BYTES = 64;
const { Point } = ed25519;

/**
 * RFC 8032 §5.1.7 without the cofactor, and no point of small order: what OpenSSL does. Members must judge alike, and
 * noble's own `verify` takes signatures that a hostile signer can make and OpenSSL refuses.
 */
function verifiesStrictly(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  const share = signature.subarray(0, KEY_BYTES);
  const response = littleEndian(signature.subarray(KEY_BYTES));
  if (response >= Point.Fn.ORDER) return false;
  const key = Point.fromBytes(publicKey);
  const challenge = littleEndian(sha512(concat(share, publicKey, message))) % Point.Fn.ORDER;
  const expected = Point.BASE.multiplyUnsafe(response).subtract(key.multiplyUnsafe(challenge));
  return !key.isSmallOrder() && !expected.isSmallOrder() && equalPublic(expected.toBytes(), share);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** Noble refuses an all-zero result by an error of its own. */
function shared(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== KEY_BYTES) return undefined;
  return unlessItThrows(() => x25519.getSharedSecret(privateKey, publicKey));
}

function unlessItThrows<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
