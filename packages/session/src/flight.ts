/**
 * The client's first flight, sealed to the server's sealing key.
 *
 *     flight  := 0x02 | sealed object (purpose "flight", context = H(hello), 32)
 *     content := SHA-256 of the server identity SPKI, 32 | H(hello) 32 | version u8 | suite u8
 *                | X25519 share 32 | ML-KEM-768 key 1184 | secret 32 | nonce 32                        (1346 bytes)
 */
import type { Entropy, SealedOpener } from '@securechat/crypto';
import { equal, ML_KEM_768_PUBLIC_BYTES, mlKem768, openSealed, sealTo, wipe, x25519 } from '@securechat/crypto';
import { ByteReader, concatBytes, limits } from '@securechat/wire';
import type { SessionTransport } from './frames.ts';
import { SUITE, transportFrames, VERSION } from './frames.ts';
import type { Hello, ServerHello } from './hello.ts';

const SECRET_BYTES = 32;
const NONCE_BYTES = 32;
const CONTENT_BYTES = 32 + 32 + 2 + 32 + ML_KEM_768_PUBLIC_BYTES + SECRET_BYTES + NONCE_BYTES;

/** What the client keeps until the reply has come; `acceptReply` wipes it. */
export interface PendingFlight {
  readonly hello: Hello;
  readonly transport: SessionTransport;
  /** The frame that was sent. */
  readonly flight: Uint8Array;
  readonly dhPrivate: Uint8Array;
  readonly kemPrivate: Uint8Array;
  readonly secret: Uint8Array;
}

/** The frame to send (1.8 kB at 3072 bits) and what `acceptReply` needs. */
export function createFlight(input: {
  readonly hello: Hello;
  readonly transport: SessionTransport;
  readonly entropy: Entropy;
}): { readonly flight: Uint8Array; readonly pending: PendingFlight } {
  const { hello, transport, entropy } = input;
  const dh = x25519.generate(entropy);
  const kem = mlKem768.generate(entropy);
  const secret = entropy(SECRET_BYTES);
  const choice = Uint8Array.of(VERSION, SUITE);
  const { spkiHash } = hello.identity;
  const nonce = entropy(NONCE_BYTES);
  const content = concatBytes(spkiHash, hello.hash, choice, dh.publicKey, kem.publicKey, secret, nonce);
  const recipients = [hello.sealing];
  const sealed = sealTo({ recipients, purpose: 'flight', context: hello.hash, plaintext: content, entropy });
  wipe(content);
  const flight = concatBytes(Uint8Array.of(transportFrames.flight), sealed);
  const keys = { dhPrivate: dh.privateKey, kemPrivate: kem.privateKey, secret };
  return { flight, pending: { hello, transport, flight, ...keys } };
}

/** What a flight carries; the caller wipes `secret`. */
export interface FlightContent {
  readonly dhPublic: Uint8Array;
  readonly kemPublic: Uint8Array;
  readonly secret: Uint8Array;
}

/** Undefined unless the flight was made for this very hello. One RSA operation, no signature. */
export async function openFlight(input: {
  readonly hello: ServerHello;
  readonly flight: Uint8Array;
  readonly openers: readonly SealedOpener[];
  readonly entropy: Entropy;
}): Promise<FlightContent | undefined> {
  const { hello, flight, openers, entropy } = input;
  if (flight.length > limits.frameBytesBeforeAuthMax.value || flight[0] !== transportFrames.flight) return undefined;
  const sealed = flight.subarray(1);
  const content = await openSealed({ openers, purpose: 'flight', context: hello.hash, sealed, entropy });
  if (content === undefined || content.length !== CONTENT_BYTES) return undefined;
  const reader = new ByteReader(content);
  const meant = equal(reader.raw(32), hello.identityHash) && equal(reader.raw(32), hello.hash);
  if (!meant || reader.u8() !== VERSION || reader.u8() !== SUITE) return undefined;
  return {
    dhPublic: reader.raw(32),
    kemPublic: reader.raw(ML_KEM_768_PUBLIC_BYTES),
    secret: reader.raw(SECRET_BYTES),
  };
}
