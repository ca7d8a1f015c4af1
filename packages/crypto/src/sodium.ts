/**
 * The door to libsodium (`sodium-native`, an optional dependency): ChaCha20-Poly1305 at a third of the cost of
 * node:crypto for short records, Ed25519 at two fifths, X25519 at half. Absent, broken or different from node:crypto, it
 * is not used.
 */
import { createRequire } from 'node:module';
import type { Aead } from './aead.ts';
import { AEAD_TAG_BYTES, insistOnSizes, nodeChacha20poly1305, sizesFit } from './aead.ts';
import type { Ed25519 } from './ed25519-node.ts';
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, nodeEd25519 } from './ed25519-node.ts';
import { sha256 } from './hash.ts';
import { equal, wipe } from './secret.ts';

interface SodiumNative {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_aead_chacha20poly1305_ietf_decrypt(
    plaintext: Uint8Array,
    secretNonce: null,
    ciphertext: Uint8Array,
    aad: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  crypto_scalarmult_base(publicKey: Uint8Array, privateKey: Uint8Array): void;
  /** Throws where the secret would be all zeros. */
  crypto_scalarmult(secret: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): void;
}

/** libsodium's ChaCha20-Poly1305, or undefined where it cannot be loaded or fails its self-test. */
export function loadSodium(): Aead | undefined {
  return loaded((native) => {
    const candidate = aeadOf(native);
    return agrees(candidate) ? candidate : undefined;
  });
}

/** libsodium's Ed25519, in the same way. */
export function loadSodiumEd25519(): Ed25519 | undefined {
  return loaded((native) => {
    const candidate = ed25519Of(native);
    return signsAlike(candidate) ? candidate : undefined;
  });
}

/** What `take` makes of libsodium; undefined where it is absent or fails. */
export function loaded<T>(take: (native: SodiumNative) => T | undefined): T | undefined {
  try {
    return take(createRequire(import.meta.url)('sodium-native') as SodiumNative);
  } catch {
    return undefined;
  }
}

function aeadOf(native: SodiumNative): Aead {
  return {
    seal(use) {
      insistOnSizes(use);
      const headBytes = use.headBytes ?? 0;
      const sealed = new Uint8Array(headBytes + use.plaintext.length + AEAD_TAG_BYTES);
      const output = headBytes === 0 ? sealed : sealed.subarray(headBytes);
      native.crypto_aead_chacha20poly1305_ietf_encrypt(output, use.plaintext, use.aad, null, use.nonce, use.key);
      return sealed;
    },
    open(use) {
      const length = use.ciphertext.length - AEAD_TAG_BYTES;
      if (!sizesFit(use) || length < 0) return undefined;
      const plaintext = new Uint8Array(length);
      try {
        native.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, use.ciphertext, use.aad, use.nonce, use.key);
      } catch {
        return undefined;
      }
      return plaintext;
    },
  };
}

/** Self-test: both ways against node:crypto at sizes around the block size, and a flipped bit must be refused. */
export function agrees(candidate: Aead): boolean {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const nonce = Uint8Array.from({ length: 12 }, (_, i) => 64 + i);
  for (const size of [0, 1, 63, 64, 65, 300]) {
    const plaintext = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 0xff);
    for (const aad of [new Uint8Array(0), Uint8Array.of(1, 2, 3)]) {
      const sealed = candidate.seal({ key, nonce, aad, plaintext });
      if (Buffer.compare(sealed, nodeChacha20poly1305.seal({ key, nonce, aad, plaintext })) !== 0) return false;
      const opened = candidate.open({ key, nonce, aad, ciphertext: sealed });
      if (opened === undefined || Buffer.compare(opened, plaintext) !== 0) return false;
      sealed[size] = (sealed[size] ?? 0) ^ 1;
      if (candidate.open({ key, nonce, aad, ciphertext: sealed }) !== undefined) return false;
    }
  }
  return true;
}

interface KnownSeed {
  readonly hash: Uint8Array;
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

function ed25519Of(native: SodiumNative): Ed25519 {
  /**
   * Deriving the public key costs as much as signing. It goes with the byte string of the seed; where the bytes are
   * others than they were it is derived again: a signature under the public key of another seed gives the key away.
   */
  const known = new WeakMap<Uint8Array, KnownSeed>();

  function secretKeyOf(seed: Uint8Array): Uint8Array {
    if (seed.length !== ED25519_KEY_BYTES) throw new RangeError('size of an Ed25519 key');
    const secretKey = new Uint8Array(2 * ED25519_KEY_BYTES);
    const hash = sha256(seed);
    const found = known.get(seed);
    if (found !== undefined && equal(found.hash, hash)) {
      secretKey.set(seed);
      secretKey.set(found.publicKey, ED25519_KEY_BYTES);
      return secretKey;
    }
    const publicKey = new Uint8Array(ED25519_KEY_BYTES);
    native.crypto_sign_seed_keypair(publicKey, secretKey, seed);
    known.set(seed, { hash, publicKey });
    return secretKey;
  }

  return {
    publicOf(seed) {
      const secretKey = secretKeyOf(seed);
      const publicKey = secretKey.slice(ED25519_KEY_BYTES);
      wipe(secretKey);
      return publicKey;
    },
    sign(seed, message) {
      const secretKey = secretKeyOf(seed);
      const signature = new Uint8Array(ED25519_SIGNATURE_BYTES);
      native.crypto_sign_detached(signature, message, secretKey);
      wipe(secretKey);
      return signature;
    },
    verify(publicKey, message, signature) {
      if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
      return native.crypto_sign_verify_detached(signature, message, publicKey);
    },
  };
}

/** L, the order of the group, little-endian (RFC 8032 §5.1). */
const ORDER = Uint8Array.from([
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0x10,
]);

/** Self-test: the same signatures as node:crypto, and the same judgement of broken, malleable and weak ones. */
export function signsAlike(candidate: Ed25519): boolean {
  for (const size of [0, 1, 64, 300]) {
    const seed = Uint8Array.from({ length: ED25519_KEY_BYTES }, (_, i) => (i * 5 + size) & 0xff);
    const message = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 0xff);
    const publicKey = nodeEd25519.publicOf(seed);
    const signature = nodeEd25519.sign(seed, message);
    if (!equal(candidate.publicOf(seed), publicKey) || !equal(candidate.sign(seed, message), signature)) return false;
    const identity = new Uint8Array(ED25519_KEY_BYTES).fill(1, 0, 1);
    const judged: readonly (readonly [key: Uint8Array, signature: Uint8Array])[] = [
      [publicKey, signature],
      [publicKey, notReduced(signature)],
      // Of the point of order one everything with S = 0 and R = the same point would be a signature.
      [identity, Uint8Array.from({ length: ED25519_SIGNATURE_BYTES }, (_, i) => (i === 0 ? 1 : 0))],
      ...[0, 31, 32, 63].map((at) => [publicKey, signature.with(at, (signature[at] ?? 0) ^ 1)] as const),
      [publicKey.with(0, (publicKey[0] ?? 0) ^ 1), signature],
    ];
    for (const [key, one] of judged)
      if (candidate.verify(key, message, one) !== nodeEd25519.verify(key, message, one)) return false;
    if (candidate.verify(identity, message, judged[2]?.[1] ?? signature)) return false;
  }
  return true;
}

/** The signature with S + L in place of S: valid for whoever does not insist that S is reduced. */
function notReduced(signature: Uint8Array): Uint8Array {
  const changed = signature.slice();
  let carry = 0;
  for (let at = 0; at < ORDER.length; at += 1) {
    const sum = (changed[32 + at] ?? 0) + (ORDER[at] ?? 0) + carry;
    changed[32 + at] = sum & 0xff;
    carry = sum >> 8;
  }
  return changed;
}
