/** Transcript hashes. Every part is behind its length, so that no two transcripts spell the same bytes. */
import { sha256 } from '@securechat/crypto';
import { ByteWriter } from '@securechat/wire';
import type { SessionTransport } from './frames.ts';
import { SUITE, VERSION } from './frames.ts';

export interface HandshakeTranscript {
  /** The kind of handshake. */
  readonly label: 'SecureChat session v1' | 'SecureChat resumption v1' | 'SecureChat resumption proof v1';
  readonly transport: SessionTransport;
  /** The whole hello. */
  readonly hello: Uint8Array;
  /** The whole flight; in the proof, up to its MAC. */
  readonly flight: Uint8Array;
  /** The reply up to its signature or MAC; empty in the proof. */
  readonly reply: Uint8Array;
}

/** Two vec16, two bytes and three vec32, without what is in them. */
const FRAMING_BYTES = 2 + 1 + 1 + 2 + 3 * 4;

/** 32 bytes. */
export function handshakeTranscript(parts: HandshakeTranscript): Uint8Array<ArrayBuffer> {
  const { label, transport, hello, flight, reply } = parts;
  // The exact size, so that nothing is copied once more before it is hashed.
  const bytes = FRAMING_BYTES + label.length + transport.length + hello.length + flight.length + reply.length;
  return sha256(
    new ByteWriter(bytes)
      .text16(label)
      .u8(VERSION)
      .u8(SUITE)
      .text16(transport)
      .vec32(hello)
      .vec32(flight)
      .vec32(reply)
      .done(),
  );
}

/** The transcript after a secret was mixed in: 32 bytes over the old one and what belongs to the secret. */
export function mixedTranscript(transcript: Uint8Array, extra: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(new ByteWriter(128).text16('SecureChat mixed v1').raw(transcript).vec32(extra).done());
}
