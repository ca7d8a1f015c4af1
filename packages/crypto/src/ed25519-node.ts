/** Ed25519 (RFC 8032) by node:crypto, on raw 32-byte keys; the private key is the seed. */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { plain } from './plain.ts';

export const ED25519_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

export interface Ed25519 {
  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer>;
  /** 64 bytes. */
  sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer>;
  /** False for a wrong signature and for keys or signatures that are none. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export const nodeEd25519: Ed25519 = {
  publicOf(privateKey) {
    return plain(createPublicKey(privateObject(privateKey)).export({ format: 'raw-public' }));
  },

  sign(privateKey, message) {
    return plain(sign(null, message, privateObject(privateKey)));
  },

  verify(publicKey, message, signature) {
    if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
    try {
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'raw-public', asymmetricKeyType: 'ed25519' });
      return verify(null, message, key, signature);
    } catch {
      return false;
    }
  },
};

function privateObject(privateKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-private', asymmetricKeyType: 'ed25519' });
}
