/**
 * The HTTP listener: WebSocket at `/v1` (and `/`), health at `/livez` and `/readyz`, a text page at `/`. The only door to
 * `ws`. No compression (it mixes secrets with what an attacker chooses), binary messages alone.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RawData } from 'ws';
import { WebSocket, WebSocketServer } from 'ws';
import type { Admission, Ticket } from './admission.ts';
import { guardDoor } from './doors.ts';
import type { TlsMaterial } from './tls.ts';
import { tlsOptions } from './tls.ts';
import type { Transport } from './transport.ts';
import { CLOSE_DRAIN_MS } from './transport.ts';

/** A message in more pieces is an attack on the memory for their headers. */
const FRAGMENTS_MAX = 64;
const BUFFERED_CHUNKS_MAX = 256;

/** Whoever has not asked for anything by the deadline of a stranger is closed, a byte now and then or not. */
function httpLimits({ deadlineMs, headerBytesMax }: WebSocketOptions): ServerOptions {
  return {
    headersTimeout: deadlineMs,
    requestTimeout: deadlineMs,
    connectionsCheckingInterval: Math.ceil(deadlineMs / 4),
    maxHeaderSize: headerBytesMax,
    noDelay: true,
  };
}
const HEADERS_MAX = 100;

export interface WebSocketOptions {
  readonly admission: Admission;
  readonly tls: TlsMaterial | undefined;
  readonly frameBytesMax: number;
  /** Time for a request; the handshake behind the upgrade has its own. */
  readonly deadlineMs: number;
  readonly headerBytesMax: number;
  readonly tlsHandshakeMs: number;
  /** `ws` collects a message up to this before we see it; `frameBytesMax` is checked after. */
  readonly payloadBytesMax: number;
  readonly onTransport: (transport: Transport, ticket: Ticket) => void;
  /** The text page. */
  readonly page: () => string;
  readonly ready: () => boolean;
}

/** Not listening yet. */
export function createWebSocketServer(options: WebSocketOptions): Server {
  const timed = httpLimits(options);
  const server: Server =
    options.tls === undefined
      ? createServer(timed)
      : createTlsServer({ ...timed, ...tlsOptions(options.tls), handshakeTimeout: options.tlsHandshakeMs });
  server.maxHeadersCount = HEADERS_MAX;
  const ticketOf = guardDoor(server, options.admission);
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.payloadBytesMax,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: BUFFERED_CHUNKS_MAX,
    skipUTF8Validation: true,
  });

  server.on('request', (request, response) => answerPage(request, response, options));
  server.on('clientError', (_error, socket) => refuse(socket, '400 Bad Request'));
  server.on('tlsClientError', (_error, socket: Duplex) => socket.destroy());
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const ticket = ticketOf(request.socket);
    if (ticket === undefined) return void socket.destroy();
    const path = (request.url ?? '').split('?')[0];
    if (path !== '/' && path !== '/v1') return refuse(socket, '404 Not Found');
    if (!options.ready()) return refuse(socket, '503 Service Unavailable');
    const address = addressOf(request, options.admission);
    if (address !== ticket.address && !ticket.moveTo(address)) return refuse(socket, '429 Too Many Requests');
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      options.onTransport(new WebSocketTransport(webSocket, request.socket, address, options.frameBytesMax), ticket),
    );
  });
  return server;
}

class WebSocketTransport implements Transport {
  readonly kind = 'ws';
  readonly address: string;
  onFrame: (frame: Uint8Array) => void = () => undefined;
  onClose: () => void = () => undefined;
  onDrain: () => void = () => undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #frameBytesMax: number;
  #closing = false;

  constructor(webSocket: WebSocket, socket: Socket, address: string, frameBytesMax: number) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.address = address;
    this.#frameBytesMax = frameBytesMax;
    webSocket.on('message', (data: RawData, binary: boolean) => this.#receive(data, binary));
    // What ws finds wrong, it answers with a close of its own.
    webSocket.on('error', () => undefined);
    webSocket.once('close', () => this.onClose());
    socket.on('drain', () => this.onDrain());
  }

  get bufferedAmount(): number {
    return this.#webSocket.bufferedAmount;
  }

  allowFrame(bytesMax: number): void {
    this.#frameBytesMax = bytesMax;
  }

  send(frames: readonly Uint8Array[]): void {
    if (this.#closing || this.#webSocket.readyState !== WebSocket.OPEN) return;
    this.#socket.write(binaryMessages(frames));
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.resume();
    this.#webSocket.close();
    setTimeout(() => this.#webSocket.terminate(), CLOSE_DRAIN_MS).unref();
  }

  #receive(data: RawData, binary: boolean): void {
    if (this.#closing) return;
    const fits = binary && data instanceof Buffer && data.length <= this.#frameBytesMax;
    // What does not fit arrives as an empty frame, which the link refuses in its one way.
    this.onFrame(fits ? data : new Uint8Array(0));
  }
}

const BINARY_FIN = 0x82;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Whole binary messages as a server sends them: unmasked, uncompressed (RFC 6455 §5.2). In one buffer and past the sender
 * of `ws`, which would hand header and body to the socket apart; its own control frames are written whole as well.
 */
export function binaryMessages(messages: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const { length } of messages) bytes += headerBytes(length) + length;
  const all = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const message of messages) {
    const { length } = message;
    const header = headerBytes(length);
    all[at] = BINARY_FIN;
    all[at + 1] = header === 2 ? length : header === 4 ? LENGTH_16 : LENGTH_64;
    if (header === 4) all.writeUInt16BE(length, at + 2);
    if (header === 10) all.writeBigUInt64BE(BigInt(length), at + 2);
    all.set(message, at + header);
    at += header + length;
  }
  return all;
}

function headerBytes(length: number): 2 | 4 | 10 {
  if (length < LENGTH_16) return 2;
  return length <= 0xffff ? 4 : 10;
}

/** The address of the person: what the last configured proxy saw, or the connection's own. */
function addressOf(request: IncomingMessage, admission: Admission): string {
  const own = request.socket.remoteAddress ?? '';
  if (!admission.isProxy(own)) return own;
  const header = request.headers['x-forwarded-for'];
  const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((hop) => hop.trim());
  // From the right: everything left of the first address that is not a proxy of ours may be invented.
  return hops.reverse().find((hop) => hop !== '' && !admission.isProxy(hop)) ?? own;
}

/** Whoever does not close their half would keep the place of a stranger for ever: nobody else watches this socket now. */
function refuse(socket: Duplex, status: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), CLOSE_DRAIN_MS).unref();
}

const pageHeaders = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
} as const;

function answerPage(request: IncomingMessage, response: ServerResponse, options: WebSocketOptions): void {
  const answer = (status: number, text: string): void => {
    // One page a connection: asking again and again is no way to stay.
    response.shouldKeepAlive = false;
    response.writeHead(status, { ...pageHeaders, 'Content-Length': Buffer.byteLength(text) });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'Only GET.\n');
  const path = (request.url ?? '').split('?')[0];
  if (path === '/livez') return answer(200, 'alive\n');
  if (path === '/readyz') return options.ready() ? answer(200, 'ready\n') : answer(503, 'not ready\n');
  if (path === '/') return answer(200, options.page());
  return answer(404, 'There is nothing here.\n');
}
