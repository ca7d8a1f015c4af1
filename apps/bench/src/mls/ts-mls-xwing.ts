/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): X25519 and ML-KEM-768 in one KEM. Safe as long as one of the two is.
 *
 *     private 32 (seed) | public = ML-KEM 1184 ‖ X25519 32 | ciphertext = ML-KEM 1088 ‖ X25519 32 | secret 32
 */
import { concatBytes } from '@securechat/wire';
import type { Encapsulation, Entropy, KeyPair } from '@securechat/crypto';
import {
  ML_KEM_768_CIPHERTEXT_BYTES,
  ML_KEM_768_PUBLIC_BYTES,
  ML_KEM_768_SEED_BYTES,
  mlKem768,
  sha3,
  shake256,
  wipe,
  X25519_BYTES,
  x25519,
} from '@securechat/crypto';

const XWING_SEED_BYTES = 32;
const XWING_PUBLIC_BYTES: number = ML_KEM_768_PUBLIC_BYTES + X25519_BYTES;
const XWING_CIPHERTEXT_BYTES: number = ML_KEM_768_CIPHERTEXT_BYTES + X25519_BYTES;

/** The draft's label, drawn as `\./` over `/^\`. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

export const xwing = {
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(XWING_SEED_BYTES);
    return { privateKey, publicKey: xwing.publicOf(privateKey) };
  },

  /** The key pair of input keying material of any length (SHAKE256). */
  derive(ikm: Uint8Array): KeyPair {
    const privateKey = shake256(ikm, XWING_SEED_BYTES);
    return { privateKey, publicKey: xwing.publicOf(privateKey) };
  },

  /** 1216 bytes. */
  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
    const { seed, scalar } = expand(privateKey);
    const publicKey = concatBytes(mlKem768.publicOf(seed), x25519.publicOf(scalar));
    wipe(seed, scalar);
    return publicKey;
  },

  /** X25519 from `entropy`, ML-KEM from the system. Undefined for a public key that is none. */
  encapsulate(publicKey: Uint8Array, entropy: Entropy): Encapsulation | undefined {
    if (publicKey.length !== XWING_PUBLIC_BYTES) return undefined;
    const theirs = publicKey.subarray(ML_KEM_768_PUBLIC_BYTES);
    const ephemeral = x25519.generate(entropy);
    const dh = x25519.shared(ephemeral.privateKey, theirs);
    wipe(ephemeral.privateKey);
    const kem = mlKem768.encapsulate(publicKey.subarray(0, ML_KEM_768_PUBLIC_BYTES));
    if (dh === undefined || kem === undefined) return undefined;
    const secret = combine(kem.secret, dh, ephemeral.publicKey, theirs);
    return { secret, ciphertext: concatBytes(kem.ciphertext, ephemeral.publicKey) };
  },

  /** 32 bytes; a wrong ciphertext gives another secret, undefined only where sizes or the X25519 share are invalid. */
  decapsulate(privateKey: Uint8Array, ciphertext: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    if (ciphertext.length !== XWING_CIPHERTEXT_BYTES || privateKey.length !== XWING_SEED_BYTES) return undefined;
    const { seed, scalar } = expand(privateKey);
    const share = ciphertext.subarray(ML_KEM_768_CIPHERTEXT_BYTES);
    const kem = mlKem768.decapsulate(seed, ciphertext.subarray(0, ML_KEM_768_CIPHERTEXT_BYTES));
    const dh = x25519.shared(scalar, share);
    const own = x25519.publicOf(scalar);
    wipe(seed, scalar);
    return kem === undefined || dh === undefined ? undefined : combine(kem, dh, share, own);
  },
};

function expand(privateKey: Uint8Array): { readonly seed: Uint8Array; readonly scalar: Uint8Array } {
  const all = shake256(privateKey, ML_KEM_768_SEED_BYTES + X25519_BYTES);
  return { seed: all.subarray(0, ML_KEM_768_SEED_BYTES), scalar: all.subarray(ML_KEM_768_SEED_BYTES) };
}

/** Wipes both inputs. */
function combine(kem: Uint8Array, dh: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const input = concatBytes(kem, dh, share, publicKey, LABEL);
  const secret = sha3(input);
  wipe(kem, dh, input);
  return secret;
}
