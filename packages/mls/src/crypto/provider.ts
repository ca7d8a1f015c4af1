/**
 * The primitives this package stands on. A provider holds no state that matters: caches of public keys at most. Keys and
 * results are plain byte strings. A key must not be changed after it was handed over, other than wiped.
 */

export type HashName = 'sha256' | 'sha512';
export type AeadName = 'aes128gcm' | 'aes256gcm' | 'chacha20poly1305';

/** Returns that many unpredictable bytes, fresh on every call and owned by the caller. */
export type Entropy = (bytes: number) => Uint8Array;

export interface AeadSealInput {
  readonly key: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
}

export interface AeadOpenInput {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
}

export interface CryptoProvider {
  readonly name: string;
  hash(name: HashName, data: Uint8Array): Uint8Array;
  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** The ciphertext with its 16-byte tag behind it. */
  seal(name: AeadName, input: AeadSealInput): Uint8Array;
  /** Undefined when it does not authenticate. */
  open(name: AeadName, input: AeadOpenInput): Uint8Array | undefined;
  readonly ed25519: {
    /** Of a 32-byte seed. */
    publicOf(privateKey: Uint8Array): Uint8Array;
    sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
    /** False for anything that is no key or no signature. */
    verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  };
  readonly x25519: {
    publicOf(privateKey: Uint8Array): Uint8Array;
    /** Undefined for a key of a wrong size and for an all-zero result (RFC 7748 §6.1). */
    shared(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
    /** `publicOf` and `shared` of one private key, for the price of little more than one. */
    exchange(privateKey: Uint8Array, publicKey: Uint8Array): Exchanged | undefined;
  };
  /** FIPS 203; the private key is the 64-byte seed d ‖ z. */
  readonly mlKem768: {
    publicOf(privateKey: Uint8Array): Uint8Array;
    /** Undefined for a key that fails the checks of FIPS 203 §7.2. May take its randomness from the system instead. */
    encapsulate(publicKey: Uint8Array, entropy: Entropy): Encapsulated | undefined;
    /** Undefined for a wrong size only; a wrong ciphertext gives another secret. */
    decapsulate(privateKey: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
  };
  sha3(data: Uint8Array): Uint8Array;
  shake256(data: Uint8Array, length: number): Uint8Array;
}

export interface Exchanged {
  readonly share: Uint8Array;
  readonly shared: Uint8Array;
}

export interface Encapsulated {
  /** 32 bytes. */
  readonly secret: Uint8Array;
  readonly output: Uint8Array;
}

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}
