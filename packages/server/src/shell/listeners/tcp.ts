/**
 * The raw TCP listener, with or without TLS. The stream is cut by a length in front of each frame:
 *
 *     +----------------+- - - - - - - -+
 *     | length u32 BE  | frame         |      1 <= length <= the limit in force
 *     +----------------+- - - - - - - -+
 */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Admission, Ticket } from './admission.ts';
import { guardDoor } from './doors.ts';
import type { TicketOf } from './doors.ts';
import type { TlsMaterial } from './tls.ts';
import { tlsOptions } from './tls.ts';
import type { Transport } from './transport.ts';
import { CLOSE_DRAIN_MS } from './transport.ts';

const PREFIX_BYTES = 4;
/** Each piece costs a kilobyte beside its bytes: a frame that comes byte by byte must not be kept as it came. */
const PIECES_MAX = 256;

export interface TcpOptions {
  readonly admission: Admission;
  readonly tls: TlsMaterial | undefined;
  /** Longest frame before `allowFrame` says otherwise. */
  readonly frameBytesMax: number;
  /** Without TLS it says nothing. */
  readonly tlsHandshakeMs: number;
  readonly onTransport: (transport: Transport, ticket: Ticket) => void;
}

/** Not listening yet. */
export function createTcpServer(options: TcpOptions): Server {
  let ticketOf: TicketOf | undefined;
  const accept = (socket: Socket): void => {
    const ticket = ticketOf?.(socket);
    if (ticket === undefined) socket.destroy();
    else options.onTransport(new TcpTransport(socket, options.frameBytesMax), ticket);
  };
  if (options.tls === undefined) {
    const server = createServer({ noDelay: true });
    // First the door, then the guest: listeners run in the order they were added.
    ticketOf = guardDoor(server, options.admission);
    return server.on('connection', accept);
  }
  const server = createTlsServer({
    ...tlsOptions(options.tls),
    handshakeTimeout: options.tlsHandshakeMs,
    noDelay: true,
  } as object);
  ticketOf = guardDoor(server, options.admission);
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server.on('secureConnection', accept);
}

/** In one buffer: a write of several costs more than a copy. */
function prefixed(frames: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const { length } of frames) bytes += PREFIX_BYTES + length;
  const all = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    all.writeUInt32BE(frame.length, at);
    all.set(frame, at + PREFIX_BYTES);
    at += PREFIX_BYTES + frame.length;
  }
  return all;
}

class TcpTransport implements Transport {
  readonly kind = 'tcp';
  readonly address: string;
  onFrame: (frame: Uint8Array) => void = () => undefined;
  onClose: () => void = () => undefined;
  onDrain: () => void = () => undefined;
  readonly #socket: Socket;
  #frameBytesMax: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #closing = false;

  constructor(socket: Socket, frameBytesMax: number) {
    this.#socket = socket;
    this.#frameBytesMax = frameBytesMax;
    this.address = socket.remoteAddress ?? '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.onDrain());
    socket.once('close', () => this.onClose());
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  allowFrame(bytesMax: number): void {
    this.#frameBytesMax = bytesMax;
  }

  send(frames: readonly Uint8Array[]): void {
    if (this.#closing || this.#socket.destroyed) return;
    this.#socket.write(prefixed(frames));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#held = [];
    const socket = this.#socket;
    // Keeps reading, into nothing: unread bytes would turn the close into a reset that eats our last frame.
    socket.resume();
    socket.end();
    setTimeout(() => socket.destroy(), CLOSE_DRAIN_MS).unref();
  }

  #receive(chunk: Buffer): void {
    if (this.#closing) return;
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    while (!this.#closing && this.#heldBytes >= PREFIX_BYTES) {
      const length = this.#gather(PREFIX_BYTES).readUInt32BE(0);
      if (length < 1 || length > this.#frameBytesMax) {
        // An empty frame is none of ours either: the link refuses it in its one way.
        this.#held = [];
        this.#heldBytes = 0;
        this.onFrame(new Uint8Array(0));
        return;
      }
      const end = PREFIX_BYTES + length;
      if (this.#heldBytes < end) {
        if (this.#held.length > PIECES_MAX) this.#gather(this.#heldBytes);
        return;
      }
      const bytes = this.#gather(end);
      this.#held = bytes.length > end ? [bytes.subarray(end), ...this.#held.slice(1)] : this.#held.slice(1);
      this.#heldBytes -= end;
      this.onFrame(bytes.subarray(PREFIX_BYTES, end));
    }
  }

  /** The first held piece, made at least this long. Copies once per frame at most. */
  #gather(bytesMin: number): Buffer {
    const first = this.#held[0];
    if (first !== undefined && first.length >= bytesMin) return first;
    const parts: Buffer[] = [];
    let bytes = 0;
    let used = 0;
    for (const piece of this.#held) {
      parts.push(piece);
      bytes += piece.length;
      used += 1;
      if (bytes >= bytesMin) break;
    }
    const joined = Buffer.concat(parts);
    this.#held = [joined, ...this.#held.slice(used)];
    return joined;
  }
}
