/** Whether a connection lives: pings to an attached device, and when it was heard last. */
import type { Entropy } from '@securechat/crypto';
import type { Limits } from '@securechat/wire';

const PING_JITTER_MS = 5000;

export class Pulse {
  readonly #limits: Limits;
  readonly #entropy: Entropy;
  #pingAtMs = 0;
  #heardMs: number;

  constructor(limits: Limits, entropy: Entropy, nowMs: number) {
    this.#limits = limits;
    this.#entropy = entropy;
    this.#heardMs = nowMs;
  }

  /** The device is attached: pings from now on. */
  begin(nowMs: number): void {
    this.#pingAtMs = nowMs + this.#limits.pingMs;
  }

  /** Monotonic, ms. */
  get heardMs(): number {
    return this.#heardMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  due(nowMs: number): 'dead' | 'ping' | undefined {
    const { pingMs, deadMs } = this.#limits;
    if (nowMs - this.#heardMs > deadMs) return 'dead';
    if (nowMs < this.#pingAtMs) return undefined;
    // Random, so that connections of one moment do not ping together for ever.
    this.#pingAtMs = nowMs + pingMs + (this.#entropy(1)[0] ?? 0) * (PING_JITTER_MS / 128) - PING_JITTER_MS;
    return 'ping';
  }
}
