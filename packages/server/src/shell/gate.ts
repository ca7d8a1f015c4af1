/** Expensive work, a few at a time: what waits is bounded, what comes beyond is turned away at once. */
export class Gate {
  readonly #atOnce: number;
  readonly #queuedMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: { readonly atOnce: number; readonly queuedMax: number }) {
    this.#atOnce = options.atOnce;
    this.#queuedMax = options.queuedMax;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** Undefined: the queue is full, nothing was run. */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#queuedMax) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      // The place goes to the next in line, or back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
