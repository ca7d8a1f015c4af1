/**
 * Proof-of-work challenges without memory: the server recognises its own by a MAC, and with it what it asked for then.
 *
 *     challenge := issued at, ms u64 | bits u8 | random 7 | HMAC-SHA256(key, purpose | first 16 bytes), first 16 bytes
 *                                                                                                          (32 bytes)
 *     purpose   := u8, 0 registration, 1 login: work for the one does not serve for the other
 */
import { equal, hmacSha256 } from '@securechat/crypto';
import { ByteReader, ByteWriter } from '@securechat/wire';

export const CHALLENGE_BYTES = 32;
export const CHALLENGE_RANDOM_BYTES = 7;
const HEAD_BYTES = 16;

const purposes = { registration: 0, login: 1 } as const;
export type WorkPurpose = keyof typeof purposes;

export interface ChallengeTerms {
  readonly purpose: WorkPurpose;
  /** Leading zero bits, 0..255. */
  readonly bits: number;
  readonly nowMs: number;
}

export function makeChallenge(key: Uint8Array, random: Uint8Array, terms: ChallengeTerms): Uint8Array<ArrayBuffer> {
  const head = new ByteWriter(HEAD_BYTES).u64(terms.nowMs).u8(terms.bits).raw(random).done();
  return new ByteWriter(CHALLENGE_BYTES)
    .raw(head)
    .raw(macOf(key, terms.purpose, head))
    .done();
}

/** The bits asked for in a challenge that was made with this key, for this purpose, at most `ageMsMax` ago. */
export function challengeBits(
  challenge: Uint8Array,
  terms: {
    readonly key: Uint8Array;
    readonly purpose: WorkPurpose;
    readonly nowMs: number;
    readonly ageMsMax: number;
  },
): number | undefined {
  if (challenge.length !== CHALLENGE_BYTES) return undefined;
  const head = challenge.subarray(0, HEAD_BYTES);
  if (!equal(macOf(terms.key, terms.purpose, head), challenge.subarray(HEAD_BYTES))) return undefined;
  const reader = new ByteReader(head);
  const ageMs = terms.nowMs - reader.u64();
  return ageMs >= 0 && ageMs <= terms.ageMsMax ? reader.u8() : undefined;
}

function macOf(key: Uint8Array, purpose: WorkPurpose, head: Uint8Array): Uint8Array {
  const named = new ByteWriter(1 + HEAD_BYTES).u8(purposes[purpose]).raw(head).done();
  return hmacSha256(key, named).subarray(0, HEAD_BYTES);
}
