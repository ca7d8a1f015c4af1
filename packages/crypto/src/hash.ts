/** Hashes, HMAC (RFC 2104) and HKDF (RFC 5869). */
import { createHash, createHmac, hash, hkdfSync } from 'node:crypto';
import { plain } from './plain.ts';

export type HashName = 'sha256' | 'sha512' | 'sha3-256';

/** Output sizes in bytes. */
export const hashBytes: Readonly<Record<HashName, number>> = { sha256: 32, sha512: 64, 'sha3-256': 32 };

export function digest(name: HashName, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return plain(hash(name, data, 'buffer'));
}

/** 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return digest('sha256', data);
}

/** 64 bytes. */
export function sha512(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return digest('sha512', data);
}

/** 32 bytes. */
export function sha3(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return digest('sha3-256', data);
}

/** SHAKE256 (FIPS 202) with that many bytes of output. */
export function shake256(data: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  return plain(createHash('shake256', { outputLength: length }).update(data).digest());
}

/** A hash over pieces; `digest` ends it. */
export interface Hasher {
  update(piece: Uint8Array): Hasher;
  digest(): Uint8Array<ArrayBuffer>;
}

export function hasher(name: HashName): Hasher {
  const state = createHash(name);
  const self: Hasher = {
    update(piece) {
      state.update(piece);
      return self;
    },
    digest: () => plain(state.digest()),
  };
  return self;
}

export function hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return plain(createHmac(name, key).update(data).digest());
}

/** 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return hmac('sha256', key, data);
}

/** 64 bytes. */
export function hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return hmac('sha512', key, data);
}

export interface HkdfInput {
  readonly ikm: Uint8Array;
  readonly salt: Uint8Array;
  /** At most 1024 bytes (node:crypto). */
  readonly info: Uint8Array;
  /** At most 255 hashes. */
  readonly length: number;
}

/** HKDF, extract and expand in one (RFC 5869 §2). */
export function hkdf(name: HashName, input: HkdfInput): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync(name, input.ikm, input.salt, input.info, input.length));
}

export function hkdfSha256(input: HkdfInput): Uint8Array<ArrayBuffer> {
  return hkdf('sha256', input);
}

/** RFC 5869 §2.2; an empty salt is one hash of zeros. */
export function hkdfExtract(name: HashName, salt: Uint8Array, ikm: Uint8Array): Uint8Array<ArrayBuffer> {
  return hmac(name, salt.length === 0 ? new Uint8Array(hashBytes[name]) : salt, ikm);
}

/** RFC 5869 §2.3; `prk` is a pseudorandom key of at least one hash. */
export function hkdfExpand(name: HashName, prk: Uint8Array, info: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const size = hashBytes[name];
  if (length > 255 * size) throw new RangeError('HKDF-Expand cannot make that many bytes.');
  const output = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let at = 0, counter = 1; at < length; at += size, counter += 1) {
    const state = createHmac(name, prk);
    block = plain(state.update(block).update(info).update(Uint8Array.of(counter)).digest());
    output.set(block.subarray(0, Math.min(size, length - at)), at);
  }
  block.fill(0);
  return output;
}
