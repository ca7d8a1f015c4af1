/** Work by key, a few pieces at once and each only once; the rest waits in the order of the calls. */
export class Jobs<K> {
  readonly #atOnceMax: number;
  readonly #waiting = new Map<K, () => Promise<void>>();
  readonly #running = new Map<K, Promise<void>>();

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Nothing where it waits or runs already. What fails has told so itself. */
  start(key: K, work: () => Promise<void>): void {
    if (this.#waiting.has(key) || this.#running.has(key)) return;
    this.#waiting.set(key, work);
    this.#next();
  }

  /** What has not begun never does. Resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#waiting.clear();
    await Promise.all(this.#running.values());
  }

  #next(): void {
    for (const [key, work] of this.#waiting) {
      if (this.#running.size >= this.#atOnceMax) return;
      this.#waiting.delete(key);
      const ended = work()
        .catch(() => undefined)
        .finally(() => {
          this.#running.delete(key);
          this.#next();
        });
      this.#running.set(key, ended);
    }
  }
}
