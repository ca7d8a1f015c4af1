/**
 * Padding inside the encryption, so that ciphertexts come in few sizes:
 *
 *     padded := content | 0x80 | 0x00*     to 256, 512, 1 Ki … 64 Ki, then 66,560 bytes
 *
 * The last bucket holds the longest text with what stands beside it; a full doubling would not fit a frame.
 */
import { SecureChatError } from '@securechat/wire';

/** Sizes in bytes of padded contents. */
export const paddingBuckets: readonly number[] = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 66_560];

const MARK = 0x80;

/** TOO_LARGE when content and mark do not fit the largest bucket. */
export function pad(content: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = paddingBuckets.find((bucket) => bucket > content.length);
  if (size === undefined) throw new SecureChatError('TOO_LARGE');
  const padded = new Uint8Array(size);
  padded.set(content);
  padded[content.length] = MARK;
  return padded;
}

/** The content, a view; MALFORMED for a size that is no bucket, a missing mark, or a larger bucket than needed. */
export function unpad(padded: Uint8Array): Uint8Array {
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (end < 0 || padded[end] !== MARK || paddingBuckets.find((bucket) => bucket > end) !== padded.length)
    throw new SecureChatError('MALFORMED', { text: 'A message is not padded as it must be.' });
  return padded.subarray(0, end);
}
