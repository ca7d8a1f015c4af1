/** Reads from the peer, or leaves its bytes in the network while too much is under way for it (core/load.ts). */
import type { Limits } from '@securechat/wire';
import type { LinkLoad } from '../../core/load.ts';
import { isTooMuch } from '../../core/load.ts';
import type { Transport } from '../listeners/transport.ts';

export interface InflowOptions {
  readonly transport: Transport;
  /** Those in force: the credit may change meanwhile. */
  readonly limits: () => Limits;
  readonly nowMs: () => number;
  readonly load: () => Omit<LinkLoad, 'bufferedBytes' | 'flooding'>;
}

/** However much came at once: below `deadMs`, so that a device that only sends too fast is not taken for a dead one. */
export const FLOOD_PAUSE_MS_MAX = 10_000;

export class Inflow {
  readonly #options: InflowOptions;
  #paused = false;
  #floodUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: InflowOptions) {
    this.#options = options;
  }

  /** To be called whenever something came or was done. */
  balance(): void {
    const { transport, limits, nowMs, load } = this.#options;
    const flooding = this.#floodUntilMs > 0 && this.#floodUntilMs > nowMs();
    const pause = isTooMuch({ ...load(), bufferedBytes: transport.bufferedAmount, flooding }, limits());
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) transport.pause();
    else transport.resume();
  }

  /**
   * The device sends more than it may: nothing is read for that long. Pauses add up, so that thousands of frames in one
   * record cost their sender the time of thousands. `over` is called when all have passed.
   */
  flooded(pauseMs: number, over: () => void): void {
    const nowMs = this.#options.nowMs();
    this.#floodUntilMs = Math.min(Math.max(this.#floodUntilMs, nowMs) + pauseMs, nowMs + FLOOD_PAUSE_MS_MAX);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(over, this.#floodUntilMs - nowMs + 1).unref();
  }
}
