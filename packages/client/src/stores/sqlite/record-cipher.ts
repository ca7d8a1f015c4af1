/**
 * How a record of the local store is hidden and bound to its place (docs/protocol/local-store.md).
 *
 *     tag    HMAC-SHA-256(index key, label ‖ name …): what the file shows instead of a key, 32 bytes
 *     sealed format u8 (1) ‖ nonce 12 ‖ AES-256-GCM(seal key, nonce, aad, plaintext) ‖ tag 16
 *     aad    format u8 ‖ place u8 ‖ tag 32 ‖ position u64        a value moved to another row does not open
 */
import type { Entropy } from '@securechat/crypto';
import { AEAD_NONCE_BYTES, aes256gcm, hkdfSha256, hmacSha256, systemEntropy, wipe } from '@securechat/crypto';
import { ByteWriter, SecureChatError } from '@securechat/wire';

const FORMAT = 1;
export const STORE_KEY_BYTES = 32;

/** Where a value lies. `position` is 0 for records, the row number for messages, so that their order is bound too. */
export interface Place {
  readonly kind: number;
  readonly tag: Uint8Array;
  readonly position: number;
}

export class RecordCipher {
  readonly #sealKey: Uint8Array;
  readonly #indexKey: Uint8Array;
  readonly #entropy: Entropy;

  constructor(storeKey: Uint8Array, entropy: Entropy = systemEntropy) {
    this.#sealKey = derive(storeKey, 'securechat/store-seal v1');
    this.#indexKey = derive(storeKey, 'securechat/store-index v1');
    this.#entropy = entropy;
  }

  /** 32 bytes; equal for equal names, and tells nothing about them without the key. */
  tag(...names: readonly string[]): Uint8Array {
    const writer = new ByteWriter();
    for (const name of names) writer.vec32(new TextEncoder().encode(name));
    return hmacSha256(this.#indexKey, writer.done());
  }

  seal(place: Place, plaintext: Uint8Array): Uint8Array {
    const nonce = this.#entropy(AEAD_NONCE_BYTES);
    const sealed = aes256gcm.seal({ key: this.#sealKey, nonce, aad: aadOf(place), plaintext });
    return new ByteWriter(1 + nonce.length + sealed.length).u8(FORMAT).raw(nonce).raw(sealed).done();
  }

  /** SCHEMA_NEWER for a later format, PROFILE_DAMAGED for anything that does not open at this place. */
  open(place: Place, value: Uint8Array): Uint8Array {
    const format = value[0] ?? 0;
    if (format > FORMAT) throw new SecureChatError('SCHEMA_NEWER');
    const nonce = value.subarray(1, 1 + AEAD_NONCE_BYTES);
    const ciphertext = value.subarray(1 + AEAD_NONCE_BYTES);
    const plaintext = format === FORMAT && aes256gcm.open({ key: this.#sealKey, nonce, aad: aadOf(place), ciphertext });
    if (!plaintext)
      throw new SecureChatError('PROFILE_DAMAGED', { text: 'A record of the local profile does not decrypt.' });
    return plaintext;
  }

  wipe(): void {
    wipe(this.#sealKey, this.#indexKey);
  }
}

/** What a process proves to hold when it asks another one for this account (lock.ts); 32 bytes. */
export function proofKeyOf(storeKey: Uint8Array): Uint8Array {
  return derive(storeKey, 'securechat/store-proof v1');
}

function derive(storeKey: Uint8Array, label: string): Uint8Array {
  return hkdfSha256({
    ikm: storeKey,
    salt: new Uint8Array(0),
    info: new TextEncoder().encode(label),
    length: STORE_KEY_BYTES,
  });
}

function aadOf(place: Place): Uint8Array {
  return new ByteWriter(64).u8(FORMAT).u8(place.kind).raw(place.tag).u64(place.position).done();
}
