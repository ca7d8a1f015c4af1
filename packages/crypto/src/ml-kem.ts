/** ML-KEM-768 (FIPS 203) on raw keys; the private key is the 64-byte seed d ‖ z. */
import { createPrivateKey, createPublicKey, decapsulate, encapsulate } from 'node:crypto';
import type { Entropy } from './entropy.ts';
import { plain } from './plain.ts';
import type { KeyPair } from './x25519.ts';

export const ML_KEM_768_SEED_BYTES = 64;
export const ML_KEM_768_PUBLIC_BYTES = 1184;
export const ML_KEM_768_CIPHERTEXT_BYTES = 1088;

export interface Encapsulation {
  /** 32 bytes; the caller wipes it. */
  readonly secret: Uint8Array;
  /** 1088 bytes. */
  readonly ciphertext: Uint8Array;
}

export const mlKem768 = {
  /** `privateKey` 64 bytes, `publicKey` 1184 bytes. */
  generate(entropy: Entropy): KeyPair {
    const privateKey = entropy(ML_KEM_768_SEED_BYTES);
    return { privateKey, publicKey: mlKem768.publicOf(privateKey) };
  },

  publicOf(privateKey: Uint8Array): Uint8Array<ArrayBuffer> {
    return plain(createPublicKey(privateObject(privateKey)).export({ format: 'raw-public' }));
  },

  /** Takes the system's randomness. Undefined for a key that fails the checks of FIPS 203 §7.2. */
  encapsulate(publicKey: Uint8Array): Encapsulation | undefined {
    if (publicKey.length !== ML_KEM_768_PUBLIC_BYTES) return undefined;
    try {
      const key = { key: Buffer.from(publicKey), format: 'raw-public', asymmetricKeyType: 'ml-kem-768' } as const;
      const { sharedKey, ciphertext } = encapsulate(createPublicKey(key));
      return { secret: plain(sharedKey), ciphertext: plain(ciphertext) };
    } catch {
      return undefined;
    }
  },

  /** 32 bytes. A wrong ciphertext gives a pseudorandom secret (implicit rejection); undefined only for a wrong size. */
  decapsulate(privateKey: Uint8Array, ciphertext: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    if (ciphertext.length !== ML_KEM_768_CIPHERTEXT_BYTES) return undefined;
    return plain(decapsulate(privateObject(privateKey), ciphertext));
  },
};

function privateObject(privateKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' });
}
