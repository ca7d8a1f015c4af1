/** A stranger who does nothing is closed; one who makes progress gets a little more time, up to a bound. */
const EXTENSIONS_MAX = 6;

export class Deadline {
  readonly #waitMs: number;
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | undefined;
  #extensions = 0;

  constructor(waitMs: number, onOver: () => void) {
    this.#waitMs = waitMs;
    this.#onOver = onOver;
    this.extend();
  }

  extend(): void {
    this.#extensions += 1;
    if (this.#extensions > EXTENSIONS_MAX) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onOver, this.#waitMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
