/**
 * A bare `ws` relay in a process of its own, the measure for SecureChat's own cost: it passes bytes on and does nothing
 * else. No accounts, no encryption, no storage, no acknowledgement.
 *
 *     first message of a connection    u32 own address
 *     every later one                  u32 address of the receiver | body
 */
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';

/** Bytes of an address in front of a body. */
export const RELAY_HEADER_BYTES = 4;

/** Listens on a free port of loopback and says so in one line of JSON, like `securechat server --json`. */
export function startRelay(): WebSocketServer {
  const connections = new Map<number, WebSocket>();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (data: RawData) => {
      const message = data as Buffer;
      const address = message.readUInt32BE(0);
      if (message.length === RELAY_HEADER_BYTES) connections.set(address, socket);
      else connections.get(address)?.send(message);
    });
  });
  server.on('listening', () => {
    const { port } = server.address() as { port: number };
    process.stdout.write(`${JSON.stringify({ event: 'ready', http: `http://127.0.0.1:${port}` })}\n`);
  });
  return server;
}

if (import.meta.main) startRelay();
