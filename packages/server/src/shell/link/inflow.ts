/** Reads from the peer, or leaves its bytes in the network while too much is under way for it (core/load.ts). */
import type { Limits } from '@securechat/wire';
import type { LinkLoad } from '../../core/load.ts';
import { isTooMuch } from '../../core/load.ts';
import type { Transport } from '../listeners/transport.ts';

export interface InflowOptions {
  readonly transport: Transport;
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly load: () => Omit<LinkLoad, 'bufferedBytes' | 'flooding'>;
}

export class Inflow {
  readonly #options: InflowOptions;
  #paused = false;
  #floodUntilMs = 0;

  constructor(options: InflowOptions) {
    this.#options = options;
  }

  /** To be called whenever something came or was done. */
  balance(): void {
    const { transport, limits, nowMs, load } = this.#options;
    const flooding = this.#floodUntilMs > 0 && this.#floodUntilMs > nowMs();
    const pause = isTooMuch({ ...load(), bufferedBytes: transport.bufferedAmount, flooding }, limits);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) transport.pause();
    else transport.resume();
  }

  /** The device sends far more than it may: nothing is read for that long. `over` is called when it has passed. */
  flooded(pauseMs: number, over: () => void): void {
    this.#floodUntilMs = Math.max(this.#floodUntilMs, this.#options.nowMs() + pauseMs);
    setTimeout(over, pauseMs + 1).unref();
  }
}
