/** Waiting times. Full jitter: many clients that lost one server must not come back at one moment. */

export const RECONNECT_MS_FIRST = 500;
export const RECONNECT_MS_MAX = 30_000;
/** The longest wait for somebody who writes meanwhile. Those who do not keep their distance from a server that is back. */
export const RECONNECT_WANTED_MS_MAX = 1_000;
export const RETRY_MS_FIRST = 250;
export const RETRY_MS_MAX = 60_000;

/** `random` in [0, 1). `attempt` 0 waits at most the first step. */
export function reconnectDelayMs(attempt: number, random: number): number {
  return Math.ceil(random * Math.min(RECONNECT_MS_MAX, RECONNECT_MS_FIRST * 2 ** Math.min(attempt, 16)));
}

/** Grows with the failures in a row and never is 0; up to half of it is jitter. */
export function retryDelayMs(failures: number, random: number): number {
  const step = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(failures, 16));
  return Math.ceil(step * (0.5 + random / 2));
}
