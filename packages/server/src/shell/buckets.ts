/** Token buckets by key (an address, an account, a pair), in bounded memory: full buckets are forgotten. */
import type { Bucket, BucketRule, Spent } from '../core/bucket.ts';
import { isFull, spend } from '../core/bucket.ts';

/** Beyond it the bucket used longest ago goes, full or not: an attacker with that many keys gets no memory of ours. */
const KEYS_MAX = 50_000;
const SWEEP_EVERY = 1024;

export class Buckets {
  readonly #rule: BucketRule;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, Bucket>();
  #untilSweep = SWEEP_EVERY;

  constructor(rule: BucketRule, nowMs: () => number) {
    this.#rule = rule;
    this.#nowMs = nowMs;
  }

  /** Keys remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  spend(key: string, cost = 1): Spent {
    const spent = spend(this.#buckets.get(key), this.#rule, this.#nowMs(), cost);
    // Deleting first keeps the map in order of last use.
    this.#buckets.delete(key);
    this.#buckets.set(key, spent.bucket);
    this.#sweep();
    return spent;
  }

  #sweep(): void {
    this.#untilSweep -= 1;
    if (this.#untilSweep > 0) return;
    this.#untilSweep = SWEEP_EVERY;
    const nowMs = this.#nowMs();
    for (const [key, bucket] of this.#buckets)
      if (this.#buckets.size > KEYS_MAX || isFull(bucket, this.#rule, nowMs)) this.#buckets.delete(key);
  }
}
