/** Frames of a connection, one at a time while hands are shaken, then pushed to whoever takes over. */
import type { SecureChatError } from '@securechat/wire';

/** A handshake has the other side speak once per turn; more at once is not one. */
const WAITING_MAX = 4;

export class FrameInbox {
  #waiting: Uint8Array[] = [];
  #wanted: PromiseWithResolvers<Uint8Array> | undefined;
  #taker: ((frame: Uint8Array) => void) | undefined;
  #onOverflow: () => void;
  #ended: SecureChatError | undefined;

  constructor(onOverflow: () => void) {
    this.#onOverflow = onOverflow;
  }

  push(frame: Uint8Array): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (this.#taker !== undefined) this.#taker(frame);
    else if (wanted !== undefined) wanted.resolve(frame);
    else if (this.#waiting.push(frame) > WAITING_MAX) this.#onOverflow();
  }

  /** Rejects once `end` was called. One caller at a time. */
  next(): Promise<Uint8Array> {
    const frame = this.#waiting.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#wanted = Promise.withResolvers();
    return this.#wanted.promise;
  }

  /** From here on every frame, those that waited first, goes to `taker`. */
  handOver(taker: (frame: Uint8Array) => void): void {
    this.#taker = taker;
    for (const frame of this.#waiting.splice(0)) taker(frame);
  }

  end(error: SecureChatError): void {
    this.#ended ??= error;
    this.#wanted?.reject(this.#ended);
    this.#wanted = undefined;
  }
}
