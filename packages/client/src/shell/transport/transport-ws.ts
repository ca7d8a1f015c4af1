/** WebSocket, the only door to `ws` here. No compression: it would mix secrets with what an attacker chooses. */
import type { RawData } from 'ws';
import { WebSocket } from 'ws';
import { SecureChatError } from '@securechat/wire';
import type { Transport, TransportEvents, TransportOptions } from './transport.ts';
import { CLOSE_DRAIN_MS, connectError, frameBytesMax, notSecureChat, tlsOptionsOf } from './transport.ts';

const PATH = '/v1';
/** A message in more pieces is an attack on the memory for their headers. */
const FRAGMENTS_MAX = 64;
const BUFFERED_CHUNKS_MAX = 4096;

export function openWebSocket(options: TransportOptions, events: TransportEvents): Promise<Transport> {
  const { host, port, transport } = options.address;
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const socket = new WebSocket(`${transport}://${authority}${PATH}`, {
    ...(transport === 'wss' && tlsOptionsOf(options)),
    handshakeTimeout: options.timeoutMs,
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: frameBytesMax,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: BUFFERED_CHUNKS_MAX,
    skipUTF8Validation: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Transport>();
  let failure: unknown;
  socket.once('unexpected-response', (request, response) => {
    const status = response.statusCode ?? 0;
    failure = unexpected(status);
    request.destroy();
    reject(failure);
  });
  socket.on('error', (cause) => reject(isTimeout(cause) ? connectError({ code: 'ETIMEDOUT' }) : refusal(cause)));
  socket.once('open', () => resolve(new WebSocketTransport(socket, events)));
  return promise;
}

/** A proxy without a server behind it, and a server at its limit, are no other than one that is away. */
function unexpected(status: number): SecureChatError {
  if (status === 429 || (status >= 502 && status <= 504))
    return new SecureChatError('UNREACHABLE', { text: `The server cannot be reached now (HTTP ${status}).` });
  return notSecureChat(new Error(`HTTP ${status}`));
}

function isTimeout(cause: Error): boolean {
  return cause.message === 'Opening handshake has timed out';
}

/** ws has no code for an answer that is not WebSocket; everything from the network has one. */
function refusal(cause: Error): SecureChatError {
  return 'code' in cause || cause instanceof AggregateError ? connectError(cause) : notSecureChat(cause);
}

class WebSocketTransport implements Transport {
  readonly #socket: WebSocket;
  #closing = false;
  #cause: unknown;

  constructor(socket: WebSocket, events: TransportEvents) {
    this.#socket = socket;
    socket.on('message', (data: RawData, binary: boolean) => {
      if (this.#closing) return;
      // One Buffer per message is what ws makes (`binaryType` nodebuffer). Text and empty messages are not ours.
      if (binary && data instanceof Buffer && data.length > 0) events.onFrame(data);
      else this.#refuse();
    });
    socket.on('error', (cause) => (this.#cause ??= cause));
    socket.once('close', () => events.onClosed(this.#cause));
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  send(frames: readonly Uint8Array[]): void {
    if (this.#closing || this.#socket.readyState !== WebSocket.OPEN) return;
    for (const frame of frames) this.#socket.send(frame, { binary: true, compress: false });
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.close();
    setTimeout(() => this.#socket.terminate(), CLOSE_DRAIN_MS).unref();
  }

  #refuse(): void {
    this.#cause ??= new SecureChatError('MALFORMED');
    this.#closing = true;
    this.#socket.terminate();
  }
}
