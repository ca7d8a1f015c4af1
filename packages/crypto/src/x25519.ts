/** X25519 (RFC 7748) on raw 32-byte keys. */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import type { Entropy } from './entropy.ts';
import { plain } from './plain.ts';

export const X25519_BYTES = 32;

export interface KeyPair {
  /** 32 bytes; the caller wipes it. */
  readonly privateKey: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

export const x25519 = {
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(X25519_BYTES);
    return { privateKey, publicKey: x25519.publicOf(privateKey) };
  },

  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
    return plain(createPublicKey(privateObject(privateKey)).export({ format: 'raw-public' }));
  },

  /** 32 bytes; undefined for a key of a wrong size and where the result would be all zeros (RFC 7748 §6.1). */
  shared(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    if (publicKey.length !== X25519_BYTES) return undefined;
    try {
      const theirs = createPublicKey({
        key: Buffer.from(publicKey),
        format: 'raw-public',
        asymmetricKeyType: 'x25519',
      });
      const secret = plain(diffieHellman({ privateKey: privateObject(privateKey), publicKey: theirs }));
      return secret.some((byte) => byte !== 0) ? secret : undefined;
    } catch {
      return undefined;
    }
  },
};

function privateObject(privateKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-private', asymmetricKeyType: 'x25519' });
}
