/**
 * What a link needs of a connection, whatever carries it: frames in order, one end. One transport frame is one binary
 * WebSocket message, or one length-prefixed piece of a TCP stream (docs/protocol/session.md).
 *
 * Failure: a broken connection calls `onClosed` once and swallows later sends. Order: frames arrive in the order sent.
 * Shutdown: `close` lets what was sent drain for a short time, then the connection is cut.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { getCACertificates } from 'node:tls';
import type { ServerAddress } from '@securechat/wire';
import { limits, SecureChatError } from '@securechat/wire';

export interface Transport {
  /** All frames in one write where the transport can. */
  send(frames: readonly Uint8Array[]): void;
  /** Bytes that the network has not taken yet. */
  readonly bufferedAmount: number;
  /** Idempotent. */
  close(): void;
}

export interface TransportEvents {
  /** A frame of at least one and at most `frameBytesMax` bytes; the caller owns it. */
  onFrame(frame: Uint8Array): void;
  /** Once, last, also after `close`. Never before the transport was handed out. */
  onClosed(cause: unknown): void;
}

export interface TransportOptions {
  readonly address: ServerAddress;
  /** PEM of authorities trusted beside the system's. */
  readonly tlsCa?: string;
  readonly timeoutMs: number;
}

/** The server may send no longer frame; what announces one ends the connection before it is collected. */
export const frameBytesMax: number = Math.max(limits.frameBytesMax.value, limits.helloBytesMax.value);
/** Time that a closed connection has to take its last bytes. */
export const CLOSE_DRAIN_MS = 2_000;

/** The certificate is always verified. A literal address has no name to ask for (SNI). */
export function tlsOptionsOf(options: TransportOptions): ConnectionOptions {
  const { host } = options.address;
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(isIP(host) === 0 && { servername: host }),
    ...(options.tlsCa !== undefined && { ca: [...getCACertificates('default'), options.tlsCa] }),
  };
}

/** What a failed attempt to connect means. */
export function connectError(cause: unknown): SecureChatError {
  if (cause instanceof SecureChatError) return cause;
  const code = codeOf(cause);
  const sentence = sentences.get(code);
  if (sentence !== undefined) return new SecureChatError('UNREACHABLE', { text: sentence }, { cause });
  if (/CERT|SELF_SIGNED|VERIFY|ISSUER|CRL|ALTNAME/.test(code))
    return new SecureChatError(
      'HANDSHAKE_FAILED',
      { text: `The TLS certificate of the server is not accepted here (${code}).` },
      { cause },
    );
  if (/^(EPROTO|ERR_SSL|ERR_TLS|HPE_|WS_ERR)/.test(code)) return notSecureChat(cause);
  return new SecureChatError('UNREACHABLE', {}, { cause });
}

export function notSecureChat(cause: unknown): SecureChatError {
  return new SecureChatError(
    'HANDSHAKE_FAILED',
    { text: 'The address answers, but not as a SecureChat server on this transport.' },
    { cause },
  );
}

const sentences: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'The server cannot be reached: nothing listens at this address.'],
  ['ENOTFOUND', 'The server cannot be reached: its name is not known.'],
  ['EAI_AGAIN', 'The server cannot be reached: its name cannot be looked up now.'],
  ['ETIMEDOUT', 'The server cannot be reached: no answer in time.'],
  ['EHOSTUNREACH', 'The server cannot be reached: there is no route to it.'],
  ['ENETUNREACH', 'The server cannot be reached: there is no network.'],
]);

function codeOf(cause: unknown): string {
  // Happy Eyeballs: several addresses were tried, each failed; the first tells.
  const inner = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  const code: unknown = typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
