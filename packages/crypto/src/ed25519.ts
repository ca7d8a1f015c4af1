/** Ed25519 (RFC 8032) on raw 32-byte keys; the private key is the seed. */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { Entropy } from './entropy.ts';
import { plain } from './plain.ts';
import type { KeyPair } from './x25519.ts';

export const ED25519_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

export const ed25519 = {
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(ED25519_KEY_BYTES);
    return { privateKey, publicKey: ed25519.publicOf(privateKey) };
  },

  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
    return plain(createPublicKey(privateObject(privateKey)).export({ format: 'raw-public' }));
  },

  /** 64 bytes. */
  sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
    return plain(sign(null, message, privateObject(privateKey)));
  },

  /** False for a wrong signature and for keys or signatures that are none. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
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
