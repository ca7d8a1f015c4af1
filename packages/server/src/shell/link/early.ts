/**
 * What comes before the device is attached: the handshake, then records. One by one, because keys change between records,
 * and little may wait: a client sends one thing and waits for its answer.
 */
import type { Session } from '@securechat/session';
import type { Frame } from '@securechat/wire';
import { FrameReader, SecureChatError } from '@securechat/wire';
import { Handshake } from './handshake.ts';
import { Line } from './line.ts';
import { Outbox } from './outbox.ts';
import type { ServerParts } from '../parts.ts';
import type { ResumedDevice } from './take-resumption.ts';
import type { Transport } from '../listeners/transport.ts';

/** What waits while one thing is worked off: eight of the longest frames, where an honest client sends one or two. */
export const EARLY_BYTES_MAX: number = 64 * 1024;

/** A connection whose session stands. */
export interface Established {
  readonly session: Session;
  readonly outbox: Outbox;
  readonly reader: FrameReader;
  readonly resumed: ResumedDevice | undefined;
}

/** What it needs of its connection. */
export interface EarlyOptions {
  readonly server: ServerParts;
  readonly transport: Transport;
  /** How far the connection is, now. */
  readonly stage: () => 'open' | 'attaching' | 'attached' | 'closing';
  readonly onEstablished: (established: Established) => void;
  /** Resolves when the request is answered. */
  readonly serve: (frame: Frame, atMs: number) => Promise<void>;
  readonly pong: (frame: Frame) => void;
  /** A record without a whole frame. */
  readonly onIdle: () => void;
  /** A record that waited here while the device was attached. */
  readonly onLateRecord: (record: Uint8Array) => void;
  /** Something is wrong with what came then. */
  readonly refuse: (atMs: number) => void;
}

interface Waiting {
  readonly frame: Uint8Array;
  readonly bytes: number;
  readonly atMs: number;
}

export class Early {
  readonly #options: EarlyOptions;
  /** Until the session stands: an idle connection does not keep its hello. */
  #handshake: Handshake | undefined;
  readonly #line: Line<Waiting>;
  #established: Established | undefined;

  /** Says hello. */
  constructor(options: EarlyOptions) {
    this.#options = options;
    const { server, transport } = options;
    this.#handshake = new Handshake(server, transport.kind);
    this.#line = new Line({
      take: (waiting) => this.#take(waiting),
      onFailure: (cause, { atMs }) => {
        if (!(cause instanceof SecureChatError)) server.log.error('link failed', { cause });
        options.refuse(atMs);
      },
    });
    transport.send([this.#handshake.hello]);
  }

  push(frame: Uint8Array, atMs: number): void {
    if (this.#line.bytes + frame.length > EARLY_BYTES_MAX) return this.#options.refuse(atMs);
    this.#line.push({ frame, bytes: frame.length, atMs });
  }

  clear(): void {
    this.#line.clear();
  }

  async #take({ frame, atMs }: Waiting): Promise<void> {
    if (this.#options.stage() === 'attached') this.#options.onLateRecord(frame);
    else if (this.#established !== undefined) await this.#takeRecord(this.#established, frame, atMs);
    else if (this.#handshake !== undefined) await this.#shake(this.#handshake, frame, atMs);
  }

  async #shake(handshake: Handshake, frame: Uint8Array, atMs: number): Promise<void> {
    const { server, transport, stage, refuse, onEstablished } = this.#options;
    const step = await handshake.take(frame);
    if (stage() === 'closing') {
      if (step.kind === 'established') step.session.wipe();
      return;
    }
    if (step.kind === 'refused') return refuse(atMs);
    transport.send([step.reply]);
    if (step.kind === 'again') return;
    const { session, resumed } = step;
    this.#established = {
      session,
      resumed,
      outbox: new Outbox(transport, session, server.clock.monotonicMs),
      reader: new FrameReader(server.config.limits.frameBytesBeforeAuthMax),
    };
    this.#handshake = undefined;
    onEstablished(this.#established);
  }

  async #takeRecord({ session, reader }: Established, record: Uint8Array, atMs: number): Promise<void> {
    const { stage, serve, pong, onIdle, refuse } = this.#options;
    const plaintext = session.open(record);
    if (plaintext === undefined) return refuse(atMs);
    const frames = reader.push(plaintext);
    if (frames.length === 0) onIdle();
    for (const [index, frame] of frames.entries()) {
      if (stage() === 'closing') return;
      if (frame.kind === 'ping' && stage() !== 'attaching') pong(frame);
      else if (frame.kind !== 'request') return refuse(atMs);
      else {
        const transcript = session.transcript;
        await serve(frame, atMs);
        // A frame never spans two keys: whoever knew the old ones could put words into the mouth of the new.
        const changed = stage() !== 'closing' && session.transcript !== transcript;
        if (changed && (index < frames.length - 1 || reader.heldBytes > 0)) return refuse(atMs);
      }
    }
  }
}
