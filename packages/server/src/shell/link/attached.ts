/** What an attached device sends: hot frames as they come, requests one after the other. */
import type { control, Frame } from '@securechat/wire';
import { decodeAck } from '@securechat/wire';
import { Delivery } from '../deliveries.ts';
import { refusalOf } from '../execute.ts';
import { Inflow } from './inflow.ts';
import { Line } from './line.ts';
import type { LinkState } from './link-state.ts';
import type { Outbox } from './outbox.ts';
import type { ServerParts } from '../parts.ts';
import { Submits } from '../submits.ts';
import type { Transport } from '../listeners/transport.ts';

/** What it needs of its connection. */
export interface AttachedOptions {
  readonly server: ServerParts;
  readonly transport: Transport;
  readonly outbox: Outbox;
  readonly state: Extract<LinkState, { kind: 'attached' }>;
  readonly answer: control.Attached;
  /** Highest row that the device has on its disk. */
  readonly storedUpTo: number;
  readonly serve: (frame: Frame) => Promise<void>;
  readonly pong: (frame: Frame) => void;
  /** A frame that nobody answers and nothing comes of. */
  readonly onIdle: () => void;
  /** A frame made no sense. */
  readonly onNonsense: () => void;
  readonly onFailure: (cause: unknown) => void;
  /** Something that was taken is answered. */
  readonly onProgress: () => void;
  readonly onFenced: (code: 'SESSION_REPLACED' | 'DEVICE_REVOKED') => void;
  /** The connection cannot go on; nothing is said. */
  readonly onEnd: () => void;
}

export class Attached {
  readonly #options: AttachedOptions;
  readonly #requests: Line<{ readonly frame: Frame; readonly bytes: number }>;
  readonly #inflow: Inflow;
  readonly #submits: Submits;
  readonly #delivery: Delivery;

  constructor(options: AttachedOptions) {
    this.#options = options;
    const { server, transport, outbox, state, answer, storedUpTo, onProgress } = options;
    const { store, acks, bus, clock } = server;
    const limits = () => server.load.limits;
    const { account, device, generation } = state;
    this.#requests = new Line({
      take: ({ frame }) => options.serve(frame),
      onFailure: options.onFailure,
      onProgress,
    });
    this.#submits = new Submits({
      server,
      sender: { account, device, generation },
      send: (kind, bytes) => outbox.send(kind, bytes),
      onLoad: onProgress,
      onFlood: (pauseMs) => this.slowDown(pauseMs),
      onFenced: options.onFenced,
      onUnknown: options.onEnd,
    });
    this.#inflow = new Inflow({
      transport,
      limits,
      nowMs: clock.monotonicMs,
      load: () => ({
        requests: this.#requests.length,
        requestBytes: this.#requests.bytes,
        submits: this.#submits.inFlight,
        submitBytes: this.#submits.bytesInFlight,
      }),
    });
    this.#delivery = new Delivery({
      store,
      acks,
      bus,
      limits,
      device,
      generation,
      storedUpTo,
      mailboxNext: answer.mailboxNext,
      send: (bytes) => outbox.send('deliver', bytes),
      onFailure: (cause) => {
        server.log.warn('delivery failed', { code: refusalOf(cause, server, 'deliver').code });
        options.onEnd();
      },
    });
  }

  /** Nothing that was taken waits for its answer. */
  get idle(): boolean {
    return !this.#requests.busy && this.#submits.inFlight === 0;
  }

  take(frame: Frame): void {
    switch (frame.kind) {
      case 'submit':
        if (!this.#submits.handle(frame.body)) this.#options.onNonsense();
        return;
      case 'ack':
        this.#acknowledge(frame.body);
        return;
      case 'request':
        this.#requests.push({ frame, bytes: frame.body.length });
        return;
      case 'ping':
        this.#options.pong(frame);
        return;
      case 'pong':
        this.#options.onIdle();
        return;
      default:
        this.#options.onNonsense();
    }
  }

  #acknowledge(body: Uint8Array): void {
    try {
      const heard = this.#delivery.ack(decodeAck(body));
      if (heard === 'never-sent') this.#options.onNonsense();
      if (heard === 'known') this.#options.onIdle();
    } catch {
      this.#options.onNonsense();
    }
  }

  /** It asked more than it may: nothing is read from it for that long. */
  slowDown(pauseMs: number): void {
    this.#inflow.flooded(pauseMs, this.#options.onProgress);
  }

  balance(): void {
    this.#inflow.balance();
  }

  stop(): void {
    this.#delivery.stop();
    this.#requests.clear();
  }
}
