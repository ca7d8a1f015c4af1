/** Work that the server asks for by what it says: it may say it without end. */

/** Between two look-ups of one person, or two refills. */
const CHORE_MS = 1_000;

export class Chores {
  readonly #ended: () => boolean;
  /** What is to run next, by name; what runs now is still here. */
  readonly #wanted = new Map<string, () => Promise<void>>();

  constructor(ended: () => boolean) {
    this.#ended = ended;
  }

  /** Whatever else is asked under this name while it runs comes to one more time after this one. Failures pass. */
  once(name: string, work: () => Promise<void>): void {
    const running = this.#wanted.has(name);
    this.#wanted.set(name, work);
    if (!running) void this.#run(name);
  }

  async #run(name: string): Promise<void> {
    for (let next = this.#wanted.get(name); next !== undefined && !this.#ended();) {
      await next().catch(() => undefined);
      const waiting = this.#wanted.get(name);
      if (waiting === next) break;
      next = waiting;
      await new Promise((resolve) => setTimeout(resolve, CHORE_MS));
    }
    this.#wanted.delete(name);
  }
}
