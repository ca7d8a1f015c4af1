/**
 * The sealed stream of frames on one connection: what is sent in one turn of the event loop shares records and a write,
 * what arrives is opened, cut and handed over in order. Keys are exchanged at exact points (docs/protocol/session.md), so
 * sending can be held and receiving can insist on one answer.
 */
import type { Session } from '@securechat/session';
import type { Frame } from '@securechat/wire';
import { encodeFrame, encodeFrames, FrameReader, limits, SecureChatError } from '@securechat/wire';
import type { Transport } from './transport.ts';

export interface FrameStreamOptions {
  readonly session: Session;
  readonly transport: Transport;
  readonly onFrame: (frame: Frame) => void;
  /** The other side broke the rules, or something between changed a byte. */
  readonly onBroken: (error: SecureChatError) => void;
}

export class FrameStream {
  readonly #options: FrameStreamOptions;
  readonly #reader = new FrameReader(limits.requestBytesMax.value);
  #outgoing: Frame[] = [];
  #scheduled = false;
  #held = false;
  #awaited: number | undefined;
  #deaf = false;
  /** performance.now() of the last record that opened. */
  heardMs = performance.now();

  constructor(options: FrameStreamOptions) {
    this.#options = options;
  }

  send(frame: Frame): void {
    this.#outgoing.push(frame);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Seals and writes what waits, unless sending is held. */
  flush(): void {
    if (this.#held || this.#outgoing.length === 0 || this.#options.session.dead) return;
    const frames = this.#outgoing;
    this.#outgoing = [];
    this.#seal(encodeFrames(frames));
  }

  /**
   * Sends everything that waits and this frame last; then nothing is sent until `release`, and nothing is received but
   * the response to this frame: around it the keys change.
   */
  sendAndHold(frame: Frame): void {
    this.flush();
    this.#held = true;
    this.#awaited = frame.request;
    this.#seal(encodeFrame(frame));
  }

  /** The last frame of an exchange, ahead of what waited during it. */
  sendFirst(frame: Frame): void {
    this.#seal(encodeFrame(frame));
  }

  /** From the awaited response on until `release`: whatever arrives breaks the connection. */
  goDeaf(): void {
    this.#deaf = true;
  }

  release(): void {
    this.#held = false;
    this.#deaf = false;
    this.#awaited = undefined;
    this.flush();
  }

  receive(transportFrame: Uint8Array): void {
    try {
      if (this.#deaf) throw new SecureChatError('HANDSHAKE_FAILED');
      const plaintext = this.#options.session.open(transportFrame);
      if (plaintext === undefined) throw new SecureChatError('HANDSHAKE_FAILED');
      this.heardMs = performance.now();
      for (const frame of this.#reader.push(plaintext)) this.#take(frame);
    } catch (error) {
      this.#options.onBroken(
        error instanceof SecureChatError ? error : new SecureChatError('INTERNAL', {}, { cause: error }),
      );
    }
  }

  #take(frame: Frame): void {
    if (this.#deaf) throw new SecureChatError('HANDSHAKE_FAILED');
    const awaited = this.#awaited;
    if (awaited !== undefined) {
      if (frame.kind !== 'response' || frame.request !== awaited) throw new SecureChatError('HANDSHAKE_FAILED');
      this.#awaited = undefined;
    }
    this.#options.onFrame(frame);
  }

  #seal(plaintext: Uint8Array): void {
    const { session, transport } = this.#options;
    transport.send(session.seal(plaintext, performance.now()));
  }
}
