/** Chain numbers of one sending device in one group: what is missing, and what fills a gap later. */
import type { DeviceId } from '@securechat/wire';

export interface Received {
  readonly device: DeviceId;
  /** Highest chain number seen. */
  readonly highest: number;
  /** Numbers below it that have not come; at most `MISSING_MAX`, the newest. */
  readonly missing: readonly number[];
}

/** A sender that jumps far ahead must not fill the record. */
export const MISSING_MAX = 256;

export interface Noted {
  readonly received: readonly Received[];
  /** How many numbers were skipped just now: a gap to be shown. */
  readonly missing: number;
  /** False for a number that came before. */
  readonly fresh: boolean;
}

export function noteChainNumber(received: readonly Received[], device: DeviceId, chainNumber: number): Noted {
  const known = received.find((one) => one.device === device) ?? { device, highest: 0, missing: [] };
  const others = received.filter((one) => one.device !== device);
  if (chainNumber <= known.highest) {
    const missing = known.missing.filter((number) => number !== chainNumber);
    const fresh = known.missing.includes(chainNumber);
    return { received: [...others, { ...known, missing }], missing: 0, fresh };
  }
  const skipped = chainNumber - known.highest - 1;
  const kept = Math.min(skipped, MISSING_MAX);
  const numbers = Array.from({ length: kept }, (_, at) => chainNumber - kept + at);
  const missing = [...known.missing, ...numbers].slice(-MISSING_MAX);
  return { received: [...others, { device, highest: chainNumber, missing }], missing: skipped, fresh: true };
}
