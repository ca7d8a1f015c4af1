/**
 * Resumption: a device that was attached before comes back without RSA. A handle and a secret, issued inside a session
 * and used once, stand in for the sealed flight and the signature; X25519 and ML-KEM are fresh.
 *
 *     resume flight  := 0x04 | version u8 | suite u8 | handle 16 | X25519 share 32 | ML-KEM-768 key 1184 | nonce 32 | proof 32
 *     proof          := HMAC-SHA256(HKDF(secret, "SecureChat resumption proof v1"), H(hello, flight up to the proof))
 *     resume reply   := 0x05 | X25519 share 32 | ML-KEM-768 ciphertext 1088 | MAC 32
 *     MAC            := HMAC-SHA256(confirm key, H(transcript))
 *     resume refused := 0x06
 *
 * Sizes: 1299, 1153 and 1 bytes. Keys: HKDF(dh | kem | secret, H(transcript)). Who asks again after a refusal goes on
 * with an ordinary flight for the same hello.
 */
import type { Entropy } from '@securechat/crypto';
import {
  equal,
  hmacSha256,
  ML_KEM_768_CIPHERTEXT_BYTES,
  ML_KEM_768_PUBLIC_BYTES,
  mlKem768,
  wipe,
  x25519,
} from '@securechat/crypto';
import { ByteReader, ByteWriter, concatBytes } from '@securechat/wire';
import type { SessionTransport } from './frames.ts';
import { SUITE, transportFrames, VERSION } from './frames.ts';
import type { Hello, ServerHello } from './hello.ts';
import { handshakeKeys, resumptionProofKey } from './keys.ts';
import type { EstablishedByClient, EstablishedByServer, Refused } from './reply.ts';
import { refused } from './reply.ts';
import { Session } from './session.ts';
import { handshakeTranscript } from './transcript.ts';

export const RESUMPTION_HANDLE_BYTES = 16;
export const RESUMPTION_SECRET_BYTES = 32;
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const FLIGHT_HEAD_BYTES = 3 + RESUMPTION_HANDLE_BYTES + 32 + ML_KEM_768_PUBLIC_BYTES + NONCE_BYTES;
const REPLY_HEAD_BYTES = 1 + 32 + ML_KEM_768_CIPHERTEXT_BYTES;

/** Single-use; the handle is public, the secret is not. */
export interface Resumption {
  /** 16 bytes. */
  readonly handle: Uint8Array;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

export function issueResumption(entropy: Entropy): Resumption {
  return { handle: entropy(RESUMPTION_HANDLE_BYTES), secret: entropy(RESUMPTION_SECRET_BYTES) };
}

/** What the client keeps until the answer has come; `acceptResumeReply` wipes it, the resumption secret included. */
export interface PendingResumption {
  readonly hello: Hello;
  readonly transport: SessionTransport;
  readonly flight: Uint8Array;
  readonly dhPrivate: Uint8Array;
  readonly kemPrivate: Uint8Array;
  readonly secret: Uint8Array;
}

/** Forget the resumption in the store before the frame is sent: it must never be used twice. */
export function createResumeFlight(input: {
  readonly hello: Hello;
  readonly transport: SessionTransport;
  readonly resumption: Resumption;
  readonly entropy: Entropy;
}): { readonly flight: Uint8Array; readonly pending: PendingResumption } {
  const { hello, transport, resumption, entropy } = input;
  const dh = x25519.generate(entropy);
  const kem = mlKem768.generate(entropy);
  const head = new ByteWriter(FLIGHT_HEAD_BYTES)
    .u8(transportFrames.resumeFlight)
    .u8(VERSION)
    .u8(SUITE)
    .raw(resumption.handle)
    .raw(dh.publicKey)
    .raw(kem.publicKey)
    .raw(entropy(NONCE_BYTES))
    .done();
  const secret = resumption.secret.slice();
  const flight = concatBytes(head, proofOf(secret, transport, hello.bytes, head));
  const keys = { dhPrivate: dh.privateKey, kemPrivate: kem.privateKey, secret };
  return { flight, pending: { hello, transport, flight, ...keys } };
}

/** The handle of a resume flight, or undefined where the frame is none. */
export function readResumeHandle(flight: Uint8Array): Uint8Array | undefined {
  if (flight.length !== FLIGHT_HEAD_BYTES + MAC_BYTES || flight[0] !== transportFrames.resumeFlight) return undefined;
  return flight.slice(3, 3 + RESUMPTION_HANDLE_BYTES);
}

/**
 * The server's half, without RSA: about 0.3 ms. The caller takes the row of the handle out of its store first, checks
 * its age and owner, and answers `refuseResume()` where there is none or this returns `refused`.
 */
export function acceptResume(input: {
  readonly hello: ServerHello;
  readonly flight: Uint8Array;
  readonly transport: SessionTransport;
  /** From the row of the handle. */
  readonly secret: Uint8Array;
  readonly entropy: Entropy;
  readonly nowMs: number;
}): EstablishedByServer | Refused {
  const { hello, flight, transport, secret, entropy } = input;
  if (readResumeHandle(flight) === undefined || secret.length !== RESUMPTION_SECRET_BYTES) return refused;
  const head = flight.subarray(0, FLIGHT_HEAD_BYTES);
  if (!equal(proofOf(secret, transport, hello.bytes, head), flight.subarray(FLIGHT_HEAD_BYTES))) return refused;
  if (head[1] !== VERSION || head[2] !== SUITE) return refused;
  const shares = new ByteReader(head.subarray(3 + RESUMPTION_HANDLE_BYTES));
  const dh = x25519.exchange(entropy, shares.raw(32));
  const kem = mlKem768.encapsulate(shares.raw(ML_KEM_768_PUBLIC_BYTES));
  if (dh === undefined || kem === undefined) {
    wipe(dh?.secret, kem?.secret);
    return refused;
  }
  const reply = concatBytes(Uint8Array.of(transportFrames.resumeReply), dh.publicKey, kem.ciphertext);
  const label = 'SecureChat resumption v1';
  const transcript = handshakeTranscript({ label, transport, hello: hello.bytes, flight, reply });
  const keys = handshakeKeys({ dh: dh.secret, kem: kem.secret, secret }, transcript);
  wipe(dh.secret, kem.secret);
  const mac = hmacSha256(keys.confirm, transcript);
  const session = new Session({ role: 'server', keys, transcript, nowMs: input.nowMs });
  return { kind: 'established', reply: concatBytes(reply, mac), session };
}

/** The frame that asks for an ordinary flight instead. */
export function refuseResume(): Uint8Array {
  return Uint8Array.of(transportFrames.resumeRefused);
}

/** The resumption is used up. Go on with `createFlight` and the same hello. */
export interface Fallback {
  readonly kind: 'fallback';
}

/** The client's half. Wipes `pending` in every case: the secret is used up. */
export function acceptResumeReply(input: {
  readonly pending: PendingResumption;
  readonly reply: Uint8Array;
  readonly nowMs: number;
}): EstablishedByClient | Fallback | Refused {
  const { pending, reply, nowMs } = input;
  const { hello, transport, flight, secret } = pending;
  let shared: Uint8Array | undefined;
  let kem: Uint8Array | undefined;
  try {
    if (reply.length === 1 && reply[0] === transportFrames.resumeRefused) return { kind: 'fallback' };
    if (reply.length !== REPLY_HEAD_BYTES + MAC_BYTES || reply[0] !== transportFrames.resumeReply) return refused;
    const head = reply.subarray(0, REPLY_HEAD_BYTES);
    shared = x25519.shared(pending.dhPrivate, head.subarray(1, 33));
    kem = mlKem768.decapsulate(pending.kemPrivate, head.subarray(33));
    if (shared === undefined || kem === undefined) return refused;
    const label = 'SecureChat resumption v1';
    const transcript = handshakeTranscript({ label, transport, hello: hello.bytes, flight, reply: head });
    const keys = handshakeKeys({ dh: shared, kem, secret }, transcript);
    if (!equal(hmacSha256(keys.confirm, transcript), reply.subarray(REPLY_HEAD_BYTES))) return refused;
    return { kind: 'established', session: new Session({ role: 'client', keys, transcript, nowMs }) };
  } finally {
    wipe(pending.dhPrivate, pending.kemPrivate, secret, shared, kem);
  }
}

function proofOf(
  secret: Uint8Array,
  transport: SessionTransport,
  hello: Uint8Array,
  head: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const key = resumptionProofKey(secret);
  const label = 'SecureChat resumption proof v1';
  const proof = hmacSha256(
    key,
    handshakeTranscript({ label, transport, hello, flight: head, reply: new Uint8Array(0) }),
  );
  wipe(key);
  return proof;
}
