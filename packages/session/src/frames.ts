/**
 * Transport frames: what one WebSocket message, or one length-prefixed frame on TCP, carries. The first byte is the kind.
 */
import type { TransportKind } from '@securechat/wire';

export const transportFrames = {
  hello: 0x01,
  flight: 0x02,
  reply: 0x03,
  resumeFlight: 0x04,
  resumeReply: 0x05,
  resumeRefused: 0x06,
  record: 0x10,
  /** The last record under its key. */
  lastRecord: 0x11,
} as const;

/** Protocol versions and suites known here, best first. */
export const VERSION = 1;
export const SUITE = 1;

/**
 * The transport as both sides see it. Whether TLS is around it is not part of it: a proxy may end TLS, and the two sides
 * would differ.
 */
export type SessionTransport = 'ws' | 'tcp';

export function sessionTransport(kind: TransportKind): SessionTransport {
  return kind === 'ws' || kind === 'wss' ? 'ws' : 'tcp';
}
