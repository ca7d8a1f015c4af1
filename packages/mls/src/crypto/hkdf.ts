/** HKDF (RFC 5869). */
import { concat, wipeAll } from '../codec/bytes.ts';
import { demand } from '../errors.ts';
import type { CryptoProvider, HashName } from './provider.ts';

export const hashBytes: Readonly<Record<HashName, number>> = { sha256: 32, sha512: 64 };
/** Their number is one byte of the input of a block. */
const BLOCKS_MAX = 255;

export interface Kdf {
  readonly provider: CryptoProvider;
  readonly hash: HashName;
}

export function extract(kdf: Kdf, input: { readonly salt: Uint8Array; readonly ikm: Uint8Array }): Uint8Array {
  return kdf.provider.hmac(kdf.hash, input.salt, input.ikm);
}

export interface ExpandInput {
  readonly prk: Uint8Array;
  /** `info | 1`: what the first block is made of, which is nearly always the only one. */
  readonly firstBlock: Uint8Array;
  readonly length: number;
}

/** `bad-argument` for more than 255 hashes. */
export function expand(kdf: Kdf, { prk, firstBlock, length }: ExpandInput): Uint8Array {
  const size = hashBytes[kdf.hash];
  demand(length <= BLOCKS_MAX * size, 'bad-argument', 'length of a derived secret, RFC 5869 §2.3');
  const block = kdf.provider.hmac(kdf.hash, prk, firstBlock);
  if (length <= size) return cut(block, length);
  const blocks = [block];
  const info = firstBlock.subarray(0, -1);
  for (let last = block; blocks.length * size < length; blocks.push(last))
    last = kdf.provider.hmac(kdf.hash, prk, concat(last, info, Uint8Array.of(blocks.length + 1)));
  const output = cut(concat(...blocks), length);
  wipeAll(blocks);
  return output;
}

function cut(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  const head = bytes.slice(0, length);
  bytes.fill(0);
  return head;
}
