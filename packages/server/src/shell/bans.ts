/** Devices that talked nonsense until they were closed: for a while they are not attached again. In memory alone. */
import type { DeviceId } from '@securechat/wire';

/** Beyond it the oldest goes: only devices of accounts get here, so that is many broken clients in one minute. */
export const BANS_MAX = 10_000;

export class Bans {
  readonly #banMs: number;
  readonly #nowMs: () => number;
  /** In order of their end. */
  readonly #endMs = new Map<DeviceId, number>();

  constructor(banMs: number, nowMs: () => number) {
    this.#banMs = banMs;
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#endMs.size;
  }

  add(device: DeviceId): void {
    const nowMs = this.#nowMs();
    this.#endMs.delete(device);
    this.#endMs.set(device, nowMs + this.#banMs);
    for (const [oldest, endMs] of this.#endMs) {
      if (endMs > nowMs && this.#endMs.size <= BANS_MAX) return;
      this.#endMs.delete(oldest);
    }
  }

  /** Milliseconds until the device may attach; undefined: now. */
  leftMs(device: DeviceId): number | undefined {
    const leftMs = (this.#endMs.get(device) ?? 0) - this.#nowMs();
    return leftMs > 0 ? Math.ceil(leftMs) : undefined;
  }
}
