/**
 * A small client over `session` and `wire`: what a connection needs to register, log in, attach, submit and receive. It
 * knows nothing of MLS; payloads are any bytes. Strict: whatever it does not expect fails the test.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { client as opaque, ready as opaqueReady } from '@serenity-kit/opaque';
import { WebSocket } from 'ws';
import { ed25519, openerOf, openSealed, systemEntropy } from '@securechat/crypto';
import type { KnownServer, Resumption, Session, SessionTransport } from '@securechat/session';
import {
  acceptReply,
  acceptResumeReply,
  attachTranscript,
  bindAttach,
  bindLogin,
  createFlight,
  createResumeFlight,
  openAttachSecret,
  readHello,
} from '@securechat/session';
import type {
  Accepted,
  ClientId,
  Deliver,
  Fingerprint,
  Frame,
  FrameKind,
  GroupId,
  MailboxSeq,
  Submit,
} from '@securechat/wire';
import {
  control,
  decodeAccepted,
  decodeDeliver,
  decodeFailure,
  encodeAck,
  encodeFrame,
  encodeSubmit,
  FrameReader,
  fromBase64url,
  ID_BYTES,
  idBytes,
  idOf,
  limits,
  SecureChatError,
} from '@securechat/wire';
import type { Person } from './people.ts';

await opaqueReady;

/** The weakest stretching the library takes: these tests are about the server. */
const keyStretching = { 'argon2id-custom': { iterations: 1, memory: 8, parallelism: 1 } };

type RequestBody = NonNullable<control.Request['body']>;
type ResponseBody = NonNullable<control.Response['body']>;
export type Kind = RequestBody['$case'];
export type Answer<R extends ResponseBody['$case']> = Extract<ResponseBody, { $case: R }>['value'];
export type Value<K extends Kind> = Extract<RequestBody, { $case: K }>['value'];

/** Frames as they come; `undefined` when the connection has ended. */
export interface Wire {
  send(frame: Uint8Array): void;
  /** Raw bytes under the framing, for hostile tests. */
  raw(bytes: Uint8Array): void;
  next(): Promise<Uint8Array | undefined>;
  close(): void;
  readonly closed: Promise<void>;
}

/** `ws://`, `wss://`, `tcp://` or `tls://` and host:port. */
export async function openWire(url: string, ca?: string): Promise<Wire> {
  const queue = new Queue<Uint8Array>();
  const { protocol, hostname, port } = new URL(url.replace(/^(tcp|tls):/, 'http:'));
  const closed = Promise.withResolvers<void>();
  const end = (): void => (queue.end(), closed.resolve());
  if (url.startsWith('ws')) {
    void protocol;
    const socket = new WebSocket(url, { perMessageDeflate: false, ...(ca !== undefined && { ca }) });
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data: Buffer) => queue.push(data));
    socket.on('close', end);
    await new Promise<void>((resolve, reject) => (socket.once('open', resolve), socket.once('error', reject)));
    socket.on('error', () => undefined);
    return {
      send: (frame) => socket.send(frame),
      raw: (bytes) => void (socket as unknown as { _socket: { write(b: Uint8Array): void } })._socket.write(bytes),
      next: () => queue.next(),
      close: () => socket.close(),
      closed: closed.promise,
    };
  }
  const address = { host: hostname, port: Number(port) };
  const socket = url.startsWith('tls') ? connectTls({ ...address, ...(ca !== undefined && { ca }) }) : connect(address);
  socket.setNoDelay(true);
  let held = Buffer.alloc(0);
  socket.on('data', (part: Buffer) => {
    held = Buffer.concat([held, part]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
      const length = held.readUInt32BE(0);
      queue.push(held.subarray(4, 4 + length));
      held = held.subarray(4 + length);
    }
  });
  socket.on('close', end);
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once(url.startsWith('tls') ? 'secureConnect' : 'connect', () => resolve());
    socket.once('close', () => resolve());
  });
  return {
    send(frame) {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(frame.length);
      socket.write(Buffer.concat([prefix, frame]));
    },
    raw: (bytes) => void socket.write(bytes),
    next: () => queue.next(),
    close: () => socket.destroy(),
    closed: closed.promise,
  };
}

export class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T | undefined) => void)[] = [];
  #ended = false;
  push(item: T): void {
    const first = this.#waiting.shift();
    if (first === undefined) this.#items.push(item);
    else first(item);
  }
  end(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }
  next(): Promise<T | undefined> {
    const item = this.#items.shift();
    if (item !== undefined || this.#ended) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  get length(): number {
    return this.#items.length;
  }
}

export interface ConnectOptions {
  readonly known?: Partial<KnownServer>;
  readonly resumption?: Resumption;
  readonly ca?: string;
}

export class TestClient {
  readonly session: Session;
  readonly wire: Wire;
  readonly fingerprint: Fingerprint;
  readonly resumed: boolean;
  readonly events = new Queue<control.Event>();
  readonly delivered = new Queue<Deliver>();
  readonly accepted = new Queue<Accepted>();
  readonly refused = new Queue<{ readonly id: ClientId; readonly error: SecureChatError }>();
  readonly pings = new Queue<Frame>();
  readonly goAways = new Queue<Frame>();
  /** Hostile tests send what the bookkeeping here does not know of. */
  lenient = false;
  readonly #reader = new FrameReader(2 * limits.requestBytesMax.value);
  readonly #open = new Map<number, (body: ResponseBody | undefined) => void>();
  #request = 0;
  #ended = false;
  /** Runs between the record that brings the next response and the record after it. */
  #onResponse: ((body: ResponseBody) => void | Promise<void>) | undefined;

  private constructor(wire: Wire, session: Session, fingerprint: Fingerprint, resumed: boolean) {
    this.wire = wire;
    this.session = session;
    this.fingerprint = fingerprint;
    this.resumed = resumed;
    void this.#receive();
  }

  static async connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
    const wire = await openWire(url, options.ca);
    const transport: SessionTransport = url.startsWith('ws') ? 'ws' : 'tcp';
    const known = { fingerprint: undefined, sealingSequenceMin: 0, versionMin: 0, ...options.known };
    const bytes = await wire.next();
    if (bytes === undefined) throw new SecureChatError('HANDSHAKE_FAILED');
    const hello = await readHello({ bytes, known, nowMs: Date.now() });
    if (hello.kind === 'refused') throw new SecureChatError(hello.code);
    const entropy = systemEntropy;
    const nowMs = performance.now();
    if (options.resumption !== undefined) {
      const { flight, pending } = createResumeFlight({ hello, transport, resumption: options.resumption, entropy });
      wire.send(flight);
      const reply = await wire.next();
      if (reply === undefined) throw new SecureChatError('HANDSHAKE_FAILED');
      const result = acceptResumeReply({ pending, reply, nowMs });
      if (result.kind === 'refused') throw new SecureChatError('HANDSHAKE_FAILED');
      if (result.kind === 'established') return new TestClient(wire, result.session, hello.fingerprint, true);
    }
    const { flight, pending } = createFlight({ hello, transport, entropy });
    wire.send(flight);
    const reply = await wire.next();
    if (reply === undefined) throw new SecureChatError('HANDSHAKE_FAILED');
    const result = acceptReply({ pending, reply, nowMs });
    if (result.kind === 'refused') throw new SecureChatError('HANDSHAKE_FAILED');
    return new TestClient(wire, result.session, hello.fingerprint, false);
  }

  async #receive(): Promise<void> {
    for (let record = await this.wire.next(); record !== undefined; record = await this.wire.next()) {
      const plaintext = this.session.open(record);
      if (plaintext === undefined) throw new Error('the server sent a record that does not open');
      for (const frame of this.#reader.push(plaintext)) await this.#take(frame);
    }
    this.#ended = true;
    for (const settle of this.#open.values()) settle(undefined);
    for (const queue of [this.events, this.delivered, this.accepted, this.refused, this.pings, this.goAways])
      (queue as Queue<unknown>).end();
  }

  async #take(frame: Frame): Promise<void> {
    switch (frame.kind) {
      case 'response': {
        const { body } = control.Response.decode(frame.body);
        const settle = this.#open.get(frame.request);
        if (body === undefined || settle === undefined) {
          if (this.lenient) return;
          throw new Error('a response to nothing');
        }
        this.#open.delete(frame.request);
        const then = this.#onResponse;
        this.#onResponse = undefined;
        await then?.(body);
        return settle(body);
      }
      case 'event':
        return this.events.push(control.Event.decode(frame.body));
      case 'deliver':
        return this.delivered.push(decodeDeliver(frame.body));
      case 'accepted':
        return this.accepted.push(decodeAccepted(frame.body));
      case 'refused': {
        const id = idOf<ClientId>(frame.body.subarray(0, ID_BYTES));
        return this.refused.push({ id, error: decodeFailure(control.Failure.decode(frame.body.subarray(ID_BYTES))) });
      }
      case 'ping':
        this.send('pong', frame.body);
        return this.pings.push(frame);
      case 'pong':
        return this.pings.push(frame);
      case 'goaway':
        return this.goAways.push(frame);
      default:
        throw new Error(`the server sent ${frame.kind}`);
    }
  }

  /** One frame in records of its own. */
  send(kind: FrameKind, body: Uint8Array, request = 0): void {
    for (const record of this.session.seal(encodeFrame({ kind, request, body }), performance.now()))
      this.wire.send(record);
  }

  /** The body of the answer; rejects with the SecureChatError of a failure, CONNECTION_LOST when the link ended. */
  async request<K extends Kind>(
    kind: K,
    value: Value<K>,
    then?: (body: ResponseBody) => void | Promise<void>,
  ): Promise<ResponseBody> {
    const body = { $case: kind, value } as RequestBody;
    return this.requestBytes(control.Request.encode({ body }).finish(), then);
  }

  /** Any bytes as a request. */
  async requestBytes(bytes: Uint8Array, then?: (body: ResponseBody) => void | Promise<void>): Promise<ResponseBody> {
    if (this.#ended) throw new SecureChatError('CONNECTION_LOST');
    this.#request += 1;
    const request = this.#request;
    const answer = new Promise<ResponseBody | undefined>((resolve) => this.#open.set(request, resolve));
    this.#onResponse = then;
    this.send('request', bytes, request);
    const response = await answer;
    if (response === undefined) throw new SecureChatError('CONNECTION_LOST');
    if (response.$case === 'failure') throw decodeFailure(response.value);
    return response;
  }

  /** The answer, which must be of this kind. */
  async ask<K extends Kind, R extends ResponseBody['$case']>(kind: K, value: Value<K>, wanted: R): Promise<Answer<R>> {
    const body: ResponseBody = await this.request(kind, value);
    if (body.$case !== wanted) throw new Error(`answered with ${body.$case}`);
    return body.value as unknown as Answer<R>;
  }

  async register(
    person: Person,
    way: { readonly invite?: string; readonly challenge?: Uint8Array; readonly powNonce?: Uint8Array },
  ): Promise<void> {
    const { password } = person;
    const { clientRegistrationState, registrationRequest } = opaque.startRegistration({ password });
    const { opaque: registrationResponse } = await this.ask(
      'registerStart',
      {
        username: person.username,
        opaque: registrationRequest,
        invite: way.invite ?? '',
        challenge: way.challenge ?? new Uint8Array(0),
        powNonce: way.powNonce ?? new Uint8Array(0),
      },
      'registerStart',
    );
    const { registrationRecord } = opaque.finishRegistration({
      clientRegistrationState,
      registrationResponse,
      password,
      keyStretching,
    });
    const { accountJws, deviceJws, listJws } = person;
    await this.ask('registerFinish', { opaque: registrationRecord, accountJws, deviceJws, listJws }, 'done');
  }

  /** AUTH_FAILED is found out here, by the client itself, before KE3 goes out. */
  async login(username: string, password: string, pow: Partial<control.LoginStart> = {}): Promise<control.LoginDone> {
    const { clientLoginState, startLoginRequest } = opaque.startLogin({ password });
    const start = { username, opaque: startLoginRequest, ...pow };
    const { opaque: ke2 } = await this.ask('loginStart', start, 'loginStart');
    const finish = opaque.finishLogin({ clientLoginState, loginResponse: ke2, password, keyStretching });
    if (finish === undefined) throw new SecureChatError('AUTH_FAILED');
    const { finishLoginRequest: ke3, sessionKey } = finish;
    const answer = this.ask('loginFinish', { opaque: ke3 }, 'loginFinish');
    bindLogin(
      this.session,
      { sessionKey: fromBase64url(sessionKey), ke1: startLoginRequest, ke2, ke3 },
      performance.now(),
    );
    return answer;
  }

  async attach(
    person: Person,
    options: { readonly storedUpTo?: number; readonly claimResumed?: boolean } = {},
  ): Promise<control.Attached> {
    await this.proveDevice(person, options.claimResumed ?? this.resumed);
    return this.confirm(options.storedUpTo);
  }

  /** The second half. */
  confirm(storedUpTo = 0): Promise<control.Attached> {
    return this.ask('attachConfirm', { storedUpTo, submitNumberHighest: 0 }, 'attachConfirm');
  }

  /** The first half of an attach: afterwards the keys are mixed, on both sides. */
  async proveDevice({ account, device }: Person, resumed = this.resumed): Promise<void> {
    const claim = { server: this.fingerprint, account, device: device.device, transcript: this.session.transcript };
    const signature = ed25519.sign(device.signing.privateKey, attachTranscript(claim));
    const openers = [openerOf(device.sealing)];
    const value = { account: idBytes(account), device: idBytes(device.device), signature, resumed };
    await this.request('attach', value, async (body) => {
      if (body.$case !== 'attach') return;
      const { sealed } = body.value;
      const secret =
        sealed.length === 0
          ? new Uint8Array(0)
          : await openAttachSecret(claim, sealed, (bytes, context) =>
              openSealed({ openers, purpose: 'attach', context, sealed: bytes, entropy: systemEntropy }),
            );
      // Whoever cannot open it can only guess.
      bindAttach(this.session, { signature, sealed, secret: secret ?? systemEntropy(32) }, performance.now());
    });
  }

  submit(submit: Submit): void {
    this.send('submit', encodeSubmit(submit));
  }

  ack(upTo: number): void {
    this.send('ack', encodeAck(upTo as MailboxSeq));
  }

  close(): void {
    this.wire.close();
  }
}

let counter = 0;
/** A client id as the protocol wants it: a counter in front of random bytes. */
export function newClientId(): ClientId {
  counter += 1;
  const bytes = systemEntropy(ID_BYTES);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, counter);
  bytes[0] = 0;
  bytes[1] = 0;
  return idOf<ClientId>(bytes);
}

/** Numbers of one device's submissions. */
export class Outbox {
  #submitNumber: number;
  readonly #chains = new Map<GroupId, number>();
  constructor(submitNumberHighest = 0) {
    this.#submitNumber = submitNumberHighest;
  }
  /** A founding of a group of two devices, with a first message. */
  found(founder: Person, peer: Person, more: Partial<control.Founding> = {}): Submit {
    const group = idOf<GroupId>(systemEntropy(ID_BYTES));
    const founding: control.Founding = {
      peerAccount: idBytes(peer.account),
      peerSequence: peer.sequence,
      ownSequence: founder.sequence,
      generation: 1,
      predecessor: new Uint8Array(0),
      devices: [idBytes(founder.device.device), idBytes(peer.device.device)],
      invitation: new TextEncoder().encode('invitation'),
      capsule: new TextEncoder().encode('capsule'),
      firstMessage: new TextEncoder().encode('first message'),
      ...more,
    };
    const chainNumber = founding.firstMessage.length > 0 ? this.#chain(group) : 0;
    return this.#submit('found', group, chainNumber, control.Founding.encode(founding).finish());
  }
  message(group: GroupId, payload: Uint8Array, more: Partial<Submit> = {}): Submit {
    return { ...this.#submit('message', group, this.#chain(group), payload), ...more };
  }
  #chain(group: GroupId): number {
    const next = (this.#chains.get(group) ?? 0) + 1;
    this.#chains.set(group, next);
    return next;
  }
  #submit(kind: Submit['kind'], group: GroupId, chainNumber: number, payload: Uint8Array): Submit {
    this.#submitNumber += 1;
    return {
      id: newClientId(),
      kind,
      onlineOnly: false,
      group,
      epoch: 1,
      submitNumber: this.#submitNumber,
      chainNumber,
      lowestUnresolved: this.#submitNumber,
      payload,
    };
  }
}
