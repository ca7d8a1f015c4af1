/** HPKE in base mode, one message per context (RFC 9180 §5 and §6). */
import { EMPTY, concat, utf8, wipeAll } from '../codec/bytes.ts';
import { encode } from '../codec/writer.ts';
import type { Kdf } from './hkdf.ts';
import { hashBytes } from './hkdf.ts';
import type { HpkeLabel } from './hpke-labels.ts';
import { labeledExpand, labeledExtract } from './hpke-labels.ts';
import type { Kem } from './kem.ts';
import type { AeadName, Entropy, HashName, KeyPair } from './provider.ts';

export interface Hpke extends Kdf {
  readonly kem: Kem;
  readonly aead: AeadName;
  readonly suiteId: Uint8Array;
}

const kdfIds: Readonly<Record<HashName, number>> = { sha256: 0x0001, sha512: 0x0003 };
const aeadIds: Readonly<Record<AeadName, number>> = { aes128gcm: 0x0001, aes256gcm: 0x0002, chacha20poly1305: 0x0003 };
export const aeadKeyBytes: Readonly<Record<AeadName, number>> = { aes128gcm: 16, aes256gcm: 32, chacha20poly1305: 32 };
export const AEAD_NONCE_BYTES = 12;
/** Of every AEAD there is here. */
export const AEAD_TAG_BYTES = 16;

export function hpkeOf(parts: Omit<Hpke, 'suiteId'>): Hpke {
  const { kem, hash, aead } = parts;
  const numbers = encode((writer) => writer.u16(kem.id).u16(kdfIds[hash]).u16(aeadIds[aead]));
  return { ...parts, suiteId: concat(utf8('HPKE'), numbers) };
}

export interface Sealed {
  readonly output: Uint8Array;
  readonly ciphertext: Uint8Array;
}

export interface SealInput {
  readonly publicKey: Uint8Array;
  readonly info: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly entropy: Entropy;
}

/** Undefined for a public key that is none. */
export function hpkeSeal(hpke: Hpke, { publicKey, info, plaintext, entropy }: SealInput): Sealed | undefined {
  const shared = hpke.kem.encapsulate(publicKey, entropy);
  if (shared === undefined) return undefined;
  const { key, nonce } = messageKey(hpke, shared.secret, info);
  const ciphertext = hpke.provider.seal(hpke.aead, { key, nonce, aad: EMPTY, plaintext });
  wipeAll([key, nonce, shared.secret]);
  return { output: shared.output, ciphertext };
}

export interface OpenInput extends Sealed {
  readonly pair: KeyPair;
  readonly info: Uint8Array;
}

/** Undefined when anything is wrong. */
export function hpkeOpen(hpke: Hpke, { pair, output, ciphertext, info }: OpenInput): Uint8Array | undefined {
  const shared = hpke.kem.decapsulate(pair, output);
  if (shared === undefined) return undefined;
  const { key, nonce } = messageKey(hpke, shared, info);
  const plaintext = hpke.provider.open(hpke.aead, { key, nonce, aad: EMPTY, ciphertext });
  wipeAll([key, nonce, shared]);
  return plaintext;
}

/** SetupBaseS with an empty info and Export. Undefined for a public key that is none. */
export function hpkeSendExport(
  hpke: Hpke,
  input: { readonly publicKey: Uint8Array; readonly context: Uint8Array; readonly entropy: Entropy },
): { readonly output: Uint8Array; readonly secret: Uint8Array } | undefined {
  const shared = hpke.kem.encapsulate(input.publicKey, input.entropy);
  if (shared === undefined) return undefined;
  return { output: shared.output, secret: exportOf(hpke, shared.secret, input.context) };
}

/** SetupBaseR with an empty info and Export. */
export function hpkeReceiveExport(
  hpke: Hpke,
  input: { readonly pair: KeyPair; readonly output: Uint8Array; readonly context: Uint8Array },
): Uint8Array | undefined {
  const shared = hpke.kem.decapsulate(input.pair, input.output);
  return shared === undefined ? undefined : exportOf(hpke, shared, input.context);
}

function exportOf(hpke: Hpke, shared: Uint8Array, context: Uint8Array): Uint8Array {
  const { suiteId } = hpke;
  const { prk, scheduleContext } = schedule(hpke, shared, EMPTY);
  const length = hashBytes[hpke.hash];
  const exporter = labeledExpand(hpke, { suiteId, prk, label: 'exp', info: scheduleContext, length });
  const secret = labeledExpand(hpke, { suiteId, prk: exporter, label: 'sec', info: context, length });
  wipeAll([prk, exporter, shared]);
  return secret;
}

function messageKey(
  hpke: Hpke,
  shared: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const { suiteId, aead } = hpke;
  const { prk, scheduleContext } = schedule(hpke, shared, info);
  const expandTo = (label: HpkeLabel, length: number): Uint8Array =>
    labeledExpand(hpke, { suiteId, prk, label, info: scheduleContext, length });
  const key = expandTo('key', aeadKeyBytes[aead]);
  const nonce = expandTo('base_nonce', AEAD_NONCE_BYTES);
  prk.fill(0);
  return { key, nonce };
}

/** RFC 9180 §5.1 in mode_base (0). The part that no input changes is computed once per suite. */
function schedule(
  hpke: Hpke,
  shared: Uint8Array,
  info: Uint8Array,
): { readonly prk: Uint8Array; readonly scheduleContext: Uint8Array } {
  const { suiteId } = hpke;
  const infoHash = labeledExtract(hpke, { suiteId, salt: EMPTY, label: 'info_hash', ikm: info });
  const scheduleContext = concat(Uint8Array.of(0), pskIdHash(hpke), infoHash);
  return { prk: labeledExtract(hpke, { suiteId, salt: shared, label: 'secret', ikm: EMPTY }), scheduleContext };
}

const pskIdHashes = new WeakMap<Hpke, Uint8Array>();

function pskIdHash(hpke: Hpke): Uint8Array {
  const known = pskIdHashes.get(hpke);
  if (known !== undefined) return known;
  const made = labeledExtract(hpke, { suiteId: hpke.suiteId, salt: EMPTY, label: 'psk_id_hash', ikm: EMPTY });
  pskIdHashes.set(hpke, made);
  return made;
}
