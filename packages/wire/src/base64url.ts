/** Unpadded base64url (RFC 4648 §5). */
import { base64Encode } from '@bufbuild/protobuf/wire';
import { SecureChatError } from './codes.ts';

export function toBase64url(bytes: Uint8Array): string {
  return base64Encode(bytes, 'url');
}

/** Value of each ASCII character; NONE for one that is not of the alphabet. */
const NONE = 0x40;
const values = new Uint8Array(128).fill(NONE);
for (const [value, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  values[char.charCodeAt(0)] = value;

/** MALFORMED for anything but the one canonical spelling. Every frame has ids in it, so it reads each character once. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((text.length * 3) >> 2);
  let seen = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < text.length; index += 1) {
    const value = values[text.charCodeAt(index)] ?? NONE;
    seen |= value;
    bits = (bits << 6) | value;
    const rest = index & 3;
    if (rest === 0) continue;
    // 6, 4 or 2 bits of this character belong to the next byte.
    bytes[at] = bits >> (6 - 2 * rest);
    at += 1;
  }
  const rest = text.length & 3;
  const unused = rest === 2 ? bits & 0x0f : rest === 3 ? bits & 0x03 : 0;
  if (rest === 1 || unused !== 0 || (seen & NONE) !== 0) throw new SecureChatError('MALFORMED');
  return bytes;
}
