/** LabeledExtract and LabeledExpand (RFC 9180 §4). */
import { concat, utf8 } from '../codec/bytes.ts';
import type { Kdf } from './hkdf.ts';
import { expand, extract } from './hkdf.ts';

const VERSION = utf8('HPKE-v1');
const FIRST_BLOCK = Uint8Array.of(1);

/** All labels of HPKE and of DHKEM. */
const labels = {
  eae_prk: utf8('eae_prk'),
  shared_secret: utf8('shared_secret'),
  dkp_prk: utf8('dkp_prk'),
  sk: utf8('sk'),
  psk_id_hash: utf8('psk_id_hash'),
  info_hash: utf8('info_hash'),
  secret: utf8('secret'),
  key: utf8('key'),
  base_nonce: utf8('base_nonce'),
  exp: utf8('exp'),
  sec: utf8('sec'),
} as const;

export type HpkeLabel = keyof typeof labels;

export interface LabeledExtractInput {
  readonly suiteId: Uint8Array;
  readonly salt: Uint8Array;
  readonly label: HpkeLabel;
  readonly ikm: Uint8Array;
}

export function labeledExtract(kdf: Kdf, { suiteId, salt, label, ikm }: LabeledExtractInput): Uint8Array {
  return extract(kdf, { salt, ikm: concat(VERSION, suiteId, labels[label], ikm) });
}

export interface LabeledExpandInput {
  readonly suiteId: Uint8Array;
  readonly prk: Uint8Array;
  readonly label: HpkeLabel;
  readonly info: Uint8Array;
  readonly length: number;
}

export function labeledExpand(kdf: Kdf, { suiteId, prk, label, info, length }: LabeledExpandInput): Uint8Array {
  const size = Uint8Array.of(length >>> 8, length);
  return expand(kdf, { prk, firstBlock: concat(size, VERSION, suiteId, labels[label], info, FIRST_BLOCK), length });
}
