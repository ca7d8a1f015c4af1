/**
 * The hello: the first frame on every connection, from the server.
 *
 *     hello := 0x01 | versions | suites | identity SPKI, vec16 | sealing certificate (JWS), vec16 | nonce 32
 *              | link count u8 (0..3) | count × ( JWS by the old key, vec16 | JWS by the new key, vec16 )
 *     versions, suites := count u8 (1..8) | count × u8
 *
 * It is not signed by itself: the reply's signature covers it, and the flight is sealed to H(hello).
 */
import type { RsaPublic, ServerRotation, ServerRotationLink } from '@securechat/crypto';
import {
  equal,
  importRsaPublic,
  RSA_SPKI_BYTES_MAX,
  sha256,
  verifyServerRotation,
  verifyServerSealing,
} from '@securechat/crypto';
import type { Code, Fingerprint } from '@securechat/wire';
import { ByteReader, ByteWriter, limits, SecureChatError } from '@securechat/wire';
import { SUITE, transportFrames, VERSION } from './frames.ts';

export const HELLO_NONCE_BYTES = 32;
export const ROTATION_LINKS_MAX = 3;
const CHOICES_MAX = 8;

export interface HelloInput {
  readonly identity: RsaPublic<'identity'>;
  /** The server sealing certificate in force. */
  readonly sealingJws: string;
  /** 32 fresh random bytes for every connection. */
  readonly nonce: Uint8Array;
  /** Oldest first, at most 3, the last one ending at `identity`. */
  readonly rotations?: readonly ServerRotationLink[];
  /** Default: what this package speaks. */
  readonly versions?: readonly number[];
  readonly suites?: readonly number[];
}

/** What the server keeps of its hello until the flight has come. */
export interface ServerHello {
  /** The frame to send. */
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly identityHash: Uint8Array;
}

/** 1.9 kB at 3072 bits without rotations. */
export function createHello(input: HelloInput): ServerHello {
  const { identity, sealingJws, nonce, rotations = [], versions = [VERSION], suites = [SUITE] } = input;
  if (nonce.length !== HELLO_NONCE_BYTES || rotations.length > ROTATION_LINKS_MAX)
    throw new SecureChatError('INTERNAL', { text: 'A hello has a nonce of 32 bytes and at most three rotations.' });
  const writer = new ByteWriter(4096)
    .u8(transportFrames.hello)
    .u8(versions.length)
    .raw(Uint8Array.from(versions))
    .u8(suites.length)
    .raw(Uint8Array.from(suites))
    .vec16(identity.spki)
    .text16(sealingJws)
    .raw(nonce)
    .u8(rotations.length);
  for (const { oldJws, newJws } of rotations) writer.text16(oldJws).text16(newJws);
  const bytes = writer.done();
  return { bytes, hash: sha256(bytes), identityHash: identity.spkiHash };
}

/** What the client remembers of a server. */
export interface KnownServer {
  /** Undefined: the first connection without an invite's fingerprint; the caller asks before it registers. */
  readonly fingerprint: Fingerprint | undefined;
  /** Highest sequence of a sealing certificate seen, 0 for none. */
  readonly sealingSequenceMin: number;
  /** Highest version ever spoken with this server, 0 for none. */
  readonly versionMin: number;
}

/** A hello that holds. To be remembered only after the reply proved it. */
export interface Hello {
  readonly kind: 'hello';
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly identity: RsaPublic<'identity'>;
  readonly fingerprint: Fingerprint;
  readonly sealing: RsaPublic<'sealing'>;
  readonly sealingSequence: number;
  readonly version: number;
  /** From the pinned key to this one; empty when it is the pinned one. Always shown to the person. */
  readonly rotations: readonly ServerRotation[];
}

export interface HelloRefused {
  readonly kind: 'refused';
  readonly code: Extract<
    Code,
    'SERVER_KEY_CHANGED' | 'UNSUPPORTED_VERSION' | 'CERTIFICATE_REJECTED' | 'HANDSHAKE_FAILED'
  >;
}

/**
 * Reads the hello and holds it against what is known of the server. Nothing has been sent yet, so the reason may be said
 * to the person: SERVER_KEY_CHANGED, UNSUPPORTED_VERSION, CERTIFICATE_REJECTED (expired, older than one seen before, or
 * a clock that is wrong here), HANDSHAKE_FAILED for what cannot be read.
 */
export async function readHello(input: {
  readonly bytes: Uint8Array;
  readonly known: KnownServer;
  readonly nowMs: number;
}): Promise<Hello | HelloRefused> {
  const { known, nowMs } = input;
  const fields = parse(input.bytes);
  if (fields === undefined) return { kind: 'refused', code: 'HANDSHAKE_FAILED' };
  const { identity } = fields;
  if (!fields.versions.includes(VERSION) || !fields.suites.includes(SUITE) || known.versionMin > VERSION)
    return { kind: 'refused', code: 'UNSUPPORTED_VERSION' };
  let rotations: ServerRotation[] = [];
  if (known.fingerprint !== undefined && known.fingerprint !== identity.fingerprint) {
    const path = await pathFrom(known.fingerprint, identity, fields.rotations);
    if (path === undefined) return { kind: 'refused', code: 'SERVER_KEY_CHANGED' };
    rotations = path;
  }
  try {
    const expected = { identity, sequenceMin: known.sealingSequenceMin, nowMs };
    const { sealing, sequence } = await verifyServerSealing(fields.sealingJws, expected);
    return {
      kind: 'hello',
      bytes: fields.bytes,
      hash: sha256(fields.bytes),
      identity,
      fingerprint: identity.fingerprint,
      sealing,
      sealingSequence: sequence,
      version: VERSION,
      rotations,
    };
  } catch (error) {
    if (error instanceof SecureChatError) return { kind: 'refused', code: 'CERTIFICATE_REJECTED' };
    throw error;
  }
}

interface HelloFields {
  readonly bytes: Uint8Array;
  readonly versions: readonly number[];
  readonly suites: readonly number[];
  readonly identity: RsaPublic<'identity'>;
  readonly sealingJws: string;
  readonly rotations: readonly ServerRotationLink[];
}

function parse(received: Uint8Array): HelloFields | undefined {
  if (received.length > limits.helloBytesMax.value) return undefined;
  try {
    const bytes = received.slice();
    const reader = new ByteReader(bytes);
    if (reader.u8() !== transportFrames.hello) return undefined;
    const versions = choices(reader);
    const suites = choices(reader);
    const spki = reader.vec16();
    if (spki.length > RSA_SPKI_BYTES_MAX) return undefined;
    const identity = importRsaPublic('identity', spki);
    const sealingJws = reader.text16();
    reader.raw(HELLO_NONCE_BYTES);
    const count = reader.u8();
    if (count > ROTATION_LINKS_MAX) return undefined;
    const rotations = Array.from({ length: count }, () => ({ oldJws: reader.text16(), newJws: reader.text16() }));
    reader.end();
    return { bytes, versions, suites, identity, sealingJws, rotations };
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

function choices(reader: ByteReader): readonly number[] {
  const count = reader.u8();
  if (count < 1 || count > CHOICES_MAX) throw new SecureChatError('MALFORMED');
  return [...reader.raw(count)];
}

/** The links that lead from the pinned key to `identity`, without a gap and with rising sequence; undefined if none do. */
async function pathFrom(
  pinned: Fingerprint,
  identity: RsaPublic<'identity'>,
  links: readonly ServerRotationLink[],
): Promise<ServerRotation[] | undefined> {
  const path: ServerRotation[] = [];
  let at = pinned;
  for (const link of links) {
    const rotation = await verifyServerRotation(link, at).catch(() => undefined);
    // Links before the pinned key are older than what this client knows.
    if (rotation === undefined && path.length === 0) continue;
    if (rotation === undefined) return undefined;
    const before = path.at(-1);
    if (before !== undefined && rotation.sequence <= before.sequence) return undefined;
    path.push(rotation);
    at = rotation.new.fingerprint;
  }
  const end = path.at(-1);
  return end !== undefined && equal(end.new.spkiHash, identity.spkiHash) ? path : undefined;
}
