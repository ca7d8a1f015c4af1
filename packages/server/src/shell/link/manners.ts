/** How much one connection may ask, and how much nonsense it may talk. */
import type { Limits } from '@securechat/wire';
import type { Bucket } from '../../core/bucket.ts';
import { spend } from '../../core/bucket.ts';

export class Manners {
  readonly #limits: Limits;
  readonly #nowMs: () => number;
  #bucket: Bucket | undefined;
  #idle: Bucket | undefined;
  #errors = 0;

  constructor(limits: Limits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Undefined: spent. Otherwise the milliseconds until there is enough. */
  spend(cost: number): number | undefined {
    const { framesBurst: burst, framesPerSecond: perSecond } = this.#limits;
    const spent = spend(this.#bucket, { burst, perSecond }, this.#nowMs(), cost);
    this.#bucket = spent.bucket;
    return spent.kind === 'spent' ? undefined : spent.retryAfterMs;
  }

  /** For what nobody answers: false when it was too much. */
  idle(): boolean {
    const { idleFramesBurst: burst, idleFramesPerSecond: perSecond } = this.#limits;
    const spent = spend(this.#idle, { burst, perSecond }, this.#nowMs());
    this.#idle = spent.bucket;
    return spent.kind === 'spent';
  }

  /** False after more than `protocolErrorsMax`: a broken client. */
  forgive(): boolean {
    this.#errors += 1;
    return this.#errors <= this.#limits.protocolErrorsMax;
  }
}
