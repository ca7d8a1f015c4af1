import { limits } from '@securechat/wire';

/**
 * Milliseconds to wait from now before a refused handshake is closed, if `elapsedMs` went by since its frame came: closes
 * happen at multiples of `refusalDelayMs`, so that their time does not tell how far the frame got.
 */
export function refusalWaitMs(elapsedMs: number): number {
  const step = limits.refusalDelayMs.value;
  return (Math.floor(Math.max(0, elapsedMs) / step) + 1) * step - Math.max(0, elapsedMs);
}
