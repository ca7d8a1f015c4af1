/**
 * The delivery of one attached device: its mailbox, read by cursor, within a window of rows that it has not acknowledged.
 * A row that was just stored and comes next is pushed as it is; everything else is read from the store. Nothing is queued
 * per person in memory.
 */
import type { DeviceId, Limits, MailboxSeq } from '@securechat/wire';
import { encodeDeliver } from '@securechat/wire';
import type { Bus, Subscription } from '../bus/port.ts';
import type { MailboxRow, Store } from '../stores/port.ts';
import type { Acks } from './acks.ts';

export interface DeliveryOptions {
  readonly store: Store;
  readonly acks: Acks;
  readonly bus: Bus;
  /** Those in force: the window may change meanwhile. */
  readonly limits: () => Limits;
  readonly device: DeviceId;
  readonly generation: number;
  /** Highest row that the device has on its disk. */
  readonly storedUpTo: number;
  /** The number that the next row of the mailbox will get. */
  readonly mailboxNext: number;
  /** Body of a `deliver` frame. */
  readonly send: (body: Uint8Array) => void;
  /** The store failed; the connection cannot go on. */
  readonly onFailure: (cause: unknown) => void;
}

interface InFlight {
  readonly seq: number;
  readonly bytes: number;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #subscription: Subscription;
  #cursor: number;
  #next: number;
  /** Rows stored between the attach and the subscription were announced to nobody: read until there is no more. */
  #probing = true;
  #inFlight: InFlight[] = [];
  #bytesInFlight = 0;
  #reading = false;
  #stopped = false;
  #acked = 0;

  /** Starts at once: rows may be sent before the constructor returns to its caller's caller, never before itself. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#cursor = options.storedUpTo;
    this.#next = options.mailboxNext;
    this.#subscription = options.bus.subscribe(options.device, (row) => this.#onRow(row));
    void this.#read();
  }

  stop(): void {
    this.#stopped = true;
    this.#subscription.end();
  }

  /** All rows up to this number are on the device's disk. */
  ack(upTo: MailboxSeq): 'news' | 'known' | 'never-sent' {
    if (upTo > this.#cursor) return 'never-sent';
    if (upTo <= this.#acked) return 'known';
    const open = this.#inFlight.findIndex(({ seq }) => seq > upTo);
    const done = this.#inFlight.splice(0, open < 0 ? this.#inFlight.length : open);
    for (const { bytes } of done) this.#bytesInFlight -= bytes;
    this.#acked = upTo;
    this.#options.acks.note(this.#options.device, this.#options.generation, upTo);
    void this.#read();
    return 'news';
  }

  #onRow(row: MailboxRow): void {
    if (this.#stopped || row.seq < this.#next) return;
    const isNext = row.seq === this.#cursor + 1 && row.seq === this.#next;
    this.#next = row.seq + 1;
    if (isNext && !this.#reading && this.#open(row.payload.length)) this.#push(row);
    else void this.#read();
  }

  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#stopped && (this.#probing || this.#cursor + 1 < this.#next) && this.#open(1)) {
        const { store, device } = this.#options;
        const limits = this.#options.limits();
        const upTo = this.#next - 1;
        const rows = await store.fetch(
          device,
          this.#cursor,
          limits.deliverRowsInFlightMax - this.#inFlight.length,
          Math.max(1, limits.deliverBytesInFlightMax - this.#bytesInFlight),
        );
        if (this.#stopped) return;
        for (const row of rows) this.#push(row);
        if (rows.length > 0) continue;
        // Numbers up to here that hold no row were acknowledged, or never had one.
        this.#cursor = Math.max(this.#cursor, upTo);
        this.#probing = false;
      }
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#reading = false;
    }
  }

  #open(bytes: number): boolean {
    const limits = this.#options.limits();
    if (this.#inFlight.length === 0) return true;
    return (
      this.#inFlight.length < limits.deliverRowsInFlightMax &&
      this.#bytesInFlight + bytes <= limits.deliverBytesInFlightMax
    );
  }

  #push(row: MailboxRow): void {
    this.#cursor = row.seq;
    this.#next = Math.max(this.#next, row.seq + 1);
    this.#inFlight.push({ seq: row.seq, bytes: row.payload.length });
    this.#bytesInFlight += row.payload.length;
    this.#options.send(encodeDeliver(row));
  }

  #fail(cause: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onFailure(cause);
  }
}
