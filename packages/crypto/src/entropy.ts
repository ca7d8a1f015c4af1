/** Randomness is an argument everywhere: the system's in production, a seed's in tests and simulations. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { digest } from './hash.ts';
import { plain } from './plain.ts';

/** Returns that many unpredictable bytes, fresh on every call and owned by the caller. */
export type Entropy = (bytes: number) => Uint8Array;

/** The operating system's generator. */
export const systemEntropy: Entropy = (bytes) => plain(randomBytes(bytes));

/**
 * The same bytes for the same seed, whatever the sizes asked for: the ChaCha20 key stream of SHA-256(seed). For tests
 * and simulation alone. RSA, OAEP, PSS and ML-KEM encapsulation take the system's randomness in any case (node:crypto
 * offers no other).
 */
export function seededEntropy(seed: Uint8Array | string): Entropy {
  const stream = createCipheriv('chacha20', digest('sha256', Buffer.from(seed)), new Uint8Array(16));
  return (bytes) => plain(stream.update(new Uint8Array(bytes)));
}
