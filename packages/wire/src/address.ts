/**
 * Server addresses as people and invites write them: `ws://host:port`, `wss://`, `tcp://`, `tls://`, optionally
 * `#sha256:FINGERPRINT`.
 */
import { SecureChatError } from './codes.ts';
import type { Fingerprint } from './ids.ts';

export type TransportKind = 'ws' | 'wss' | 'tcp' | 'tls';

export interface ServerAddress {
  readonly transport: TransportKind;
  readonly host: string;
  readonly port: number;
  /** The server identity to insist on; undefined = trust the first one seen. */
  readonly fingerprint: Fingerprint | undefined;
}

const defaultPorts: Readonly<Record<TransportKind, number>> = { ws: 80, wss: 443, tcp: 4201, tls: 4201 };
const FINGERPRINT = /^sha256:[A-Za-z0-9_-]{43}$/;

/** USAGE with one sentence for anything else. */
export function parseServerAddress(text: string): ServerAddress {
  const refuse = (why: string): SecureChatError =>
    new SecureChatError('USAGE', { text: `The server address is not valid: ${why}. Example: ws://127.0.0.1:4200` });
  const match = /^(ws|wss|tcp|tls):\/\/([^/?#]+)\/?(?:#(.*))?$/i.exec(text.trim());
  if (match === null) throw refuse('it must start with ws://, wss://, tcp:// or tls:// and name a host and a port');
  const transport = (match[1] ?? '').toLowerCase() as TransportKind;
  let url: URL;
  try {
    url = new URL(`http://${match[2] ?? ''}`);
  } catch {
    throw refuse('host or port cannot be read');
  }
  if (url.username !== '' || url.password !== '' || url.hostname === '') throw refuse('host or port cannot be read');
  const portText = /:(\d+)$/.exec(match[2] ?? '')?.[1];
  const port = portText === undefined ? defaultPorts[transport] : Number(portText);
  if (port < 1 || port > 65_535) throw refuse('the port is out of range');
  const fingerprint = match[3];
  if (fingerprint !== undefined && !FINGERPRINT.test(fingerprint))
    throw refuse('the fingerprint must be sha256: and 43 characters');
  return {
    transport,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    fingerprint: fingerprint as Fingerprint | undefined,
  };
}

export function formatServerAddress(address: ServerAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const pin = address.fingerprint === undefined ? '' : `#${address.fingerprint}`;
  return `${address.transport}://${host}:${address.port}${pin}`;
}
