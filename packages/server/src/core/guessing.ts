/**
 * Online guessing of passwords. Failures are counted per account name and neighbourhood of addresses: the owner,
 * elsewhere, is never locked out. Every started login counts as a failure until it succeeds: OPAQUE tells the client
 * whether the password was right before the server hears of it, so a guesser would never finish a wrong one.
 */
export interface Guesses {
  readonly failures: number;
  readonly lastMs: number;
}

export interface GuessRule {
  readonly free: number;
  readonly delayMsMax: number;
}

/** Failures are forgotten after this time without another. */
export const GUESSES_FORGOTTEN_MS = 10 * 60_000;

export type GuessDecision =
  { readonly kind: 'allowed'; readonly guesses: Guesses } | { readonly kind: 'refused'; readonly retryAfterMs: number };

/** After `free` failures each further try waits 1, 2, 4 … seconds after the one before, at most `delayMsMax`. */
export function decideGuess(guesses: Guesses | undefined, rule: GuessRule, nowMs: number): GuessDecision {
  const known = guesses === undefined || nowMs - guesses.lastMs >= GUESSES_FORGOTTEN_MS ? undefined : guesses;
  const failures = known?.failures ?? 0;
  const over = failures - rule.free;
  const delayMs = over < 0 ? 0 : Math.min(rule.delayMsMax, 1000 * 2 ** Math.min(over, 20));
  const waitMs = known === undefined ? 0 : known.lastMs + delayMs - nowMs;
  if (waitMs > 0) return { kind: 'refused', retryAfterMs: Math.ceil(waitMs) };
  return { kind: 'allowed', guesses: { failures: failures + 1, lastMs: nowMs } };
}
