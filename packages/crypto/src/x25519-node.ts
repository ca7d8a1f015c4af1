/** X25519 (RFC 7748) by node:crypto, on raw 32-byte keys. */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { plain } from './plain.ts';

export const X25519_BYTES = 32;

export interface X25519 {
  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer>;
  /**
   * 32 bytes, which the caller wipes; undefined for a key of a wrong size and where the result would be all zeros
   * (RFC 7748 §6.1).
   */
  shared(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
}

export const nodeX25519: X25519 = {
  publicOf(privateKey) {
    return plain(createPublicKey(privateObject(privateKey)).export({ format: 'raw-public' }));
  },

  shared(privateKey, publicKey) {
    if (privateKey.length !== X25519_BYTES || publicKey.length !== X25519_BYTES) return undefined;
    try {
      const key = { key: Buffer.from(publicKey), format: 'raw-public', asymmetricKeyType: 'x25519' } as const;
      const secret = plain(diffieHellman({ privateKey: privateObject(privateKey), publicKey: createPublicKey(key) }));
      return secret.some((byte) => byte !== 0) ? secret : undefined;
    } catch {
      return undefined;
    }
  },
};

function privateObject(privateKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-private', asymmetricKeyType: 'x25519' });
}
