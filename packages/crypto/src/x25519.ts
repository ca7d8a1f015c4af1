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

export interface Exchanged {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; the caller wipes it. */
  readonly secret: Uint8Array;
}

export const x25519 = {
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(X25519_BYTES);
    return { privateKey, publicKey: x25519.publicOf(privateKey) };
  },

  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
    return publicHalf(privateObject(privateKey));
  },

  /**
   * The answer to a share: the public half of a fresh key that serves this once, and what both share. Cheaper than
   * `generate` and `shared`, which take the private key apart twice. Undefined where `shared` is.
   */
  exchange(entropy: Entropy, theirs: Uint8Array): Exchanged | undefined {
    const privateKey = entropy(X25519_BYTES);
    const own = privateObject(privateKey);
    privateKey.fill(0);
    const secret = sharedWith(own, theirs);
    return secret && { publicKey: publicHalf(own), secret };
  },

  /** 32 bytes; undefined for a key of a wrong size and where the result would be all zeros (RFC 7748 §6.1). */
  shared(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    return privateKey.length === X25519_BYTES ? sharedWith(privateObject(privateKey), publicKey) : undefined;
  },
};

type PrivateObject = ReturnType<typeof createPrivateKey>;

function sharedWith(own: PrivateObject, publicKey: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (publicKey.length !== X25519_BYTES) return undefined;
  try {
    const theirs = createPublicKey({ key: Buffer.from(publicKey), format: 'raw-public', asymmetricKeyType: 'x25519' });
    const secret = plain(diffieHellman({ privateKey: own, publicKey: theirs }));
    return secret.some((byte) => byte !== 0) ? secret : undefined;
  } catch {
    return undefined;
  }
}

function publicHalf(own: PrivateObject): Uint8Array<ArrayBuffer> {
  return plain(createPublicKey(own).export({ format: 'raw-public' }));
}

function privateObject(privateKey: Uint8Array): PrivateObject {
  return createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-private', asymmetricKeyType: 'x25519' });
}
