/**
 * One source of events, any number of iterators. Each sees everything from the moment it was made on. Who shows nothing of
 * it must not take more in: deliveries wait for `room`, and behind them the server does.
 */
import type { ClientEvent } from '../api.ts';

/** Events that wait for one reader before deliveries stop. */
const WAITING_MAX = 1_000;
/**
 * The same while a mailbox is read after an attach. Sending waits for that, and a reader may be waiting for its own send
 * to go out: more than any honest mailbox holds, so that the two never wait for each other.
 */
const BACKLOG_MAX = 20_000;
/** What comes without end, and is worth nothing once something newer came: left out for a reader that far behind. */
const passing: ReadonlySet<ClientEvent['kind']> = new Set(['presence', 'connection', 'fileProgress']);

export class EventHub {
  readonly #readers = new Set<Reader>();
  #closed = false;
  #change: PromiseWithResolvers<void> | undefined;

  emit(event: ClientEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Undefined while there is room; otherwise resolves once a reader has taken something or left: ask again. */
  room(backlog: boolean): Promise<void> | undefined {
    const most = Math.max(0, ...[...this.#readers].map((reader) => reader.waiting));
    if (most < (backlog ? BACKLOG_MAX : WAITING_MAX)) return undefined;
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  iterate(): AsyncIterableIterator<ClientEvent> {
    const reader = new Reader({
      onTaken: () => this.#changed(),
      onReturn: () => {
        this.#readers.delete(reader);
        this.#changed();
      },
    });
    if (this.#closed) reader.end();
    else this.#readers.add(reader);
    return reader;
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#changed();
  }
}

class Reader implements AsyncIterableIterator<ClientEvent> {
  readonly #waiting: ClientEvent[] = [];
  readonly #asked: ((result: IteratorResult<ClientEvent>) => void)[] = [];
  readonly #on: { readonly onTaken: () => void; readonly onReturn: () => void };
  #ended = false;

  constructor(on: { readonly onTaken: () => void; readonly onReturn: () => void }) {
    this.#on = on;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  push(event: ClientEvent): void {
    const ask = this.#asked.shift();
    if (ask !== undefined) return ask({ done: false, value: event });
    if (this.waiting < WAITING_MAX || !passing.has(event.kind)) this.#waiting.push(event);
  }

  end(): void {
    this.#ended = true;
    for (const ask of this.#asked.splice(0)) ask({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<ClientEvent>> {
    const event = this.#waiting.shift();
    this.#on.onTaken();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  return(): Promise<IteratorResult<ClientEvent>> {
    this.#waiting.length = 0;
    this.end();
    this.#on.onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
