/**
 * HMAC-SHA-512 (RFC 2104) over libsodium's SHA-512, for short data: node:crypto makes an object for every call, which
 * costs as much as its four blocks.
 */
import { hmacSha512 } from './hash.ts';
import { equal } from './secret.ts';
import { loaded } from './sodium.ts';

/** 64 bytes. */
export type HmacSha512 = (key: Uint8Array, data: Uint8Array) => Uint8Array<ArrayBuffer>;

/** Undefined where it cannot be loaded or fails its self-test. */
export function loadSodiumHmacSha512(): HmacSha512 | undefined {
  return loaded((native) => {
    const candidate = hmacOver((hash, data) => native.crypto_hash_sha512(hash, data));
    return macsAlike(candidate) ? candidate : undefined;
  });
}

const BLOCK_BYTES = 128;
const HASH_BYTES = 64;
/** Longer data goes to node:crypto, which is no slower there. */
const DATA_BYTES_MAX = 512;
const INNER = 0x36;
const OUTER = 0x5c;

/** `sha512` writes the hash of its second argument into the first. */
function hmacOver(sha512: (hash: Uint8Array, data: Uint8Array) => void): HmacSha512 {
  // Used again by every call, which leaves nothing of a key in them: memory of their own would cost as much as the hashes.
  const inner = new Uint8Array(BLOCK_BYTES + DATA_BYTES_MAX).fill(INNER);
  const outer = new Uint8Array(BLOCK_BYTES + HASH_BYTES).fill(OUTER);
  const innerHash = outer.subarray(BLOCK_BYTES);
  return (key, data) => {
    if (key.length > BLOCK_BYTES || data.length > DATA_BYTES_MAX) return hmacSha512(key, data);
    for (let at = 0; at < key.length; at += 1) {
      const byte = key[at] ?? 0;
      inner[at] = byte ^ INNER;
      outer[at] = byte ^ OUTER;
    }
    inner.set(data, BLOCK_BYTES);
    try {
      const mac = new Uint8Array(HASH_BYTES);
      sha512(innerHash, inner.subarray(0, BLOCK_BYTES + data.length));
      sha512(mac, outer);
      return mac;
    } finally {
      inner.fill(INNER, 0, BLOCK_BYTES + data.length);
      outer.fill(OUTER);
    }
  };
}

/** Self-test: keys around the block, longer ones first; data around the blocks of the hash and the bound. */
export function macsAlike(candidate: HmacSha512): boolean {
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 7 + length) & 0xff);
  for (const keyBytes of [200, 129, 128, 127, 64, 32, 1, 0])
    for (const dataBytes of [0, 1, 63, 111, 112, 127, 128, 300, DATA_BYTES_MAX, DATA_BYTES_MAX + 1]) {
      const [key, data] = [bytes(keyBytes), bytes(dataBytes)];
      if (!equal(candidate(key, data), hmacSha512(key, data))) return false;
    }
  return true;
}

/** libsodium's, where it is at hand and agrees with node:crypto. */
export const sodiumHmacSha512: HmacSha512 | undefined = loadSodiumHmacSha512();
