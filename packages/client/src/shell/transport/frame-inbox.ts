/** Frames of a connection, one at a time while hands are shaken, then pushed to whoever takes over. */
import { SecureChatError } from '@securechat/wire';

/** A handshake has the other side speak once per turn; more at once is not one. */
const WAITING_MAX = 4;

export class FrameInbox {
  #waiting: Uint8Array[] = [];
  #wanted: PromiseWithResolvers<Uint8Array> | undefined;
  #taker: ((frame: Uint8Array) => void) | undefined;
  #ended: SecureChatError | undefined;

  push(frame: Uint8Array): void {
    if (this.#ended !== undefined) return;
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (this.#taker !== undefined) this.#taker(frame);
    else if (wanted !== undefined) wanted.resolve(frame);
    else if (this.#waiting.push(frame) > WAITING_MAX) this.end(new SecureChatError('HANDSHAKE_FAILED'));
  }

  /** Rejects once `end` was called, or when more came than a handshake has. One caller at a time. */
  next(): Promise<Uint8Array> {
    const frame = this.#ended === undefined ? this.#waiting.shift() : undefined;
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
    this.#waiting = [];
    this.#wanted?.reject(this.#ended);
    this.#wanted = undefined;
  }
}
