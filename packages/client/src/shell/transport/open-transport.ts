/** Which transport an address asks for. */
import type { Transport, TransportEvents, TransportOptions } from './transport.ts';
import { openTcp } from './transport-tcp.ts';
import { openWebSocket } from './transport-ws.ts';

/**
 * Connects. UNREACHABLE: nobody answers there (name, route, refusal, time). HANDSHAKE_FAILED: somebody does, but it is
 * not a SecureChat server, or its TLS certificate does not hold; the text says which.
 */
export function openTransport(options: TransportOptions, events: TransportEvents): Promise<Transport> {
  const { transport } = options.address;
  return transport === 'ws' || transport === 'wss' ? openWebSocket(options, events) : openTcp(options, events);
}
