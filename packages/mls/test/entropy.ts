/** Randomness for tests: the same bytes in every run. */
import { createCipheriv, createHash } from 'node:crypto';
import type { Entropy } from '../src/crypto/provider.ts';

export function seeded(seed: string): Entropy {
  const key = createHash('sha256').update(seed).digest();
  const stream = createCipheriv('chacha20', key, new Uint8Array(16));
  return (bytes) => new Uint8Array(stream.update(new Uint8Array(bytes)));
}

export const entropy: Entropy = seeded('tests');
