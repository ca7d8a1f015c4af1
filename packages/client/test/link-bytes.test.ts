/** Whatever bytes come instead of the protocol, a link ends with its code, soon and in bounded memory. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Code, FrameKind } from '@securechat/wire';
import { encodeFrame } from '@securechat/wire';
import { SecureLink } from '../src/shell/link/secure-link.ts';
import { listen, runServer } from './link-server.ts';
import { keys, known, open, attaching, eachTransport } from './link-stand.ts';

test('an address that answers with something else is HANDSHAKE_FAILED; a proxy without a server is UNREACHABLE', async (t) => {
  const web = await listen(
    t,
    createHttpServer((_request, response) => response.end('<html>')),
  );
  const gone = createHttpServer((_request, response) => {
    response.statusCode = 502;
    response.end();
  });
  gone.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
  const gonePort = await listen(t, gone);
  const ssh = await listen(
    t,
    createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.9\r\n')),
  );
  const closing = await listen(
    t,
    createServer((socket) => socket.destroy()),
  );
  await assert.rejects(open(t, `ws://127.0.0.1:${web}`), { code: 'HANDSHAKE_FAILED' });
  await assert.rejects(open(t, `tcp://127.0.0.1:${ssh}`), { code: 'HANDSHAKE_FAILED' });
  await assert.rejects(open(t, `ws://127.0.0.1:${ssh}`), { code: 'HANDSHAKE_FAILED' });
  await assert.rejects(open(t, `tls://127.0.0.1:${ssh}`), { code: 'HANDSHAKE_FAILED' });
  await assert.rejects(open(t, `ws://127.0.0.1:${gonePort}`), { code: 'UNREACHABLE', message: /502/ });
  await assert.rejects(open(t, `tcp://127.0.0.1:${closing}`), { code: 'HANDSHAKE_FAILED' });
});

test('10 MB of noise, or a frame that announces 4 GB, ends the connection early and holds no memory', async (t) => {
  let taken = 0;
  const flood = createServer((socket) => {
    socket.on('error', () => {});
    const write = (): void => {
      while (taken < 10_000_000 && !socket.destroyed) {
        taken += 65_536;
        if (!socket.write(new Uint8Array(65_536).fill(0xff))) return void socket.once('drain', write);
      }
    };
    write();
  });
  const port = await listen(t, flood);
  const before = process.memoryUsage().arrayBuffers;
  await assert.rejects(open(t, `tcp://127.0.0.1:${port}`), { code: 'HANDSHAKE_FAILED' });
  // What the server of this test wrote is among it.
  assert.ok(process.memoryUsage().arrayBuffers - before < 40_000_000);
  const noisy = await runServer(t, { keys, toClient: () => [new Uint8Array(10_000_000).fill(1)] });
  for (const url of eachTransport(noisy)) await assert.rejects(open(t, url), { code: 'HANDSHAKE_FAILED' });
});

test('a frame that comes byte by byte is not kept in thousands of pieces', async (t) => {
  const concat = t.mock.method(Buffer, 'concat');
  const dripping = createServer((socket) => {
    socket.on('error', () => {});
    socket.setNoDelay(true);
    socket.write(Uint8Array.of(0, 0, 0x07, 0xd0));
    void (async () => {
      for (let count = 0; count < 2000 && !socket.destroyed; count += 1) {
        socket.write(Uint8Array.of(0xff));
        for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  });
  const port = await listen(t, dripping);
  await assert.rejects(open(t, `tcp://127.0.0.1:${port}`), { code: 'HANDSHAKE_FAILED' });
  const most = Math.max(...concat.mock.calls.map((call) => (call.arguments[0] as readonly unknown[]).length));
  assert.ok(most <= 257, `${most} pieces`);
});

test('a connection that falls silent in the middle of the handshake is UNREACHABLE', async (t) => {
  const server = await runServer(t, { keys, toClient: (frame, index) => (index === 0 ? [frame] : []) });
  await assert.rejects(open(t, server.tcp, { timeoutMs: 200 }), { code: 'UNREACHABLE', message: /does not answer/ });
});

test('any frames inside a valid session, and any bytes outside one, end in a typed error at once', async (t) => {
  const random = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const kinds = fc.constantFrom<FrameKind>('response', 'event', 'deliver', 'accepted', 'refused', 'goaway', 'ping');
  let inside: Uint8Array[] = [];
  let outside: Uint8Array[] = [];
  const server = await runServer(t, {
    keys,
    device: known,
    toClient: (frame, index) => (index === 0 && outside.length > 0 ? outside : [frame]),
    onAttached: (peer) => {
      for (const plaintext of inside) for (const record of peer.session?.seal(plaintext, 0) ?? []) peer.raw(record);
      setTimeout(() => peer.wire.close(), 10);
    },
  });
  const frame = fc.record({ kind: kinds, request: fc.nat(5), body: random }).map((one) => encodeFrame(one));
  const urls = eachTransport(server);
  const seen = new Set<Code>();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(random, frame), { maxLength: 5 }), fc.nat(1), async (frames, which) => {
      inside = frames;
      const { link, events } = await open(t, urls[which] ?? '');
      await link.attach(attaching());
      seen.add(await events.closed.promise);
    }),
    { numRuns: 40 },
  );
  assert.ok(seen.has('MALFORMED') && seen.has('CONNECTION_LOST') && !seen.has('INTERNAL'), [...seen].join());
  await fc.assert(
    fc.asyncProperty(fc.array(random, { minLength: 1, maxLength: 10 }), fc.nat(1), async (frames, which) => {
      outside = frames;
      await assert.rejects(open(t, urls[which] ?? ''), { code: 'HANDSHAKE_FAILED' });
    }),
    { numRuns: 40 },
  );
});

test('a server that pings and does not read gets no more answers than the memory for them', async () => {
  const sent: Uint8Array[] = [];
  const transport = { bufferedAmount: 0, send: (frames: Uint8Array[]) => sent.push(...frames), close: () => undefined };
  const session = { open: (record: Uint8Array) => record, seal: (plaintext: Uint8Array) => [plaintext], wipe() {} };
  const link = new SecureLink({
    session,
    transport,
    events: { onClosed: () => undefined },
    serverFingerprint: '',
    opaqueKey: undefined,
    sealingSequence: 0,
    resumed: false,
  } as unknown as ConstructorParameters<typeof SecureLink>[0]);
  const ping = encodeFrame({ kind: 'ping', request: 0, body: new Uint8Array(0) });
  const answers = async (bufferedAmount: number): Promise<number> => {
    sent.length = 0;
    transport.bufferedAmount = bufferedAmount;
    link.stream.receive(ping);
    await new Promise((resolve) => setImmediate(resolve));
    return sent.length;
  };
  assert.equal(await answers(1024 * 1024), 1);
  assert.equal(await answers(1024 * 1024 + 1), 0);
  link.close();
});
