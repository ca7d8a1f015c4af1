/** A TCP proxy that keeps every byte of both directions: the wire as somebody on the way sees it. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface Recorded {
  readonly up: Buffer[];
  readonly down: Buffer[];
}

export interface RecordingProxy {
  /** The address to give to a client: that of the server, through here. */
  readonly address: string;
  readonly connections: readonly Recorded[];
  /** Everything, with what WebSocket clients mask (RFC 6455 §5.3) as it was before. */
  wire(): Buffer;
  close(): Promise<void>;
}

/** `target`: a server address with its fingerprint. */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const [, scheme = '', host = '', port = '', fingerprint = ''] = /^(\w+):\/\/([^:]+):(\d+)(#.*)?$/.exec(target) ?? [];
  const connections: Recorded[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const recorded: Recorded = { up: [], down: [] };
    connections.push(recorded);
    const upstream = connect(Number(port), host);
    for (const [from, to, kept] of [
      [client, upstream, recorded.up],
      [upstream, client, recorded.down],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
      from.on('data', (chunk: Buffer) => {
        kept.push(chunk);
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}${fingerprint}`,
    connections,
    wire: () =>
      Buffer.concat(
        connections.flatMap(({ up, down }) => {
          const sent = Buffer.concat(up);
          return [sent, ...down, ...unmasked(sent)];
        }),
      ),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The payloads of a client's WebSocket frames; nothing for another protocol. */
function unmasked(sent: Buffer): Buffer[] {
  if (!sent.subarray(0, 4).equals(Buffer.from('GET '))) return [];
  const payloads: Buffer[] = [];
  let at = sent.indexOf('\r\n\r\n') + 4;
  while (at + 6 <= sent.length) {
    const short = (sent[at + 1] ?? 0) & 0x7f;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    const length =
      short === 126 ? sent.readUInt16BE(at + 2) : short === 127 ? Number(sent.readBigUInt64BE(at + 2)) : short;
    const mask = sent.subarray(at + header, at + header + 4);
    const masked = sent.subarray(at + header + 4, at + header + 4 + length);
    payloads.push(Buffer.from(masked.map((byte, index) => byte ^ (mask[index % 4] ?? 0))));
    at += header + 4 + length;
  }
  return payloads;
}
