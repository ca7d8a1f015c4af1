/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 in one KEM, safe as long as one of the two is.
 *
 *     private 32 (seed) | public = ML-KEM 1184 ‖ X25519 32 | output = ML-KEM 1088 ‖ X25519 32 | secret 32
 */
import { concat, wipeAll } from '../codec/bytes.ts';
import type { Kem } from './kem.ts';
import type { CryptoProvider } from './provider.ts';
import { ML_KEM_PUBLIC_BYTES, isMlKemKey, isX25519Key } from './usable-key.ts';

const SEED_BYTES = 32;
const KEM_SEED_BYTES = 64;
const KEM_OUTPUT_BYTES = 1088;
const CURVE_BYTES = 32;
/** `\./` over `/^\`. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

export function xwing(provider: CryptoProvider): Kem {
  const { mlKem768, x25519, sha3, shake256 } = provider;

  function halves(seed: Uint8Array): { readonly kemSeed: Uint8Array; readonly scalar: Uint8Array } {
    const both = shake256(seed, KEM_SEED_BYTES + CURVE_BYTES);
    const split = { kemSeed: both.slice(0, KEM_SEED_BYTES), scalar: both.slice(KEM_SEED_BYTES) };
    both.fill(0);
    return split;
  }

  function publicOf(seed: Uint8Array): Uint8Array {
    const { kemSeed, scalar } = halves(seed);
    const publicKey = concat(mlKem768.publicOf(kemSeed), x25519.publicOf(scalar));
    wipeAll([kemSeed, scalar]);
    return publicKey;
  }

  function combine(kem: Uint8Array, dh: Uint8Array, share: Uint8Array, curveKey: Uint8Array): Uint8Array {
    const input = concat(kem, dh, share, curveKey, LABEL);
    const secret = sha3(input);
    wipeAll([kem, dh, input]);
    return secret;
  }

  return {
    id: 0x647a,
    privateBytes: SEED_BYTES,
    publicOf,
    generate(entropy) {
      const privateKey = entropy(SEED_BYTES);
      return { privateKey, publicKey: publicOf(privateKey) };
    },
    derive(ikm) {
      const privateKey = shake256(ikm, SEED_BYTES);
      return { privateKey, publicKey: publicOf(privateKey) };
    },
    accepts: (publicKey) =>
      isMlKemKey(publicKey.subarray(0, ML_KEM_PUBLIC_BYTES)) && isX25519Key(publicKey.subarray(ML_KEM_PUBLIC_BYTES)),
    encapsulate(publicKey, entropy) {
      if (publicKey.length !== ML_KEM_PUBLIC_BYTES + CURVE_BYTES) return undefined;
      const curveKey = publicKey.subarray(ML_KEM_PUBLIC_BYTES);
      const ephemeral = entropy(CURVE_BYTES);
      const exchanged = x25519.exchange(ephemeral, curveKey);
      ephemeral.fill(0);
      if (exchanged === undefined) return undefined;
      const { share, shared } = exchanged;
      const kem = mlKem768.encapsulate(publicKey.subarray(0, ML_KEM_PUBLIC_BYTES), entropy);
      if (kem === undefined) return undefined;
      return { secret: combine(kem.secret, shared, share, curveKey), output: concat(kem.output, share) };
    },
    decapsulate({ privateKey, publicKey }, output) {
      if (output.length !== KEM_OUTPUT_BYTES + CURVE_BYTES) return undefined;
      const { kemSeed, scalar } = halves(privateKey);
      const share = output.subarray(KEM_OUTPUT_BYTES);
      const kem = mlKem768.decapsulate(kemSeed, output.subarray(0, KEM_OUTPUT_BYTES));
      const dh = x25519.shared(scalar, share);
      wipeAll([kemSeed, scalar]);
      if (kem === undefined || dh === undefined) return undefined;
      return combine(kem, dh, share, publicKey.subarray(ML_KEM_PUBLIC_BYTES));
    },
  };
}
