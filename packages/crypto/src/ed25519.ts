import type { Ed25519 } from './ed25519-node.ts';
import { ED25519_KEY_BYTES, nodeEd25519 } from './ed25519-node.ts';
import type { Entropy } from './entropy.ts';
import { loadSodiumEd25519 } from './sodium.ts';
import type { KeyPair } from './x25519.ts';

/** libsodium's Ed25519, where it is at hand and agrees with node:crypto. */
export const sodiumEd25519: Ed25519 | undefined = loadSodiumEd25519();

const best = sodiumEd25519 ?? nodeEd25519;

/** Ed25519 (RFC 8032) on raw 32-byte keys; the private key is the seed. */
export const ed25519 = {
  ...best,
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(ED25519_KEY_BYTES);
    return { privateKey, publicKey: best.publicOf(privateKey) };
  },
};
