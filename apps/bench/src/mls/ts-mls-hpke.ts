/**
 * HPKE, base mode, single shot (RFC 9180). For what ts-mls asks of a provider: the KEMs DHKEM(X25519, HKDF-SHA256) and
 * X-Wing, HKDF over SHA-256 or SHA-512, and three AEADs.
 */
import { ByteWriter, concatBytes } from '@securechat/wire';
import type { Aead, Entropy, KeyPair } from '@securechat/crypto';
import {
  AEAD_NONCE_BYTES,
  aes128gcm,
  aes256gcm,
  chacha20poly1305,
  hashBytes,
  hkdfExpand,
  hkdfExtract,
  wipe,
  X25519_BYTES,
  x25519,
} from '@securechat/crypto';
import { xwing } from './ts-mls-xwing.ts';

type KdfHash = 'sha256' | 'sha512';

interface Kem {
  readonly id: number;
  generate(entropy: Entropy): KeyPair;
  /** RFC 9180 §7.1.3. */
  derive(ikm: Uint8Array): KeyPair;
  publicOf(privateKey: Uint8Array): Uint8Array;
  encapsulate(publicKey: Uint8Array, entropy: Entropy): { secret: Uint8Array; ciphertext: Uint8Array } | undefined;
  decapsulate(privateKey: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

const empty = new Uint8Array(0);
const utf8 = new TextEncoder();
const VERSION = utf8.encode('HPKE-v1');

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1. */
const dhkemX25519: Kem = {
  id: 0x0020,
  generate: x25519.generate,
  publicOf: x25519.publicOf,
  derive(ikm) {
    const dkp = labeledExtract('sha256', kemSuite, empty, 'dkp_prk', ikm);
    const privateKey = labeledExpand('sha256', kemSuite, dkp, 'sk', empty, X25519_BYTES);
    wipe(dkp);
    return { privateKey, publicKey: x25519.publicOf(privateKey) };
  },
  encapsulate(publicKey, entropy) {
    const ephemeral = x25519.generate(entropy);
    const dh = x25519.shared(ephemeral.privateKey, publicKey);
    wipe(ephemeral.privateKey);
    if (dh === undefined) return undefined;
    return { secret: extractAndExpand(dh, ephemeral.publicKey, publicKey), ciphertext: ephemeral.publicKey };
  },
  decapsulate(privateKey, ciphertext) {
    const dh = x25519.shared(privateKey, ciphertext);
    return dh === undefined ? undefined : extractAndExpand(dh, ciphertext, x25519.publicOf(privateKey));
  },
};

const kemSuite = new ByteWriter(5).raw(utf8.encode('KEM')).u16(dhkemX25519.id).done();

function extractAndExpand(dh: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const prk = labeledExtract('sha256', kemSuite, empty, 'eae_prk', dh);
  const secret = labeledExpand('sha256', kemSuite, prk, 'shared_secret', concatBytes(share, publicKey), 32);
  wipe(dh, prk);
  return secret;
}

export const hpkeKems = { x25519: dhkemX25519, xwing: { id: 0x647a, ...xwing } } as const satisfies Record<string, Kem>;

const kdfIds: Readonly<Record<KdfHash, number>> = { sha256: 0x0001, sha512: 0x0003 };

interface HpkeAead extends Aead {
  readonly id: number;
  readonly keyBytes: number;
}

export const hpkeAeads = {
  aes128gcm: { id: 0x0001, keyBytes: 16, ...aes128gcm },
  aes256gcm: { id: 0x0002, keyBytes: 32, ...aes256gcm },
  chacha20poly1305: { id: 0x0003, keyBytes: 32, ...chacha20poly1305 },
} as const satisfies Record<string, HpkeAead>;

export interface HpkeSuite {
  readonly kem: keyof typeof hpkeKems;
  readonly kdf: KdfHash;
  readonly aead: keyof typeof hpkeAeads;
}

interface ToRecipient {
  readonly publicKey: Uint8Array;
  readonly info: Uint8Array;
  readonly entropy: Entropy;
}
interface AtRecipient {
  readonly privateKey: Uint8Array;
  readonly encapsulated: Uint8Array;
  readonly info: Uint8Array;
}
interface Export {
  readonly context: Uint8Array;
  readonly length: number;
}

/** RFC 9180 §6.1. Undefined for a public key that is none. */
export function hpkeSeal(
  suite: HpkeSuite,
  input: ToRecipient & { readonly aad: Uint8Array; readonly plaintext: Uint8Array },
): { readonly encapsulated: Uint8Array; readonly ciphertext: Uint8Array } | undefined {
  const shared = hpkeKems[suite.kem].encapsulate(input.publicKey, input.entropy);
  if (shared === undefined) return undefined;
  const { key, nonce, exporter } = schedule(suite, shared.secret, input.info);
  const ciphertext = hpkeAeads[suite.aead].seal({ key, nonce, aad: input.aad, plaintext: input.plaintext });
  wipe(key, exporter);
  return { encapsulated: shared.ciphertext, ciphertext };
}

/** The plaintext; undefined when anything is wrong. */
export function hpkeOpen(
  suite: HpkeSuite,
  input: AtRecipient & { readonly aad: Uint8Array; readonly ciphertext: Uint8Array },
): Uint8Array<ArrayBuffer> | undefined {
  const shared = hpkeKems[suite.kem].decapsulate(input.privateKey, input.encapsulated);
  if (shared === undefined) return undefined;
  const { key, nonce, exporter } = schedule(suite, shared, input.info);
  const plaintext = hpkeAeads[suite.aead].open({ key, nonce, aad: input.aad, ciphertext: input.ciphertext });
  wipe(key, exporter);
  return plaintext;
}

/** RFC 9180 §6.2. Undefined for a public key that is none. */
export function hpkeSendExport(
  suite: HpkeSuite,
  input: ToRecipient & Export,
): { readonly encapsulated: Uint8Array; readonly secret: Uint8Array } | undefined {
  const shared = hpkeKems[suite.kem].encapsulate(input.publicKey, input.entropy);
  if (shared === undefined) return undefined;
  return { encapsulated: shared.ciphertext, secret: exportOf(suite, shared.secret, input) };
}

export function hpkeReceiveExport(suite: HpkeSuite, input: AtRecipient & Export): Uint8Array<ArrayBuffer> | undefined {
  const shared = hpkeKems[suite.kem].decapsulate(input.privateKey, input.encapsulated);
  return shared === undefined ? undefined : exportOf(suite, shared, input);
}

function exportOf(
  suite: HpkeSuite,
  shared: Uint8Array,
  input: Export & { readonly info: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const { key, exporter } = schedule(suite, shared, input.info);
  const secret = labeledExpand(suite.kdf, suiteId(suite), exporter, 'sec', input.context, input.length);
  wipe(key, exporter);
  return secret;
}

/** RFC 9180 §5.1, mode base. Wipes the shared secret. */
function schedule(
  suite: HpkeSuite,
  shared: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly exporter: Uint8Array } {
  const { kdf } = suite;
  const id = suiteId(suite);
  const context = concatBytes(
    Uint8Array.of(0),
    labeledExtract(kdf, id, empty, 'psk_id_hash', empty),
    labeledExtract(kdf, id, empty, 'info_hash', info),
  );
  const secret = labeledExtract(kdf, id, shared, 'secret', empty);
  const key = labeledExpand(kdf, id, secret, 'key', context, hpkeAeads[suite.aead].keyBytes);
  const nonce = labeledExpand(kdf, id, secret, 'base_nonce', context, AEAD_NONCE_BYTES);
  const exporter = labeledExpand(kdf, id, secret, 'exp', context, hashBytes[kdf]);
  wipe(shared, secret);
  return { key, nonce, exporter };
}

function suiteId({ kem, kdf, aead }: HpkeSuite): Uint8Array {
  const writer = new ByteWriter(10).raw(utf8.encode('HPKE')).u16(hpkeKems[kem].id);
  return writer.u16(kdfIds[kdf]).u16(hpkeAeads[aead].id).done();
}

function labeledExtract(
  kdf: KdfHash,
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  ikm: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return hkdfExtract(kdf, salt, concatBytes(VERSION, suite, utf8.encode(label), ikm));
}

function labeledExpand(
  kdf: KdfHash,
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array<ArrayBuffer> {
  const size = new ByteWriter(2).u16(length).done();
  return hkdfExpand(kdf, prk, concatBytes(size, VERSION, suite, utf8.encode(label), info), length);
}
