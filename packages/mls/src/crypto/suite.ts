/** Cipher suites (RFC 9420 §5.1 and §17.1): all that is known of one, looked up and never decided again. */
import { MlsError } from '../errors.ts';
import { dhkemX25519 } from './dhkem-x25519.ts';
import { hashBytes } from './hkdf.ts';
import type { Hpke } from './hpke.ts';
import { aeadKeyBytes, hpkeOf } from './hpke.ts';
import type { Kem } from './kem.ts';
import type { AeadName, CryptoProvider, HashName } from './provider.ts';
import { xwing } from './xwing.ts';

interface SuiteParts {
  readonly name: string;
  readonly kem: (provider: CryptoProvider) => Kem;
  readonly hash: HashName;
  readonly aead: AeadName;
}

/** All sign with Ed25519. */
const table = {
  0x0001: {
    name: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
    kem: dhkemX25519,
    hash: 'sha256',
    aead: 'aes128gcm',
  },
  0x0003: {
    name: 'MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519',
    kem: dhkemX25519,
    hash: 'sha256',
    aead: 'chacha20poly1305',
  },
  /** X-Wing under the private number that `ts-mls` 1.6.4 gives it; a standard number comes by ReInit. */
  0x0053: {
    name: 'MLS_256_XWING_AES256GCM_SHA512_Ed25519',
    kem: xwing,
    hash: 'sha512',
    aead: 'aes256gcm',
  },
} as const satisfies Record<number, SuiteParts>;

export type SuiteId = keyof typeof table;
export const suiteIds: readonly SuiteId[] = [0x0001, 0x0003, 0x0053];

export interface Suite extends Hpke {
  readonly id: SuiteId;
  readonly name: string;
  /** KDF.Nh, in bytes. */
  readonly hashBytes: number;
  /** AEAD.Nk, in bytes. */
  readonly keyBytes: number;
}

export function isSuiteId(id: number): id is SuiteId {
  return Object.hasOwn(table, id);
}

/** A suite on a provider's primitives; `unsupported` for a number that is not in the table. */
export function suiteOf(provider: CryptoProvider, id: number): Suite {
  if (!isSuiteId(id)) throw new MlsError('unsupported', `cipher suite ${id}`);
  const { name, kem, hash, aead } = table[id];
  const hpke = hpkeOf({ provider, hash, aead, kem: kem(provider) });
  return { ...hpke, id, name, hashBytes: hashBytes[hash], keyBytes: aeadKeyBytes[aead] };
}

export const PROTOCOL_VERSION = 1;
