/** Unpadded base64url (RFC 4648 §5). */
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import { SecureChatError } from './codes.ts';

export function toBase64url(bytes: Uint8Array): string {
  return base64Encode(bytes, 'url');
}

/** MALFORMED for anything but the one canonical spelling. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = base64Decode(text);
  } catch (cause) {
    throw new SecureChatError('MALFORMED', {}, { cause });
  }
  if (toBase64url(bytes) !== text) throw new SecureChatError('MALFORMED');
  return bytes;
}
