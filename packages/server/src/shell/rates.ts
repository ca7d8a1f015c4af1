/** The rates of accounts and addresses: all in memory, none of them an account's only protection. */
import type { Limits } from '@securechat/wire';
import { limitUnit, neighbourhood } from '../core/addresses.ts';
import { DAY_MS, HOUR_MS, quota } from '../core/bucket.ts';
import type { GuessDecision, Guesses } from '../core/guessing.ts';
import { decideGuess, GUESSES_FORGOTTEN_MS } from '../core/guessing.ts';
import { Buckets } from './buckets.ts';

const GUESS_KEYS_MAX = 50_000;

export class Rates {
  readonly logins: Buckets;
  readonly #loginsByName: Buckets;
  readonly registrations: Buckets;
  readonly lookupsHour: Buckets;
  readonly lookupsDay: Buckets;
  readonly claimsByPair: Buckets;
  readonly claimsByTarget: Buckets;
  readonly messagesDay: Buckets;
  readonly newRecipients: Buckets;
  /** Bytes. */
  readonly filesFetched: Buckets;
  readonly #limits: Limits;
  readonly #nowMs: () => number;
  readonly #guesses = new Map<string, Guesses>();

  constructor(limits: Limits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
    const bucket = (count: number, periodMs: number): Buckets => new Buckets(quota(count, periodMs), nowMs);
    this.logins = new Buckets(
      { burst: limits.loginsPerAddressBurst, perSecond: limits.loginsPerAddressPerMinute / 60 },
      nowMs,
    );
    this.#loginsByName = bucket(limits.loginsPerNamePerHour, HOUR_MS);
    this.registrations = bucket(limits.registrationsPerAddressPerHour, HOUR_MS);
    this.lookupsHour = bucket(limits.lookupsPerHour, HOUR_MS);
    this.lookupsDay = bucket(limits.lookupsPerDay, DAY_MS);
    this.claimsByPair = bucket(limits.keyPackageClaimsPerPairPerHour, HOUR_MS);
    this.claimsByTarget = bucket(limits.keyPackageClaimsPerTargetPerHour, HOUR_MS);
    this.messagesDay = bucket(limits.messagesPerDay, DAY_MS);
    this.newRecipients = bucket(limits.newRecipientsPerDay, DAY_MS);
    this.filesFetched = bucket(limits.fileBytesFetchedPerAccountPerDay, DAY_MS);
  }

  /**
   * Whether a login may start; it counts as a failure until `guessed` says otherwise. `needs-work`: too many for this name
   * lately, from wherever, and `workHolds` says that none was done; nothing is counted then. It never depends on whether
   * the name is somebody's.
   */
  guess(username: string, address: string, workHolds: () => boolean): GuessDecision | { readonly kind: 'needs-work' } {
    const key = guessKey(username, address);
    const rule = { free: this.#limits.loginFailuresFree, delayMsMax: this.#limits.loginDelayMsMax };
    const decision = decideGuess(this.#guesses.get(key), rule, this.#nowMs());
    if (decision.kind === 'refused') return decision;
    if (this.#loginsByName.spend(username).kind === 'refused' && !workHolds()) return { kind: 'needs-work' };
    this.#guesses.delete(key);
    this.#guesses.set(key, decision.guesses);
    this.#forgetOldGuesses();
    return decision;
  }

  /** The password was right. */
  guessed(username: string, address: string): void {
    this.#guesses.delete(guessKey(username, address));
  }

  #forgetOldGuesses(): void {
    const oldMs = this.#nowMs() - GUESSES_FORGOTTEN_MS;
    // In order of last use: the first that is young ends the search.
    for (const [key, { lastMs }] of this.#guesses) {
      if (lastMs > oldMs && this.#guesses.size <= GUESS_KEYS_MAX) return;
      this.#guesses.delete(key);
    }
  }
}

function guessKey(username: string, address: string): string {
  return `${neighbourhood(address)}|${username}`;
}

/** The key of an address in `logins` and `registrations`. */
export const addressKey = limitUnit;
