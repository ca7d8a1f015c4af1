/**
 * A small server of the tests, over real sockets, from the server's half of packages/session: handshake, resumption,
 * OPAQUE, attach, and whatever a test scripts beyond that.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { TestContext } from 'node:test';
import { ready as opaqueReady, server as opaque } from '@serenity-kit/opaque';
import type { RsaPrivate } from '@securechat/crypto';
import {
  ed25519,
  fingerprintOf,
  generateRsa,
  openerOf,
  pssSign,
  signServerSealing,
  systemEntropy,
} from '@securechat/crypto';
import type { Resumption, ServerHello, Session } from '@securechat/session';
import {
  acceptFlight,
  acceptResume,
  attachTranscript,
  bindAttach,
  bindLogin,
  createHello,
  issueResumption,
  readResumeHandle,
  refuseResume,
  sealAttachSecret,
} from '@securechat/session';
import type { Fingerprint, Frame } from '@securechat/wire';
import {
  control,
  decodeAck,
  encodeFrame,
  FrameReader,
  idOf,
  limits,
  SecureChatError,
  encodeFailure,
} from '@securechat/wire';
import { WebSocket, WebSocketServer } from 'ws';

export interface ServerKeys {
  readonly identity: RsaPrivate<'identity'>;
  readonly sealing: RsaPrivate<'sealing'>;
  readonly fingerprint: Fingerprint;
  readonly setup: string;
}

export async function newServerKeys(): Promise<ServerKeys> {
  const [identity, sealing] = await Promise.all([generateRsa('identity', 2048), generateRsa('sealing', 2048)]);
  await opaqueReady;
  return { identity, sealing, fingerprint: fingerprintOf(identity.public.spki), setup: opaque.createSetup() };
}

/** The device that may attach, as the server knows it. */
export interface KnownDevice {
  readonly signing: Uint8Array;
  readonly sealing: RsaPrivate<'sealing'>;
}

export interface ServerScript {
  readonly keys: ServerKeys;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly sequence?: number;
  readonly versions?: readonly number[];
  readonly device?: KnownDevice;
  /** OPAQUE record by user name. */
  readonly records?: Map<string, string>;
  /** Between server and network: frames may be changed, dropped (undefined) or repeated. */
  readonly toClient?: (frame: Uint8Array, index: number) => readonly Uint8Array[];
  /** Asked first; true: it was dealt with. */
  readonly intercept?: (peer: Peer, request: control.Request, number: number) => boolean;
  /** A request that the server knows nothing of. */
  readonly onRequest?: (peer: Peer, request: control.Request, number: number) => void;
  readonly onFrame?: (peer: Peer, frame: Frame) => void;
  readonly onAttached?: (peer: Peer) => void;
  /** What the sealed secret of attach is sealed over, other than what the device signed. */
  readonly sealOver?: (transcript: Uint8Array) => Uint8Array;
  /** Frames sent right behind AttachSealed, in the same record. */
  readonly behindAttachSealed?: readonly Frame[];
}

export interface RunningServer {
  readonly ws: string;
  readonly tcp: string;
  readonly peers: Peer[];
  readonly resumptions: Map<string, Resumption>;
  readonly records: Map<string, string>;
}

interface Wire {
  readonly kind: 'ws' | 'tcp';
  send(frame: Uint8Array): void;
  close(): void;
}

/** One connection, seen from the server. */
export class Peer {
  readonly wire: Wire;
  session: Session | undefined;
  resumed = false;
  state: 'hello' | 'open' | 'attaching' | 'attached' = 'hello';
  login: { state: string; ke1: string; ke2: string } | undefined;
  sent = 0;
  readonly frames: Frame[] = [];
  readonly acks: number[] = [];
  readonly #script: ServerScript;
  readonly reader = new FrameReader(limits.requestBytesMax.value);

  constructor(wire: Wire, script: ServerScript) {
    this.wire = wire;
    this.#script = script;
  }
  raw(frame: Uint8Array): void {
    const frames = this.#script.toClient?.(frame, this.sent) ?? [frame];
    this.sent += 1;
    for (const one of frames) this.wire.send(one);
  }
  send(...frames: Frame[]): void {
    const bytes = Buffer.concat(frames.map((frame) => encodeFrame(frame)));
    for (const record of this.session?.seal(bytes, performance.now()) ?? []) this.raw(record);
  }
  respond(number: number, body: NonNullable<control.Response['body']>): void {
    this.send({ kind: 'response', request: number, body: control.Response.encode({ body }).finish() });
  }
  refuse(number: number, code: SecureChatError['code']): void {
    this.respond(number, { $case: 'failure', value: encodeFailure(new SecureChatError(code)) });
  }
}

export async function runServer(t: TestContext, script: ServerScript): Promise<RunningServer> {
  await opaqueReady;
  const peers: Peer[] = [];
  const resumptions = new Map<string, Resumption>();
  const records = script.records ?? new Map<string, string>();
  const { sealing } = script.keys;
  const sealingJws = await signServerSealing(script.keys.identity, {
    sealing: sealing.public,
    sequence: script.sequence ?? 1,
    nowMs: Date.now(),
  });
  const context: Context = { script, resumptions, records };
  const accept = (wire: Wire): ((frame: Uint8Array) => void) => {
    const peer = new Peer(wire, script);
    peers.push(peer);
    const hello = createHello({
      identity: script.keys.identity.public,
      sealingJws,
      nonce: systemEntropy(32),
      ...(script.versions !== undefined && { versions: script.versions }),
    });
    peer.raw(hello.bytes);
    let work = Promise.resolve();
    return (frame) => {
      work = work.then(() => receive(context, peer, hello, frame)).catch(() => wire.close());
    };
  };
  const ws = script.tls ? createHttpsServer(script.tls) : createHttpServer();
  new WebSocketServer({ server: ws, path: '/v1', perMessageDeflate: false }).on('connection', (socket) => {
    const take = accept({ kind: 'ws', send: (frame) => socket.send(frame), close: () => socket.terminate() });
    socket.on('message', (data) => take(Buffer.from(data as Buffer)));
    socket.on('error', () => {});
    t.after(() => socket.readyState !== WebSocket.CLOSED && socket.terminate());
  });
  const onSocket = (socket: Socket): void => {
    const send = (frame: Uint8Array): void => {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(frame.length);
      socket.write(Buffer.concat([prefix, frame]));
    };
    const take = accept({ kind: 'tcp', send, close: () => socket.destroy() });
    let held = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => {
      held = Buffer.concat([held, piece]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
        const end = 4 + held.readUInt32BE();
        take(held.subarray(4, end));
        held = held.subarray(end);
      }
    });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  };
  const tcp = script.tls ? createTlsServer(script.tls, onSocket) : createServer(onSocket);
  const [wsPort, tcpPort] = [await listen(t, ws), await listen(t, tcp)];
  const s = script.tls ? ['wss', 'tls'] : ['ws', 'tcp'];
  return { ws: `${s[0]}://127.0.0.1:${wsPort}`, tcp: `${s[1]}://127.0.0.1:${tcpPort}`, peers, resumptions, records };
}

export async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

interface Context {
  readonly script: ServerScript;
  readonly resumptions: Map<string, Resumption>;
  readonly records: Map<string, string>;
}

async function receive(context: Context, peer: Peer, hello: ServerHello, frame: Uint8Array): Promise<void> {
  if (peer.state === 'hello') return shake(context, peer, hello, frame);
  const plaintext = peer.session?.open(frame);
  if (plaintext === undefined) return peer.wire.close();
  for (const one of peer.reader.push(plaintext)) take(context, peer, one);
}

async function shake(
  { script, resumptions }: Context,
  peer: Peer,
  hello: ServerHello,
  frame: Uint8Array,
): Promise<void> {
  const { keys } = script;
  const transport = peer.wire.kind;
  const handle = readResumeHandle(frame);
  const shared = { hello, flight: frame, transport, entropy: systemEntropy, nowMs: performance.now() };
  if (handle !== undefined) {
    const key = Buffer.from(handle).toString('hex');
    const known = resumptions.get(key);
    resumptions.delete(key);
    const resumed = known && acceptResume({ ...shared, secret: known.secret });
    if (resumed?.kind !== 'established') return peer.raw(refuseResume());
    peer.raw(resumed.reply);
    peer.session = resumed.session;
    peer.resumed = true;
    peer.state = 'open';
    return;
  }
  const openers = [openerOf(keys.sealing)];
  const accepted = await acceptFlight({ ...shared, openers, sign: (message) => pssSign(keys.identity, message) });
  if (accepted.kind === 'refused') return peer.wire.close();
  peer.raw(accepted.reply);
  peer.session = accepted.session;
  peer.state = 'open';
}

function take(context: Context, peer: Peer, frame: Frame): void {
  peer.frames.push(frame);
  if (frame.kind === 'ack') peer.acks.push(decodeAck(frame.body));
  context.script.onFrame?.(peer, frame);
  if (frame.kind === 'ping') peer.send({ kind: 'pong', request: frame.request, body: new Uint8Array(0) });
  if (frame.kind !== 'request') return;
  const request = control.Request.decode(frame.body);
  if (context.script.intercept?.(peer, request, frame.request) !== true) answer(context, peer, request, frame.request);
}

function answer({ script, records, resumptions }: Context, peer: Peer, request: control.Request, number: number): void {
  const { body } = request;
  const session = peer.session;
  if (body === undefined || session === undefined) return peer.wire.close();
  const serverSetup = script.keys.setup;
  switch (body.$case) {
    case 'registerStart': {
      const { registrationResponse } = opaque.createRegistrationResponse({
        serverSetup,
        userIdentifier: body.value.username,
        registrationRequest: body.value.opaque,
      });
      return peer.respond(number, { $case: 'registerStart', value: { opaque: registrationResponse } });
    }
    case 'registerFinish':
      records.set('bob', body.value.opaque);
      return peer.respond(number, { $case: 'done', value: {} });
    case 'loginStart': {
      const ke1 = body.value.opaque;
      const { serverLoginState: state, loginResponse: ke2 } = opaque.startLogin({
        serverSetup,
        userIdentifier: body.value.username,
        registrationRecord: records.get(body.value.username),
        startLoginRequest: ke1,
      });
      peer.login = { state, ke1, ke2 };
      return peer.respond(number, { $case: 'loginStart', value: { opaque: ke2 } });
    }
    case 'loginFinish': {
      const { state = '', ke1 = '', ke2 = '' } = peer.login ?? {};
      const ke3 = body.value.opaque;
      const { sessionKey } = opaque.finishLogin({ serverLoginState: state, finishLoginRequest: ke3 });
      bindLogin(session, { sessionKey: Buffer.from(sessionKey, 'base64url'), ke1, ke2, ke3 }, performance.now());
      const value = { account: new Uint8Array(16), accountJws: 'a'.repeat(9_000), listJws: 'l', deviceJws: ['d'] };
      return peer.respond(number, { $case: 'loginFinish', value });
    }
    case 'attach': {
      const device = script.device;
      const { account, device: id, signature } = body.value;
      const claim = {
        server: script.keys.fingerprint,
        account: idOf<never>(account),
        device: idOf<never>(id),
        transcript: session.transcript,
      };
      if (device === undefined || !ed25519.verify(device.signing, attachTranscript(claim), signature))
        return peer.refuse(number, 'NOT_AUTHENTICATED');
      const over = { ...claim, transcript: script.sealOver?.(claim.transcript) ?? claim.transcript };
      const { sealed, secret } = peer.resumed
        ? { sealed: new Uint8Array(0), secret: new Uint8Array(0) }
        : sealAttachSecret(over, device.sealing.public, systemEntropy);
      const response = control.Response.encode({ body: { $case: 'attach', value: { sealed } } }).finish();
      peer.send({ kind: 'response', request: number, body: response }, ...(script.behindAttachSealed ?? []));
      bindAttach(session, { signature, sealed, secret }, performance.now());
      peer.state = 'attaching';
      return;
    }
    case 'attachConfirm': {
      const issued = issueResumption(systemEntropy);
      resumptions.set(Buffer.from(issued.handle).toString('hex'), issued);
      const attached: control.Attached = {
        ...control.Attached.decode(new Uint8Array(0)),
        generation: 1,
        mailboxNext: body.value.storedUpTo + 1,
        resumptionHandle: issued.handle,
        resumptionSecret: issued.secret,
      };
      peer.state = 'attached';
      peer.respond(number, { $case: 'attachConfirm', value: attached });
      return script.onAttached?.(peer);
    }
    default:
      return script.onRequest?.(peer, request, number);
  }
}
