/** A server and a client with real keys, and the ways to make them meet. */
import type { RsaPrivate, SealedOpener, ServerRotationLink } from '@securechat/crypto';
import { generateRsa, openerOf, pssSign, seededEntropy, signServerSealing, systemEntropy } from '@securechat/crypto';
import type { Hello, KnownServer, PendingFlight, ServerHello, Session, SessionTransport } from '@securechat/session';
import { acceptFlight, acceptReply, createFlight, createHello, readHello } from '@securechat/session';
import { handshakeKeys } from '../src/keys.ts';
import { Session as SessionObject } from '../src/session.ts';

export const nowMs = 1_800_000_000_000;
export const entropy = systemEntropy;

const [identity, otherIdentity, thirdIdentity, sealing, otherSealing, deviceSealing] = await Promise.all([
  generateRsa('identity', 2048),
  generateRsa('identity', 2048),
  generateRsa('identity', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
]);
export const keys = { identity, otherIdentity, thirdIdentity, sealing, otherSealing, deviceSealing };

export interface ServerSide {
  readonly identity: RsaPrivate<'identity'>;
  readonly openers: readonly SealedOpener[];
  readonly hello: ServerHello;
}

export interface ServerOptions {
  readonly identity?: RsaPrivate<'identity'>;
  readonly sealing?: RsaPrivate<'sealing'>;
  readonly sequence?: number;
  readonly rotations?: readonly ServerRotationLink[];
  readonly versions?: readonly number[];
  readonly suites?: readonly number[];
}

/** A server that just accepted a connection. */
export async function serverSide(options: ServerOptions = {}): Promise<ServerSide> {
  const { identity = keys.identity, sealing = keys.sealing, sequence = 1, ...rest } = options;
  const sealingJws = await signServerSealing(identity, { sealing: sealing.public, sequence, nowMs });
  const hello = createHello({ identity: identity.public, sealingJws, nonce: entropy(32), ...rest });
  return { identity, openers: [openerOf(sealing)], hello };
}

export const known: KnownServer = {
  fingerprint: keys.identity.public.fingerprint,
  sealingSequenceMin: 1,
  versionMin: 1,
};

/** A hello that the client accepts. */
export async function helloOf(bytes: Uint8Array, knowing: KnownServer = known): Promise<Hello> {
  const hello = await readHello({ bytes, known: knowing, nowMs });
  if (hello.kind !== 'hello') throw new Error(hello.code);
  return hello;
}

export async function accept(
  server: ServerSide,
  flight: Uint8Array,
  transport: SessionTransport = 'ws',
): ReturnType<typeof acceptFlight> {
  const sign = (message: Uint8Array): Promise<Uint8Array> => pssSign(server.identity, message);
  return acceptFlight({ hello: server.hello, flight, transport, openers: server.openers, sign, entropy, nowMs });
}

/** The secrets are wiped by use: each try takes its own. */
export function copyOf<Pending extends PendingFlight>(pending: Pending): Pending {
  const { dhPrivate, kemPrivate, secret } = pending;
  return { ...pending, dhPrivate: dhPrivate.slice(), kemPrivate: kemPrivate.slice(), secret: secret.slice() };
}

export interface Pair {
  readonly client: Session;
  readonly server: Session;
}

/** A full handshake. */
export async function handshake(server?: ServerSide, knowing: KnownServer = known): Promise<Pair> {
  const side = server ?? (await serverSide());
  const hello = await helloOf(side.hello.bytes, knowing);
  const { flight, pending } = createFlight({ hello, transport: 'ws', entropy });
  const accepted = await accept(side, flight);
  if (accepted.kind !== 'established') throw new Error('refused by the server');
  const finished = acceptReply({ pending, reply: accepted.reply, nowMs });
  if (finished.kind !== 'established') throw new Error('refused by the client');
  return { client: finished.session, server: accepted.session };
}

/** Two ends of a session without a handshake. */
export function pair(recordsPerKey?: number, seed = 'pair'): Pair {
  const make = (role: 'client' | 'server'): Session => {
    const random = seededEntropy(seed);
    const keysOf = handshakeKeys({ dh: random(32), kem: random(32), secret: random(32) }, random(32));
    const start = { role, keys: keysOf, transcript: random(32), nowMs };
    return new SessionObject(recordsPerKey === undefined ? start : { ...start, recordsPerKey });
  };
  return { client: make('client'), server: make('server') };
}

export function only(records: readonly Uint8Array[]): Uint8Array {
  const [record, ...more] = records;
  if (record === undefined || more.length > 0) throw new Error(`${records.length} records`);
  return record;
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** `bytes` with one bit of the byte at `at` changed. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
  return copy;
}
