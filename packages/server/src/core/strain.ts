/**
 * A machine at its limit, as a server sees it: its event loop is late, or its memory nearly gone. Then those who are here
 * are granted half as much under way, and nobody new is let in.
 */
import type { Limits } from '@securechat/wire';

export interface Strain {
  /** The event loop: what is granted is halved. */
  readonly late: boolean;
  /** The memory: new connections are refused. */
  readonly crowded: boolean;
}

export interface MachineReading {
  /** p99 of the delay of the event loop since the last reading. */
  readonly delayMs: number;
  /** Of this process. */
  readonly rssBytes: number;
  /** What this process may have: of the machine, or of its cgroup where that is less. */
  readonly memoryBytes: number;
}

export const calm: Strain = { late: false, crowded: false };

/** A state is left well below where it is entered, so that it does not flap. */
const LATE_LEFT_BELOW = 1 / 2;
const CROWDED_LEFT_BELOW = 9 / 10;

/** Entered above `eventLoopDelayMsMax` and `memoryPercentMax`, left at half of the one and nine tenths of the other. */
export function nextStrain(before: Strain, reading: MachineReading, limits: Limits): Strain {
  const delayMsMax = limits.eventLoopDelayMsMax * (before.late ? LATE_LEFT_BELOW : 1);
  const percentMax = limits.memoryPercentMax * (before.crowded ? CROWDED_LEFT_BELOW : 1);
  return {
    late: reading.delayMs > delayMsMax,
    crowded: reading.rssBytes * 100 > reading.memoryBytes * percentMax,
  };
}

/** The limits with half the credit: what one device may have under way, in both directions. */
export function halveCredits(limits: Limits): Limits {
  const half = (value: number): number => Math.max(1, Math.floor(value / 2));
  return {
    ...limits,
    submitsInFlightMax: half(limits.submitsInFlightMax),
    submitBytesInFlightMax: half(limits.submitBytesInFlightMax),
    deliverRowsInFlightMax: half(limits.deliverRowsInFlightMax),
    deliverBytesInFlightMax: half(limits.deliverBytesInFlightMax),
  };
}
