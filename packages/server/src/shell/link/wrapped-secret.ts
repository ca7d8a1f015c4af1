/**
 * Resumption secrets as the database holds them: sealed under a key that lies outside of it, so that a stolen database
 * cannot play the server towards a device (docs/protocol/session.md, "Model").
 *
 *     wrapped := nonce 12 | AES-256-GCM ciphertext 32 | tag 16        associated data: handle 16 | account 16 | device 16
 */
import type { Entropy } from '@securechat/crypto';
import { AEAD_NONCE_BYTES, aes256gcm } from '@securechat/crypto';
import type { AccountId, DeviceId } from '@securechat/wire';
import { concatBytes, fromBase64url, idBytes, toBase64url } from '@securechat/wire';

/** Whose secret it is; a row that was moved to another place does not open there. */
export interface SecretPlace {
  /** base64url. */
  readonly handle: string;
  readonly account: AccountId;
  readonly device: DeviceId;
}

export function wrapSecret(key: Uint8Array, secret: Uint8Array, place: SecretPlace, entropy: Entropy): string {
  const nonce = entropy(AEAD_NONCE_BYTES);
  const sealed = aes256gcm.seal({ key, nonce, aad: dataOf(place), plaintext: secret });
  return toBase64url(concatBytes(nonce, sealed));
}

/** Undefined for what this server did not wrap for this place. */
export function unwrapSecret(key: Uint8Array, wrapped: string, place: SecretPlace): Uint8Array | undefined {
  const bytes = fromBase64url(wrapped);
  const nonce = bytes.subarray(0, AEAD_NONCE_BYTES);
  if (nonce.length < AEAD_NONCE_BYTES) return undefined;
  return aes256gcm.open({ key, nonce, aad: dataOf(place), ciphertext: bytes.subarray(AEAD_NONCE_BYTES) });
}

function dataOf({ handle, account, device }: SecretPlace): Uint8Array {
  return concatBytes(fromBase64url(handle), idBytes(account), idBytes(device));
}
