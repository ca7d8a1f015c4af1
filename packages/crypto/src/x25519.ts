import type { Entropy } from './entropy.ts';
import { loadSodiumX25519 } from './sodium-x25519.ts';
import { nodeX25519, X25519_BYTES } from './x25519-node.ts';

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

const best = loadSodiumX25519() ?? nodeX25519;

/** X25519 (RFC 7748) on raw 32-byte keys: libsodium's where it is at hand and agrees with node:crypto. */
export const x25519 = {
  ...best,

  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(X25519_BYTES);
    return { privateKey, publicKey: best.publicOf(privateKey) };
  },

  /** The answer to a share: the public half of a fresh key that serves this once, and what both share. */
  exchange(entropy: Entropy, theirs: Uint8Array): Exchanged | undefined {
    const { privateKey, publicKey } = x25519.generate(entropy);
    const secret = best.shared(privateKey, theirs);
    privateKey.fill(0);
    return secret && { publicKey, secret };
  },
};
