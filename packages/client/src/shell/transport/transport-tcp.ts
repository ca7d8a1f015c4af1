/**
 * TCP, with or without TLS. The stream is cut by a length in front of each frame:
 *
 *     +----------------+- - - - - - - -+
 *     | length u32 BE  | frame         |      1 <= length <= frameBytesMax
 *     +----------------+- - - - - - - -+
 */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SecureChatError } from '@securechat/wire';
import type { Transport, TransportEvents, TransportOptions } from './transport.ts';
import { CLOSE_DRAIN_MS, connectError, frameBytesMax, tlsOptionsOf } from './transport.ts';

const PREFIX_BYTES = 4;
/** Each piece costs a kilobyte beside its bytes: a frame that comes byte by byte must not be kept as it came. */
const PIECES_MAX = 256;

export function openTcp(options: TransportOptions, events: TransportEvents): Promise<Transport> {
  const { host, port, transport } = options.address;
  const secure = transport === 'tls';
  const socket: Socket = secure ? connectTls({ host, port, ...tlsOptionsOf(options) }) : connect({ host, port });
  socket.setNoDelay(true);
  const { promise, resolve, reject } = Promise.withResolvers<Transport>();
  const failed = (cause: unknown): void => {
    clearTimeout(timer);
    socket.destroy();
    reject(connectError(cause));
  };
  const timer = setTimeout(() => failed({ code: 'ETIMEDOUT' }), options.timeoutMs);
  socket.on('error', failed);
  socket.once('close', failed);
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    clearTimeout(timer);
    socket.off('close', failed);
    const opened = new TcpTransport(socket, events);
    socket.off('error', failed);
    resolve(opened);
  });
  return promise;
}

class TcpTransport implements Transport {
  readonly #socket: Socket;
  readonly #events: TransportEvents;
  #pieces: Buffer[] = [];
  #heldBytes = 0;
  #closing = false;
  #cause: unknown;

  constructor(socket: Socket, events: TransportEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('data', (piece) => this.#receive(Buffer.from(piece)));
    socket.on('error', (cause) => (this.#cause ??= cause));
    socket.on('end', () => this.close());
    socket.once('close', () => events.onClosed(this.#cause));
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  send(frames: readonly Uint8Array[]): void {
    if (this.#closing || this.#socket.destroyed) return;
    this.#socket.cork();
    for (const frame of frames) {
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(frame.length);
      this.#socket.write(prefix);
      this.#socket.write(frame);
    }
    this.#socket.uncork();
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), CLOSE_DRAIN_MS).unref();
  }

  /** Holds at most one incomplete frame: its length is judged as soon as it can be read. */
  #receive(piece: Buffer): void {
    if (this.#closing) return;
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    while (this.#heldBytes >= PREFIX_BYTES && !this.#closing) {
      const length = this.#peekLength();
      if (length < 1 || length > frameBytesMax) return this.#refuse();
      if (this.#heldBytes < PREFIX_BYTES + length) {
        if (this.#pieces.length > PIECES_MAX) this.#pieces = [Buffer.concat(this.#pieces)];
        return;
      }
      const frame = this.#take(PREFIX_BYTES + length).subarray(PREFIX_BYTES);
      this.#events.onFrame(frame);
    }
  }

  #peekLength(): number {
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= PREFIX_BYTES) return first.readUInt32BE();
    this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]?.readUInt32BE() ?? 0;
  }

  #take(count: number): Buffer {
    const [first] = this.#pieces;
    const all = this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
    this.#heldBytes -= count;
    this.#pieces = this.#heldBytes === 0 ? [] : [all.subarray(count)];
    return all.subarray(0, count);
  }

  #refuse(): void {
    this.#cause = new SecureChatError('TOO_LARGE');
    this.#closing = true;
    this.#socket.destroy();
  }
}
