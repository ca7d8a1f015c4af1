/** HKDF (RFC 5869). */
import { EMPTY, concat } from '../codec/bytes.ts';
import type { CryptoProvider, HashName } from './provider.ts';

export const hashBytes: Readonly<Record<HashName, number>> = { sha256: 32, sha512: 64 };

export interface Kdf {
  readonly provider: CryptoProvider;
  readonly hash: HashName;
}

export function extract(kdf: Kdf, input: { readonly salt: Uint8Array; readonly ikm: Uint8Array }): Uint8Array {
  return kdf.provider.hmac(kdf.hash, input.salt, input.ikm);
}

export interface ExpandInput {
  readonly prk: Uint8Array;
  readonly info: Uint8Array;
  readonly length: number;
}

export function expand(kdf: Kdf, { prk, info, length }: ExpandInput): Uint8Array {
  const size = hashBytes[kdf.hash];
  if (length <= size) {
    const block = new Uint8Array(info.length + 1);
    block.set(info);
    block[info.length] = 1;
    return cut(kdf.provider.hmac(kdf.hash, prk, block), length);
  }
  const output = new Uint8Array(Math.ceil(length / size) * size);
  let block = EMPTY;
  for (let i = 1; (i - 1) * size < length; i++) {
    block = kdf.provider.hmac(kdf.hash, prk, concat(block, info, Uint8Array.of(i)));
    output.set(block, (i - 1) * size);
  }
  return cut(output, length);
}

function cut(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  const head = bytes.slice(0, length);
  bytes.fill(0);
  return head;
}
