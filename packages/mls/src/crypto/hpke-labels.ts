/** LabeledExtract and LabeledExpand (RFC 9180 §4). */
import { concat, utf8 } from '../codec/bytes.ts';
import type { Kdf } from './hkdf.ts';
import { expand, extract } from './hkdf.ts';

const VERSION = utf8('HPKE-v1');

export interface LabeledExtractInput {
  readonly suiteId: Uint8Array;
  readonly salt: Uint8Array;
  readonly label: string;
  readonly ikm: Uint8Array;
}

export function labeledExtract(kdf: Kdf, { suiteId, salt, label, ikm }: LabeledExtractInput): Uint8Array {
  return extract(kdf, { salt, ikm: concat(VERSION, suiteId, utf8(label), ikm) });
}

export interface LabeledExpandInput {
  readonly suiteId: Uint8Array;
  readonly prk: Uint8Array;
  readonly label: string;
  readonly info: Uint8Array;
  readonly length: number;
}

export function labeledExpand(kdf: Kdf, { suiteId, prk, label, info, length }: LabeledExpandInput): Uint8Array {
  const size = Uint8Array.of(length >>> 8, length);
  return expand(kdf, { prk, info: concat(size, VERSION, suiteId, utf8(label), info), length });
}
