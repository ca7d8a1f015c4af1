/** Proof of work for open registration: SHA-256(challenge ‖ nonce) with that many leading zero bits. */
import { hash } from 'node:crypto';

export const POW_CHALLENGE_BYTES = 32;
export const POW_NONCE_BYTES = 8;
const HASHES_PER_TURN = 4096;

export interface PowOptions {
  /** Called after every turn (some milliseconds) with the hashes tried so far; 2^bits are to be expected. */
  readonly onProgress?: (hashes: number) => void;
  readonly signal?: AbortSignal;
}

export const proofOfWork = {
  /** An 8-byte nonce. Gives the event loop its turn every few milliseconds; rejects when `signal` aborts. */
  async solve(challenge: Uint8Array, bits: number, options: PowOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const input = new Uint8Array(challenge.length + POW_NONCE_BYTES);
    input.set(challenge);
    const view = new DataView(input.buffer, challenge.length);
    for (let tried = 0; ;) {
      options.signal?.throwIfAborted();
      const end = tried + HASHES_PER_TURN;
      for (; tried < end; tried += 1) {
        view.setUint32(0, Math.floor(tried / 2 ** 32));
        view.setUint32(4, tried >>> 0);
        if (leadingZeroBits(hash('sha256', input, 'buffer')) >= bits) return input.slice(challenge.length);
      }
      options.onProgress?.(tried);
      await new Promise((resolve) => setImmediate(resolve));
    }
  },

  /** One hash. False for a challenge or nonce of a wrong size. */
  check(challenge: Uint8Array, nonce: Uint8Array, bits: number): boolean {
    if (challenge.length !== POW_CHALLENGE_BYTES || nonce.length !== POW_NONCE_BYTES) return false;
    return leadingZeroBits(hash('sha256', Buffer.concat([challenge, nonce]), 'buffer')) >= bits;
  },
};

function leadingZeroBits(bytes: Uint8Array): number {
  let bits = 0;
  for (const byte of bytes) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24;
    bits += 8;
  }
  return bits;
}
