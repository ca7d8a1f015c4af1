/**
 * Frames on their way to one peer. What one turn of the event loop sends shares records and one write to the socket; what
 * waits is bounded by those who send: windows, and one answer per request.
 */
import type { Session } from '@securechat/session';
import type { Frame, FrameKind } from '@securechat/wire';
import { encodeFrames } from '@securechat/wire';
import type { Transport } from '../listeners/transport.ts';

/** A peer that leaves more than this is given up. Windows and one answer per request cannot fill it alone. */
export const BUFFERED_BYTES_LOST = 8 * 1024 * 1024;

export class Outbox {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #nowMs: () => number;
  #frames: Frame[] = [];
  #scheduled = false;

  constructor(transport: Transport, session: Session, nowMs: () => number) {
    this.#transport = transport;
    this.#session = session;
    this.#nowMs = nowMs;
  }

  /** The body is the outbox's until it is flushed. */
  send(kind: FrameKind, body: Uint8Array, request = 0): void {
    this.#frames.push({ kind, request, body });
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the promises that the running callback settles: their answers go along.
    process.nextTick(() => this.flush());
  }

  /** Everything so far, now: before keys change, and before a close. */
  flush(): void {
    this.#scheduled = false;
    if (this.#frames.length === 0 || this.#session.dead) return;
    const plaintext = encodeFrames(this.#frames);
    this.#frames = [];
    this.#transport.send(this.#session.seal(plaintext, this.#nowMs()));
  }
}
