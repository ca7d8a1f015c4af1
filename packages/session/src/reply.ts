/**
 * The server's reply: it proves itself by signature, never by decryption alone.
 *
 *     reply     := 0x03 | X25519 share 32 | ML-KEM-768 ciphertext 1088 | signature, vec16 | MAC 32
 *     signature := RSA-PSS by the server identity over "SecureChat server v1" | H(transcript)
 *     MAC       := HMAC-SHA256(confirm key, H(transcript) | signature)
 *
 * The transcript has the reply up to the signature. Keys: HKDF(dh | kem | secret, H(transcript)).
 */
import type { Entropy, SealedOpener } from '@securechat/crypto';
import { equal, hmacSha256, ML_KEM_768_CIPHERTEXT_BYTES, mlKem768, pssVerify, wipe, x25519 } from '@securechat/crypto';
import { ByteReader, ByteWriter, concatBytes, limits, SecureChatError } from '@securechat/wire';
import type { PendingFlight } from './flight.ts';
import { openFlight } from './flight.ts';
import type { SessionTransport } from './frames.ts';
import { transportFrames } from './frames.ts';
import type { ServerHello } from './hello.ts';
import { handshakeKeys } from './keys.ts';
import { Session } from './session.ts';
import { handshakeTranscript } from './transcript.ts';

const SIGNED_LABEL = new TextEncoder().encode('SecureChat server v1');
const MAC_BYTES = 32;
/** Bytes of a reply that the transcript covers. */
const REPLY_HEAD_BYTES = 1 + 32 + ML_KEM_768_CIPHERTEXT_BYTES;
/** Of an RSA key of 4096 bits. */
const SIGNATURE_BYTES_MAX = 512;

/** One value for every cause: what was wrong is nobody's business on the other side. */
export interface Refused {
  readonly kind: 'refused';
}
export const refused: Refused = Object.freeze({ kind: 'refused' });

export interface EstablishedByServer {
  readonly kind: 'established';
  /** The frame to send; afterwards records in both directions. */
  readonly reply: Uint8Array;
  readonly session: Session;
}

export interface AcceptFlightInput {
  readonly hello: ServerHello;
  readonly flight: Uint8Array;
  readonly transport: SessionTransport;
  /** The sealing key in force, and the one before it for ten minutes after a change. */
  readonly openers: readonly SealedOpener[];
  /** RSA-PSS by the server identity. Called only for a flight that was made for this hello. */
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
  readonly entropy: Entropy;
  readonly nowMs: number;
}

/** The server's half of the handshake: one RSA decryption, and one signature if the flight holds. */
export async function acceptFlight(input: AcceptFlightInput): Promise<EstablishedByServer | Refused> {
  const { hello, flight, transport, entropy } = input;
  const content = await openFlight(input);
  if (content === undefined) return refused;
  const dh = x25519.exchange(entropy, content.dhPublic);
  const kem = mlKem768.encapsulate(content.kemPublic);
  if (dh === undefined || kem === undefined) {
    wipe(content.secret, dh?.secret, kem?.secret);
    return refused;
  }
  const head = concatBytes(Uint8Array.of(transportFrames.reply), dh.publicKey, kem.ciphertext);
  const label = 'SecureChat session v1';
  const transcript = handshakeTranscript({ label, transport, hello: hello.bytes, flight, reply: head });
  const keys = handshakeKeys({ dh: dh.secret, kem: kem.secret, secret: content.secret }, transcript);
  wipe(dh.secret, kem.secret, content.secret);
  const signature = await input.sign(concatBytes(SIGNED_LABEL, transcript)).catch((error: unknown) => {
    wipe(keys.client, keys.server, keys.chain, keys.confirm);
    throw error;
  });
  const mac = hmacSha256(keys.confirm, concatBytes(transcript, signature));
  const reply = new ByteWriter(2048).raw(head).vec16(signature).raw(mac).done();
  return { kind: 'established', reply, session: new Session({ role: 'server', keys, transcript, nowMs: input.nowMs }) };
}

export interface EstablishedByClient {
  readonly kind: 'established';
  readonly session: Session;
}

/** The client's half: checks the signature of the server identity, then the MAC. Wipes `pending` either way. */
export function acceptReply(input: {
  readonly pending: PendingFlight;
  readonly reply: Uint8Array;
  readonly nowMs: number;
}): EstablishedByClient | Refused {
  const { pending, nowMs } = input;
  const parts = parse(input.reply);
  const shared = parts && x25519.shared(pending.dhPrivate, parts.dhPublic);
  const kem = parts && mlKem768.decapsulate(pending.kemPrivate, parts.kemCiphertext);
  const { secret } = pending;
  try {
    if (parts === undefined || shared === undefined || kem === undefined) return refused;
    const { hello, transport, flight } = pending;
    const label = 'SecureChat session v1';
    const transcript = handshakeTranscript({ label, transport, hello: hello.bytes, flight, reply: parts.head });
    if (!pssVerify(hello.identity, concatBytes(SIGNED_LABEL, transcript), parts.signature)) return refused;
    const keys = handshakeKeys({ dh: shared, kem, secret }, transcript);
    const mac = hmacSha256(keys.confirm, concatBytes(transcript, parts.signature));
    if (!equal(mac, parts.mac)) return refused;
    return { kind: 'established', session: new Session({ role: 'client', keys, transcript, nowMs }) };
  } finally {
    wipe(pending.dhPrivate, pending.kemPrivate, secret, shared, kem);
  }
}

interface ReplyParts {
  readonly head: Uint8Array;
  readonly dhPublic: Uint8Array;
  readonly kemCiphertext: Uint8Array;
  readonly signature: Uint8Array;
  readonly mac: Uint8Array;
}

function parse(reply: Uint8Array): ReplyParts | undefined {
  if (reply.length > limits.frameBytesBeforeAuthMax.value || reply[0] !== transportFrames.reply) return undefined;
  try {
    const reader = new ByteReader(reply);
    const head = reader.raw(REPLY_HEAD_BYTES);
    const signature = reader.vec16();
    const mac = reader.raw(MAC_BYTES);
    reader.end();
    if (signature.length > SIGNATURE_BYTES_MAX) return undefined;
    return { head, dhPublic: head.subarray(1, 33), kemCiphertext: head.subarray(33), signature, mac };
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}
