/**
 * Goal: what one write of a transport holds is what the other side reads, at every size around a longer header. Method: the
 * real listeners on loopback; the judge is Node's own WebSocket, which shares no code with `ws`.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { connect } from 'node:net';
import { test } from 'node:test';
import { defaultLimits } from '@securechat/wire';
import { Admission } from '../../src/shell/listeners/admission.ts';
import { createTcpServer } from '../../src/shell/listeners/tcp.ts';
import type { Transport } from '../../src/shell/listeners/transport.ts';
import { createWebSocketServer } from '../../src/shell/listeners/websocket.ts';

/** Ends of the 7-bit and the 16-bit length of RFC 6455 §5.2, and the longest frame there is. */
const SIZES = [0, 1, 125, 126, 127, 300, 0xffff, 0x10000, defaultLimits.frameBytesMax];

const frames = SIZES.map((size) => new Uint8Array(size).fill(size % 251));
const admission = new Admission(defaultLimits, [], () => 0);
const onTransport = (transport: Transport) => transport.send(frames);

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

test('binary messages of one write arrive one by one, as they were', async () => {
  const server = createWebSocketServer({
    admission,
    tls: undefined,
    tlsHandshakeMs: 5000,
    frameBytesMax: defaultLimits.frameBytesMax,
    deadlineMs: 5000,
    headerBytesMax: 8192,
    payloadBytesMax: defaultLimits.frameBytesMax,
    onTransport,
    page: () => '',
    ready: () => true,
  });
  const socket = new WebSocket(`ws://127.0.0.1:${await listening(server)}/v1`);
  socket.binaryType = 'arraybuffer';
  const heard: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.onerror = () => reject(new Error('the connection failed'));
    socket.onmessage = ({ data }: MessageEvent) => {
      heard.push(Buffer.from(data as ArrayBuffer));
      if (heard.length === frames.length) resolve();
    };
  });
  for (const [at, frame] of frames.entries()) assert.ok(heard[at]?.equals(frame), `${frame.length} bytes`);
  socket.close();
  server.close();
});

test('frames of one write follow each other, each behind its length', async () => {
  const server = createTcpServer({
    admission,
    tls: undefined,
    tlsHandshakeMs: 5000,
    frameBytesMax: defaultLimits.frameBytesMax,
    onTransport,
  });
  const socket = connect(await listening(server), '127.0.0.1');
  const expected = Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return [length, frame];
    }),
  );
  const heard: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    heard.push(chunk);
    bytes += chunk.length;
    if (bytes >= expected.length) break;
  }
  assert.ok(Buffer.concat(heard).equals(expected));
  socket.destroy();
  server.close();
});
