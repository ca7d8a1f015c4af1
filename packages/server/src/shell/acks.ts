/**
 * Acknowledgements on their way to the store. They only delete, and a row that is not deleted yet is dropped by its
 * device when it comes again: so they wait a moment, and go together in one commit instead of one each.
 */
import type { DeviceId } from '@securechat/wire';
import type { Log } from '../log.ts';
import type { Store } from '../stores/port.ts';

const TOGETHER_MS = 100;

interface Waiting {
  readonly generation: number;
  readonly upTo: number;
}

export class Acks {
  readonly #store: Store;
  readonly #log: Log;
  /** The newest of each device; bounded by the connections of the last moment. */
  readonly #waiting = new Map<DeviceId, Waiting>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  note(device: DeviceId, generation: number, upTo: number): void {
    this.#waiting.set(device, { generation, upTo });
    this.#timer ??= setTimeout(() => void this.flush(), TOGETHER_MS);
  }

  /** Everything noted so far, now. What the store does not take is left: the next attach of the device says it again. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    const stored = waiting.map(([device, { generation, upTo }]) => this.#store.ack(device, generation, upTo));
    for (const result of await Promise.allSettled(stored))
      if (result.status === 'rejected') this.#log.warn('acknowledgement not stored', { cause: result.reason });
  }
}
