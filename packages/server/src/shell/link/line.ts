import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work of one connection, done one after the other. What waits is counted, what is being done included. */
export interface LineOptions<Item> {
  readonly take: (item: Item) => Promise<void>;
  readonly onFailure: (cause: unknown, item: Item) => void;
  /** After each item, and once nothing is left or the work failed. */
  readonly onProgress?: () => void;
}

/** Items in a row before everybody else has a turn: one record can hold thousands, and work that waits for nothing. */
const IN_A_ROW_MAX = 32;

export class Line<Item extends { readonly bytes: number }> {
  readonly #options: LineOptions<Item>;
  #items: Item[] = [];
  #bytes = 0;
  #busy = false;

  constructor(options: LineOptions<Item>) {
    this.#options = options;
  }

  get length(): number {
    return this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get busy(): boolean {
    return this.#busy;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#bytes += item.bytes;
    if (!this.#busy) void this.#work();
  }

  /** Nothing that waits is begun any more. */
  clear(): void {
    this.#items = [];
    this.#bytes = 0;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    let inARow = 0;
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      try {
        await this.#options.take(item);
      } catch (cause) {
        this.clear();
        this.#options.onFailure(cause, item);
      }
      if (this.#items[0] === item) {
        this.#items.shift();
        this.#bytes -= item.bytes;
      }
      this.#options.onProgress?.();
      inARow += 1;
      if (inARow % IN_A_ROW_MAX === 0 && this.#items.length > 0) await nextTurn();
    }
    this.#busy = false;
    this.#options.onProgress?.();
  }
}
