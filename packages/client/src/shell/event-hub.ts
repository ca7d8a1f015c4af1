/** One source of events, any number of iterators. Each sees everything from the moment it was made on. */
import type { ClientEvent } from '../api.ts';

/** A program that stopped reading must not fill the memory; the newest are kept. */
const WAITING_MAX = 10_000;

export class EventHub {
  readonly #readers = new Set<Reader>();
  #closed = false;

  emit(event: ClientEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  iterate(): AsyncIterableIterator<ClientEvent> {
    const reader = new Reader(() => this.#readers.delete(reader));
    if (this.#closed) reader.end();
    else this.#readers.add(reader);
    return reader;
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }
}

class Reader implements AsyncIterableIterator<ClientEvent> {
  readonly #waiting: ClientEvent[] = [];
  readonly #asked: ((result: IteratorResult<ClientEvent>) => void)[] = [];
  readonly #onReturn: () => void;
  #ended = false;

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
  }

  push(event: ClientEvent): void {
    const ask = this.#asked.shift();
    if (ask !== undefined) return ask({ done: false, value: event });
    this.#waiting.push(event);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
  }

  end(): void {
    this.#ended = true;
    for (const ask of this.#asked.splice(0)) ask({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<ClientEvent>> {
    const event = this.#waiting.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  return(): Promise<IteratorResult<ClientEvent>> {
    this.#onReturn();
    this.#waiting.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
