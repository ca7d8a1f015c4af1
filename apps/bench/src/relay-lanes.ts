/** Lanes through the bare relay: a message is done when the receiver has it. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Lane } from './load.ts';
import { RELAY_HEADER_BYTES } from './relay.ts';

export interface Lanes {
  readonly lanes: readonly Lane[];
  close(): void;
}

/** A lane in each direction between every two connections. */
export async function openRelayLanes(address: string, pairs: number, bodyBytes: number): Promise<Lanes> {
  const sockets: WebSocket[] = [];
  const lanes: Lane[] = [];
  const lane = (from: WebSocket, to: WebSocket, address: number): Lane => {
    const message = Buffer.alloc(RELAY_HEADER_BYTES + bodyBytes);
    message.writeUInt32BE(address);
    const opened: Lane = { send: () => from.send(message), onDone: () => undefined };
    to.on('message', () => opened.onDone());
    return opened;
  };
  for (let n = 0; n < 2 * pairs; n += 2) {
    const [one, other] = [await connect(address, n), await connect(address, n + 1)];
    sockets.push(one, other);
    lanes.push(lane(one, other, n + 1), lane(other, one, n));
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
