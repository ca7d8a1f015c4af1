/** Authenticated encryption: 32-byte key (16 for AES-128), 12-byte nonce, 16-byte tag behind the ciphertext. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SecureChatError } from '@securechat/wire';
import { plain } from './plain.ts';

export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

export interface AeadUse {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

export interface AeadSealUse extends AeadUse {
  readonly plaintext: Uint8Array;
  readonly headBytes?: number;
}

export interface Aead {
  /**
   * Ciphertext ‖ tag, behind `headBytes` (default 0) zero bytes for the caller to fill. A key and nonce must never be
   * used for two plaintexts. INTERNAL for wrong sizes: a bug of ours.
   */
  seal(use: AeadSealUse): Uint8Array<ArrayBuffer>;
  /** The plaintext, or undefined when anything is wrong: sizes, key, nonce, associated data or one bit. */
  open(use: AeadUse & { readonly ciphertext: Uint8Array }): Uint8Array<ArrayBuffer> | undefined;
}

/** AES-256-GCM (NIST SP 800-38D). */
export const aes256gcm: Aead = nodeAead('aes-256-gcm');

/** AES-128-GCM with a 16-byte key: only for MLS cipher suites that name it. */
export const aes128gcm: Aead = nodeAead('aes-128-gcm', 16);

/** ChaCha20-Poly1305 (RFC 8439) by node:crypto; chacha.ts chooses between it and libsodium. */
export const nodeChacha20poly1305: Aead = nodeAead('chacha20-poly1305');

export function sizesFit({ key, nonce }: AeadUse, keyBytes: number = AEAD_KEY_BYTES): boolean {
  return key.length === keyBytes && nonce.length === AEAD_NONCE_BYTES;
}

export function insistOnSizes(use: AeadUse, keyBytes: number = AEAD_KEY_BYTES): void {
  if (!sizesFit(use, keyBytes)) throw new SecureChatError('INTERNAL', { text: 'Key or nonce of a wrong size.' });
}

function nodeAead(name: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305', keyBytes = AEAD_KEY_BYTES): Aead {
  // The names have an overload each in the type definitions, of the same shape.
  const cipherName = name as 'chacha20-poly1305';
  const options = { authTagLength: AEAD_TAG_BYTES };
  return {
    seal(use) {
      insistOnSizes(use, keyBytes);
      const { key, nonce, aad, plaintext } = use;
      const cipher = createCipheriv(cipherName, key, nonce, options);
      cipher.setAAD(aad, { plaintextLength: plaintext.length });
      const body = cipher.update(plaintext);
      cipher.final();
      const headBytes = use.headBytes ?? 0;
      const sealed = new Uint8Array(headBytes + body.length + AEAD_TAG_BYTES);
      sealed.set(body, headBytes);
      sealed.set(cipher.getAuthTag(), headBytes + body.length);
      return sealed;
    },
    open(use) {
      const { key, nonce, aad, ciphertext } = use;
      const length = ciphertext.length - AEAD_TAG_BYTES;
      if (!sizesFit(use, keyBytes) || length < 0) return undefined;
      const decipher = createDecipheriv(cipherName, key, nonce, options);
      decipher.setAAD(aad, { plaintextLength: length });
      decipher.setAuthTag(ciphertext.subarray(length));
      const plaintext = plain(decipher.update(ciphertext.subarray(0, length)));
      try {
        decipher.final();
      } catch {
        plaintext.fill(0);
        return undefined;
      }
      return plaintext;
    },
  };
}
