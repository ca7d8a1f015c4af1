/** Proof of work, of registrations and logins: challenges of this process, each good for one start of its kind. */
import type { Entropy } from '@securechat/crypto';
import { proofOfWork } from '@securechat/crypto';
import { toBase64url } from '@securechat/wire';
import type { ChallengeTerms, WorkPurpose } from '../core/challenge.ts';
import { CHALLENGE_RANDOM_BYTES, challengeBits, makeChallenge } from '../core/challenge.ts';

const KEY_BYTES = 32;

export class Workload {
  readonly #entropy: Entropy;
  readonly #ageMsMax: number;
  /** Of this process alone: after a restart the old challenges are void, and so is the memory of used ones. */
  readonly #key: Uint8Array;
  /** Challenge → when it was used. Filled only by work that holds. */
  readonly #used = new Map<string, number>();

  constructor(entropy: Entropy, ageMsMax: number) {
    this.#entropy = entropy;
    this.#ageMsMax = ageMsMax;
    this.#key = entropy(KEY_BYTES);
  }

  challenge(terms: ChallengeTerms): Uint8Array {
    return makeChallenge(this.#key, this.#entropy(CHALLENGE_RANDOM_BYTES), terms);
  }

  /** True once for a challenge of ours with the work done on it that it asked for. */
  use(input: {
    readonly challenge: Uint8Array;
    readonly nonce: Uint8Array;
    readonly purpose: WorkPurpose;
    readonly nowMs: number;
  }): boolean {
    const { challenge, nonce, purpose, nowMs } = input;
    const bits = challengeBits(challenge, { key: this.#key, purpose, nowMs, ageMsMax: this.#ageMsMax });
    if (bits === undefined || !proofOfWork.check(challenge, nonce, bits)) return false;
    for (const [name, usedMs] of this.#used) {
      if (nowMs - usedMs <= this.#ageMsMax) break;
      this.#used.delete(name);
    }
    const name = toBase64url(challenge);
    if (this.#used.has(name)) return false;
    this.#used.set(name, nowMs);
    return true;
  }
}
