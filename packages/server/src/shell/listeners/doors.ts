/** Counts raw connections of a listener before anything is read from them, TLS handshakes included. */
import type { Server, Socket } from 'node:net';
import type { Admission, Ticket } from './admission.ts';

/** Finds the ticket of a connection again: the TLS layer hands out another socket object than the one that was counted. */
export type TicketOf = (socket: Socket) => Ticket | undefined;

export function guardDoor(server: Server, admission: Admission): TicketOf {
  const tickets = new Map<string, Ticket>();
  const sockets = new Set<Socket>();
  cuts.set(server, () => {
    for (const socket of sockets) socket.destroy();
  });
  server.on('connection', (socket: Socket) => {
    // Errors of a socket are followed by `close`; without a listener they would end the process.
    socket.on('error', () => undefined);
    const ticket = admission.admit(socket.remoteAddress ?? '');
    if (ticket === undefined) {
      socket.destroy();
      return;
    }
    const pair = pairOf(socket);
    tickets.set(pair, ticket);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      ticket.end();
      if (tickets.get(pair) === ticket) tickets.delete(pair);
    });
  });
  return (socket) => tickets.get(pairOf(socket));
}

const cuts = new WeakMap<Server, () => void>();

/** Ends what is still connected to a listener that stopped. */
export function cutConnections(server: Server): void {
  cuts.get(server)?.();
}

/** Both ends of the connection: unique while it lives. */
function pairOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}|${socket.localPort}`;
}
