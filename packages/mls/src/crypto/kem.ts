/** Key encapsulation as HPKE wants it (RFC 9180 §4). Private and public keys are serialised ones. */
import type { Encapsulated, Entropy, KeyPair } from './provider.ts';

export interface Kem {
  readonly id: number;
  readonly privateBytes: number;
  generate(entropy: Entropy): KeyPair;
  /** DeriveKeyPair: the same pair for the same input keying material. */
  derive(ikm: Uint8Array): KeyPair;
  publicOf(privateKey: Uint8Array): Uint8Array;
  /** Whether anything can be sealed to a public key: of the right size, and no trap (usable-key.ts). */
  accepts(publicKey: Uint8Array): boolean;
  /** Undefined for a public key that is none. */
  encapsulate(publicKey: Uint8Array, entropy: Entropy): Encapsulated | undefined;
  /** Undefined for an output of a wrong size or an invalid share. */
  decapsulate(pair: KeyPair, output: Uint8Array): Uint8Array | undefined;
}
