import type { Aead } from './aead.ts';
import { nodeChacha20poly1305 } from './aead.ts';
import { loadSodium } from './sodium.ts';

/** ChaCha20-Poly1305 (RFC 8439): libsodium's where it is at hand and agrees with node:crypto, else node:crypto's. */
export const chacha20poly1305: Aead = loadSodium() ?? nodeChacha20poly1305;
