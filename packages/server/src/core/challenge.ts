/**
 * Proof-of-work challenges without memory: the server recognises its own by a MAC.
 *
 *     challenge := issued at, ms u64 | random 8 | HMAC-SHA256(key, first 16 bytes), first 16 bytes        (32 bytes)
 */
import { equal, hmacSha256 } from '@securechat/crypto';
import { ByteReader, ByteWriter } from '@securechat/wire';

export const CHALLENGE_BYTES = 32;
export const CHALLENGE_RANDOM_BYTES = 8;
const HEAD_BYTES = 16;

export function makeChallenge(key: Uint8Array, random: Uint8Array, nowMs: number): Uint8Array<ArrayBuffer> {
  const head = new ByteWriter(CHALLENGE_BYTES).u64(nowMs).raw(random).done();
  return new ByteWriter(CHALLENGE_BYTES).raw(head).raw(hmacSha256(key, head).subarray(0, HEAD_BYTES)).done();
}

/** True for a challenge made with this key at most `ageMsMax` ago. */
export function challengeHolds(
  challenge: Uint8Array,
  { key, nowMs, ageMsMax }: { readonly key: Uint8Array; readonly nowMs: number; readonly ageMsMax: number },
): boolean {
  if (challenge.length !== CHALLENGE_BYTES) return false;
  const head = challenge.subarray(0, HEAD_BYTES);
  if (!equal(hmacSha256(key, head).subarray(0, HEAD_BYTES), challenge.subarray(HEAD_BYTES))) return false;
  const ageMs = nowMs - new ByteReader(head).u64();
  return ageMs >= 0 && ageMs <= ageMsMax;
}
