/**
 * What waits for a commit, taken so that nobody takes it all: each account has its turn, and in a turn a quarter of the
 * commit; another turn only while there is room. What the server asks for itself goes before that, to half of the commit.
 * What all fits is taken as it came.
 */
export interface Waiting {
  /** Rises by one with each. */
  readonly n: number;
  /** The account that asks; undefined: the server itself. */
  readonly owner: string | undefined;
  readonly bytes: number;
}

/** Of a commit: the credit of one device. Less would tear apart what it sent together, which costs everybody. */
const TURN = 1 / 4;
const OWN_SHARE = 1 / 2;

export class FairQueue<Item extends Waiting> {
  #own: Item[] = [];
  /** In order of their turns. */
  readonly #queues = new Map<string, Item[]>();
  #length = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(item: Item): void {
    this.#length += 1;
    this.#bytes += item.bytes;
    if (item.owner === undefined) {
      this.#own.push(item);
      return;
    }
    const queue = this.#queues.get(item.owner);
    if (queue === undefined) this.#queues.set(item.owner, [item]);
    else queue.push(item);
  }

  /** At most `countMax` and `bytesMax`, whatever the size of the first; in the order they came. */
  take(countMax: number, bytesMax: number): readonly Item[] {
    const taken: Item[] = [];
    let bytesLeft = bytesMax;
    /** The first of the queue, `max` at most; false when the next one does not fit any more. */
    const some = (queue: Item[], max: number): boolean => {
      let count = 0;
      for (const item of queue) {
        if (count === max) break;
        if (taken.length === countMax || (taken.length > 0 && item.bytes > bytesLeft)) break;
        taken.push(item);
        bytesLeft -= item.bytes;
        count += 1;
      }
      queue.splice(0, count);
      return count === max || queue.length === 0;
    };
    const others = this.#length - this.#own.length;
    let fits = some(this.#own, Math.max(Math.ceil(countMax * OWN_SHARE), countMax - others));
    const turn = Math.ceil(countMax * TURN);
    for (const [owner, queue] of this.#queues) {
      if (!fits) break;
      fits = some(queue, turn);
      if (!fits) break;
      this.#queues.delete(owner);
      // To the end of the line, which this loop comes to again while there is room.
      if (queue.length > 0) this.#queues.set(owner, queue);
    }
    this.#length -= taken.length;
    this.#bytes -= bytesMax - bytesLeft;
    return taken.sort((a, b) => a.n - b.n);
  }

  clear(): void {
    this.#own = [];
    this.#queues.clear();
    this.#length = 0;
    this.#bytes = 0;
  }
}
