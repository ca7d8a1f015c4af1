/**
 * The door to libsodium (`sodium-native`, an optional dependency): ChaCha20-Poly1305 at a third of the cost of
 * node:crypto for short records. Absent, broken or different from node:crypto, it is not used.
 */
import { createRequire } from 'node:module';
import type { Aead } from './aead.ts';
import { AEAD_TAG_BYTES, insistOnSizes, nodeChacha20poly1305, sizesFit } from './aead.ts';

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
}

/** libsodium's ChaCha20-Poly1305, or undefined where it cannot be loaded or fails its self-test. */
export function loadSodium(): Aead | undefined {
  try {
    const native = createRequire(import.meta.url)('sodium-native') as SodiumNative;
    const candidate = aeadOf(native);
    return agrees(candidate) ? candidate : undefined;
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
