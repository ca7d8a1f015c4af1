/**
 * Token buckets: a rate and a burst. Pure: the caller holds the state and says what time it is (any monotonic
 * millisecond clock).
 */
export interface BucketRule {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export const SECOND_MS = 1000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** `count` at once, and as many again spread over `periodMs`. */
export function quota(count: number, periodMs: number): BucketRule {
  return { burst: count, perSecond: (count * SECOND_MS) / periodMs };
}

export type Spent =
  | { readonly kind: 'spent'; readonly bucket: Bucket }
  | { readonly kind: 'refused'; readonly bucket: Bucket; readonly retryAfterMs: number };

/** Fractions of tokens add up inexactly; who waited as long as told gets the token. */
const EPSILON = 1e-6;

/** Takes `cost` tokens, or says when they will be there. A clock that goes back adds nothing. */
export function spend(bucket: Bucket | undefined, rule: BucketRule, nowMs: number, cost = 1): Spent {
  const filled = fill(bucket, rule, nowMs);
  if (filled.tokens >= cost - EPSILON)
    return { kind: 'spent', bucket: { tokens: Math.max(0, filled.tokens - cost), atMs: filled.atMs } };
  const missing = cost - filled.tokens;
  const waitMs = rule.perSecond > 0 ? (missing / rule.perSecond) * SECOND_MS : DAY_MS;
  return { kind: 'refused', bucket: filled, retryAfterMs: Math.min(Math.max(1, Math.ceil(waitMs - EPSILON)), DAY_MS) };
}

/** True when the bucket says no more than a fresh one would: it can be forgotten. */
export function isFull(bucket: Bucket, rule: BucketRule, nowMs: number): boolean {
  return fill(bucket, rule, nowMs).tokens >= rule.burst - EPSILON;
}

function fill(bucket: Bucket | undefined, rule: BucketRule, nowMs: number): Bucket {
  if (bucket === undefined) return { tokens: rule.burst, atMs: nowMs };
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  return {
    tokens: Math.min(rule.burst, bucket.tokens + (elapsedMs * rule.perSecond) / SECOND_MS),
    atMs: Math.max(nowMs, bucket.atMs),
  };
}
