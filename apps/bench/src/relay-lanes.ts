/** Lanes through the bare relay: a message is done when the receiver has it. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Lane } from './load.ts';
import { RELAY_HEADER_BYTES } from './relay.ts';

export interface Lanes {
  readonly lanes: readonly Lane[];
  close(): void;
}

export async function openRelayLanes(address: string, count: number, bodyBytes: number): Promise<Lanes> {
  const sockets: WebSocket[] = [];
  const lanes: Lane[] = [];
  for (let n = 0; n < count; n++) {
    const [sender, receiver] = [await connect(address, 2 * n), await connect(address, 2 * n + 1)];
    sockets.push(sender, receiver);
    const message = Buffer.alloc(RELAY_HEADER_BYTES + bodyBytes);
    message.writeUInt32BE(2 * n + 1);
    const lane: Lane = { send: () => sender.send(message), onDone: () => undefined };
    receiver.on('message', () => lane.onDone());
    lanes.push(lane);
  }
  return { lanes, close: () => sockets.forEach((socket) => socket.terminate()) };
}

async function connect(address: string, own: number): Promise<WebSocket> {
  const socket = new WebSocket(address.replace(/^http/, 'ws'), { perMessageDeflate: false });
  await once(socket, 'open');
  const hello = Buffer.alloc(RELAY_HEADER_BYTES);
  hello.writeUInt32BE(own);
  socket.send(hello);
  return socket;
}
