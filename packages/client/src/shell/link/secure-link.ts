/**
 * A sealed connection: requests with their answers, hot frames, login, attach, and the one end of it all (link-port.ts).
 * It knows the protocol and no conversation.
 */
import { systemEntropy } from '@securechat/crypto';
import type { Session } from '@securechat/session';
import type { Code, Fingerprint, Frame, MailboxSeq } from '@securechat/wire';
import {
  ByteReader,
  codeOf,
  control,
  decodeAccepted,
  decodeDeliver,
  decodeFailure,
  decodeMessage,
  encodeAck,
  ID_BYTES,
  idOf,
  limits,
  SecureChatError,
} from '@securechat/wire';
import { attachDevice } from './attach.ts';
import { FrameStream } from '../transport/frame-stream.ts';
import type { LinkInside } from './link-inside.ts';
import type { Link, LinkEvents, RequestKind, RequestValue } from './link-port.ts';
import { loginAccount } from './login.ts';
import { registerAccount } from './registration.ts';
import type { ResponseBody } from './requests.ts';
import { Requests } from './requests.ts';
import type { Transport } from '../transport/transport.ts';

/** A server that works answers within this; a dead connection is noticed by its silence (`deadMs`). */
const REQUEST_MS = 30_000;
const TICK_MS = 5_000;
const PING_JITTER_MS = 5_000;
/** A server that pings and does not read gets no answers on top of this; one that reads hears from us anyway. */
const PONG_WAITING_BYTES_MAX = 1024 * 1024;
/** After GOAWAY: for answers that are still on their way. */
const GOAWAY_MS = 1_000;

export class SecureLink implements Link, LinkInside {
  readonly session: Session;
  readonly stream: FrameStream;
  readonly serverFingerprint: Fingerprint;
  readonly sealingSequence: number;
  readonly resumed: boolean;
  readonly opaqueKey: string | undefined;
  readonly #transport: Transport;
  readonly #events: LinkEvents;
  readonly #requests = new Requests(REQUEST_MS);
  readonly #ticker: NodeJS.Timeout;
  #pingDueMs = nextPing();
  #attached = false;
  #deferred: Frame[] | undefined;
  /** Why the server ended it, said before it closed. */
  #reason: Code | undefined;
  /** The server is about to leave. */
  #left: SecureChatError | undefined;
  #ended = false;

  constructor(parts: {
    readonly session: Session;
    readonly transport: Transport;
    readonly events: LinkEvents;
    readonly serverFingerprint: Fingerprint;
    readonly opaqueKey: string | undefined;
    readonly sealingSequence: number;
    readonly resumed: boolean;
  }) {
    this.session = parts.session;
    this.serverFingerprint = parts.serverFingerprint;
    this.sealingSequence = parts.sealingSequence;
    this.resumed = parts.resumed;
    this.opaqueKey = parts.opaqueKey;
    this.#transport = parts.transport;
    this.#events = parts.events;
    this.stream = new FrameStream({
      session: parts.session,
      transport: parts.transport,
      onFrame: (frame) => this.#dispatch(frame),
      onBroken: (error) => this.broken(error),
    });
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#ticker.unref();
  }

  // ---- Link

  request<K extends RequestKind>(kind: K, value: RequestValue<K>): Promise<ResponseBody> {
    return this.#ask((frame) => this.stream.send(frame), kind, value);
  }
  requestAndHold<K extends RequestKind>(kind: K, value: RequestValue<K>, arrived?: (body: ResponseBody) => void) {
    return this.#ask((frame) => this.stream.sendAndHold(frame), kind, value, arrived);
  }
  requestAndRelease<K extends RequestKind>(kind: K, value: RequestValue<K>, arrived?: (body: ResponseBody) => void) {
    const send = (frame: Frame): void => {
      this.stream.sendFirst(frame);
      this.stream.release();
    };
    return this.#ask(send, kind, value, arrived);
  }

  register(options: Parameters<Link['register']>[0]): ReturnType<Link['register']> {
    return registerAccount(this, options);
  }
  login(username: string, password: string): ReturnType<Link['login']> {
    return loginAccount(this, username, password);
  }
  attach(options: Parameters<Link['attach']>[0]): Promise<control.Attached> {
    return attachDevice(this, options);
  }

  submit(body: Uint8Array): void {
    if (!this.#ended) this.stream.send({ kind: 'submit', request: 0, body });
  }
  ack(upTo: MailboxSeq): void {
    if (!this.#ended) this.stream.send({ kind: 'ack', request: 0, body: encodeAck(upTo) });
  }

  close(): void {
    if (this.#ended) return;
    this.stream.flush();
    this.#end('CONNECTION_LOST');
  }

  // ---- what the exchanges and the transport say

  receive(transportFrame: Uint8Array): void {
    if (!this.#ended) this.stream.receive(transportFrame);
  }
  broken(error: SecureChatError): void {
    this.#end(error.code, error);
  }
  lost(cause: unknown): void {
    this.#end('CONNECTION_LOST', cause);
  }
  deferEvents(): void {
    this.#attached = true;
    this.#deferred = [];
    setImmediate(() => {
      const frames = this.#deferred ?? [];
      this.#deferred = undefined;
      try {
        for (const frame of frames) if (!this.#ended) this.#handle(frame);
      } catch (error) {
        this.broken(asError(error));
      }
    });
  }

  // ---- frames

  #ask<K extends RequestKind>(
    send: (frame: Frame) => void,
    kind: K,
    value: RequestValue<K>,
    arrived?: (body: ResponseBody) => void,
  ): Promise<ResponseBody> {
    if (this.#ended) return Promise.reject(new SecureChatError('CONNECTION_LOST'));
    // The generated union pairs kind and value; a generic pair has to be told so.
    const body = control.Request.encode({ body: { $case: kind, value } as control.Request['body'] & object }).finish();
    if (body.length > limits.requestBytesMax.value) return Promise.reject(new SecureChatError('TOO_LARGE'));
    const { number, answer } = this.#requests.begin(arrived);
    send({ kind: 'request', request: number, body });
    return answer;
  }

  #dispatch(frame: Frame): void {
    if (this.#ended) return;
    if (this.#deferred !== undefined && frame.kind !== 'response') this.#deferred.push(frame);
    else this.#handle(frame);
  }

  #handle(frame: Frame): void {
    switch (frame.kind) {
      case 'response':
        this.#requests.settle(frame.request, decodeMessage(control.Response, frame.body));
        if (this.#left !== undefined && this.#requests.size === 0) this.#goAway(this.#left);
        return;
      case 'event':
        return this.#event(decodeMessage(control.Event, frame.body));
      case 'deliver':
        this.#insistAttached();
        return this.#events.onDeliver(decodeDeliver(frame.body));
      case 'accepted':
        this.#insistAttached();
        return this.#events.onAccepted(decodeAccepted(frame.body));
      case 'refused': {
        this.#insistAttached();
        const id = idOf(frame.body.subarray(0, ID_BYTES));
        const failure = decodeMessage(control.Failure, frame.body.subarray(ID_BYTES));
        return this.#events.onRefused(id, decodeFailure(failure));
      }
      case 'ping':
        if (this.#transport.bufferedAmount > PONG_WAITING_BYTES_MAX) return;
        return this.stream.send({ kind: 'pong', request: frame.request, body: new Uint8Array(0) });
      case 'pong':
        return;
      case 'goaway':
        return this.#goAway(leaving(frame.body));
      case 'request':
      case 'submit':
      case 'ack':
        throw new SecureChatError('MALFORMED');
    }
  }

  #insistAttached(): void {
    if (!this.#attached) throw new SecureChatError('MALFORMED');
  }

  #event(event: control.Event): void {
    // An event of a newer server, which nothing here depends on.
    if (event.body === undefined) return;
    if (event.body.$case === 'loggedOut') this.#reason = codeOf(event.body.value.code);
    this.#events.onEvent(event);
  }

  #goAway(cause: SecureChatError): void {
    this.#left = cause;
    if (this.#requests.size === 0) return void setImmediate(() => this.#end('SHUTTING_DOWN', cause));
    setTimeout(() => this.#end('SHUTTING_DOWN', cause), GOAWAY_MS).unref();
  }

  // ---- time

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.stream.heardMs > limits.deadMs.value) return this.#end('TIMEOUT');
    if (nowMs < this.#pingDueMs) return;
    this.#pingDueMs = nextPing();
    this.stream.send({ kind: 'ping', request: 0, body: new Uint8Array(0) });
  }

  #end(code: Code, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#ticker);
    const reason = this.#reason ?? this.#left?.code ?? code;
    this.session.wipe();
    this.#transport.close();
    this.#requests.endAll(new SecureChatError(reason === 'TIMEOUT' ? 'CONNECTION_LOST' : reason, {}, { cause }));
    this.#events.onClosed(reason, cause);
  }
}

/** GOAWAY := milliseconds u32 to stay away for, so that not all come back at one moment; empty: as one likes. */
function leaving(body: Uint8Array): SecureChatError {
  const retryAfterMs = body.length === 4 ? new ByteReader(body).u32() : 0;
  return new SecureChatError('SHUTTING_DOWN', { retryAfterMs });
}

function asError(error: unknown): SecureChatError {
  return error instanceof SecureChatError ? error : new SecureChatError('INTERNAL', {}, { cause: error });
}

/** 25 s ± 5 from now, so that a server's devices do not all speak at once. */
function nextPing(): number {
  const [byte = 0] = systemEntropy(1);
  return performance.now() + limits.pingMs.value - PING_JITTER_MS + (byte / 255) * 2 * PING_JITTER_MS;
}
