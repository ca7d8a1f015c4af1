// Goal: whatever bytes come to whichever port, bare or inside TLS, the connection ends soon, the memory of the server stays
// where it was, and the people who are there notice nothing. Method: raw sockets against real servers.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { makeFolder, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';

/** Certificates are made by openssl; without it the ports under TLS are left out. */
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const bareAndSecured = hasOpenssl ? (['http', 'tcp', 'https', 'tls'] as const) : (['http', 'tcp'] as const);
const ifOpenssl = hasOpenssl ? {} : { skip: 'openssl is not installed' };

/** The promise of the design; a late timer of a loaded machine is not what is measured. */
const SOON_MS = 50;
/** For a machine that is busy with something else. */
const PATIENCE_MS = 60_000;
/** Of a stranger who says nothing; short, so that the test is. */
const AUTH_DEADLINE_MS = 2000;

/** `hurried`: those of a server that gives strangers little time, and has no people. */
type Port = 'http' | 'tcp' | 'https' | 'tls' | 'hurried http' | 'hurried tcp';

const folder = makeFolder('bytes');
const password = 'seven wet umbrellas';
const ports = new Map<Port, number>();
let bare: RunningServer;
let alice: Rpc;
let bob: Rpc;

const portOf = (address: string) => Number(/:(\d+)#/.exec(address)?.[1]);

before(async () => {
  const lifted = ['connectsPerAddressPerSecond=100000', 'connectsPerAddressBurst=100000'];
  const limits = [...lifted, 'unauthenticatedPerAddressMax=190', 'connectionsPerAddressMax=500'];
  const flags = limits.flatMap((limit) => ['--limit', limit]);
  const hurried = [...flags, '--limit', `authDeadlineMs=${AUTH_DEADLINE_MS}`];
  bare = await startServer(folder, flags);
  ports.set('http', portOf(bare.ws)).set('tcp', portOf(bare.tcp));
  alice = startRpc(folder, bare.ws, { home: 'alice' });
  bob = startRpc(folder, bare.tcp, { home: 'bob' });
  const made = [
    alice.call('register', { username: 'alice', password, invite: bare.invite }),
    bob.call('register', { username: 'bob', password, invite: bare.invite }),
  ];
  const quick = await startServer(folder, [...hurried, '--data', join(folder.path, 'hurried')]);
  ports.set('hurried http', portOf(quick.ws)).set('hurried tcp', portOf(quick.tcp));
  if (hasOpenssl) await startSecured(hurried);
  await Promise.all(made);
});
after(() => folder.remove());

async function startSecured(flags: readonly string[]): Promise<void> {
  const [certificate, key] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const ownData = ['--data', join(folder.path, 'under-tls')];
  const secured = ['--tls-cert', certificate, '--tls-key', key, ...ownData];
  const { ws, tcp } = await startServer(folder, [...flags, ...secured]);
  ports.set('https', portOf(ws)).set('tls', portOf(tcp));
}

let greetings = 0;
async function peopleNoticeNothing(): Promise<void> {
  const text = `greeting ${++greetings}`;
  assert.equal((await alice.call('send', { to: '@bob', text }))['state'], 'sent');
  await bob.told('message', (params) => params['text'] === text);
  for (const rpc of [alice, bob]) assert.doesNotMatch(rpc.printed.out, /CONNECTION_LOST|"state":"offline"/);
}

const tlsPorts: ReadonlySet<Port> = new Set(['https', 'tls']);

/** `inside`: through the TLS of a port that has it. */
async function open(port: Port, inside = tlsPorts.has(port)): Promise<Socket> {
  const socket = inside
    ? connectTls({ port: ports.get(port) ?? 0, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(ports.get(port) ?? 0, '127.0.0.1');
  socket.on('error', () => undefined);
  await Promise.race([once(socket, inside ? 'secureConnect' : 'connect'), once(socket, 'close')]);
  return socket.setNoDelay(true);
}

interface Ended {
  readonly ms: number;
  readonly heard: Buffer;
}

/** From the last byte sent to the end, or to the close frame of a WebSocket, whose end then is the client's to make. */
async function tellUntilEnd(socket: Socket, bytes: Uint8Array, patienceMs = PATIENCE_MS): Promise<Ended> {
  const heard: Buffer[] = [];
  const ended = Promise.withResolvers<boolean>();
  socket.on('data', (chunk: Buffer) => {
    heard.push(chunk);
    if (upgraded.has(socket) && hasCloseFrame(chunk)) ended.resolve(true);
  });
  for (const event of ['end', 'close'] as const) socket.on(event, () => ended.resolve(true));
  const sent = performance.now();
  socket.write(bytes);
  const inTime = await Promise.race([ended.promise, sleep(patienceMs, false, { ref: false })]);
  const ms = performance.now() - sent;
  socket.destroy();
  const said = Buffer.concat(heard);
  assert.ok(inTime, `still open after ${ms.toFixed(0)} ms; it said ${said.toString('latin1').slice(0, 80)}`);
  return { ms, heard: said };
}

/** The server's frames here are its hello, pongs and a close at the end. */
function hasCloseFrame(chunk: Buffer): boolean {
  return [0, chunk.length - 2, chunk.length - 4].some((at) => chunk[at] === 0x88);
}

const upgraded = new WeakSet<Socket>();
const requestOf = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16, 7).toString('base64')}\r\n${more}\r\n`;

/** A WebSocket after its upgrade and the server's hello. */
async function openWebSocket(port: 'http' | 'https' | 'hurried http'): Promise<Socket> {
  const socket = await open(port);
  socket.write(requestOf('/v1'));
  let heard = 0;
  while (heard < 600) heard += ((await once(socket, 'data')) as [Buffer])[0].length;
  upgraded.add(socket);
  return socket;
}

/** A busy machine may be late by itself, again and again; a server that waits for something is late every time. */
async function soon(what: string, tell: () => Promise<Ended>): Promise<void> {
  const times: number[] = [];
  for (const from = performance.now(); times.length < 6 || performance.now() - from < PATIENCE_MS;) {
    const { ms } = await tell().catch((error: unknown) => {
      throw new Error(what, { cause: error });
    });
    if (ms < SOON_MS) return;
    times.push(ms);
  }
  assert.fail(`${what}: ${Math.min(...times).toFixed(0)} ms at best of ${times.length}`);
}

const garbage: readonly (readonly [string, () => Uint8Array])[] = [
  ['noise', () => Buffer.concat([Buffer.from([0x93, 0xff]), randomBytes(4000)])],
  ['zeros', () => Buffer.alloc(64)],
  ['a length of 4 GB', () => Buffer.from('ffffffff', 'hex')],
  ['a frame one byte over the limit', () => Buffer.concat([Buffer.from([0, 0, 0x20, 0x01]), Buffer.alloc(0x2001)])],
  ['a frame of an unknown kind', () => Buffer.concat([Buffer.from([0, 0, 0, 40, 0x7e]), randomBytes(39)])],
  ['a flight that opens nothing', () => Buffer.concat([Buffer.from([0, 0, 7, 0x17, 2, 1, 1]), randomBytes(1812)])],
  ['SSH', () => Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n')],
  ['SMTP', () => Buffer.from('EHLO localhost\r\nMAIL FROM:<a@b>\r\n\r\n')],
  ['HTTP 0.9 and then some', () => Buffer.from('GET /\r\n\r\n\0\0\0')],
  [
    'HTTP with two lengths',
    () => Buffer.from('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
  ],
  ['a header of 100 kB', () => Buffer.from(`GET / HTTP/1.1\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`)],
];

for (const port of bareAndSecured) {
  test(`any bytes at the ${port} port end the connection within ${SOON_MS} ms of the last of them`, async () => {
    for (const [what, bytes] of garbage) {
      await soon(what, async () => tellUntilEnd(await open(port), bytes()));
    }
    await peopleNoticeNothing();
  });
}

for (const port of ['https', 'tls'] as const) {
  test(`any bytes in place of TLS at the ${port} port end the connection within ${SOON_MS} ms`, ifOpenssl, async () => {
    for (const [what, bytes] of garbage) {
      // Five bytes are what TLS wants to see of a record before it judges.
      const whole = () => Buffer.concat([bytes(), Buffer.alloc(5)]);
      await soon(what, async () => tellUntilEnd(await open(port, false), whole()));
    }
  });
}

/** A client's frame (RFC 6455 §5.2), masked with zeros unless told otherwise. */
function frame(opcode: number, payload: Uint8Array, { first = 0x80, masked = true } = {}): Buffer {
  const mask = masked ? 0x80 : 0;
  const length =
    payload.length < 126
      ? Buffer.from([mask | payload.length])
      : Buffer.from([mask | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([Buffer.from([first | opcode]), length, Buffer.alloc(masked ? 4 : 0), payload]);
}

const frames: readonly (readonly [string, Uint8Array])[] = [
  ['a text frame', frame(1, Buffer.from('hello'))],
  ['an empty message', frame(2, Buffer.alloc(0))],
  ['a binary message that is no flight', frame(2, randomBytes(100))],
  [
    'the same in three fragments',
    Buffer.concat([
      frame(2, Buffer.alloc(9), { first: 0 }),
      frame(0, Buffer.alloc(9), { first: 0 }),
      frame(0, Buffer.alloc(9)),
    ]),
  ],
  ['a fragment that continues nothing', frame(0, Buffer.alloc(9))],
  ['a message within a message', Buffer.concat([frame(2, Buffer.alloc(9), { first: 0 }), frame(2, Buffer.alloc(9))])],
  [
    'a thousand empty fragments',
    Buffer.concat([
      frame(2, Buffer.alloc(0), { first: 0 }),
      ...Array.from({ length: 1000 }, () => frame(0, Buffer.alloc(0), { first: 0 })),
    ]),
  ],
  ['a message over the limit', frame(2, Buffer.alloc(8193))],
  ['a frame that announces 2^62 bytes', Buffer.from('82ff400000000000000000000000', 'hex')],
  ['a frame that is not masked', frame(2, Buffer.alloc(9), { masked: false })],
  ['a ping of 126 bytes', frame(9, Buffer.alloc(126))],
  ['a fragmented ping', frame(9, Buffer.alloc(1), { first: 0 })],
  ['a reserved bit', frame(2, Buffer.alloc(9), { first: 0xc0 })],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => [`opcode ${opcode}`, frame(opcode, Buffer.alloc(0))] as const),
  ['a close', frame(8, Buffer.from([3, 0xe8]))],
  ['a close with half a code', frame(8, Buffer.from([3]))],
  ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000].map(
    (code) => [`a close with code ${code}`, frame(8, Buffer.from([code >> 8, code & 0xff]))] as const,
  ),
];

for (const port of ['http', 'https'] as const) {
  test(
    `WebSocket frames that are none of ours end the connection within ${SOON_MS} ms (${port})`,
    port === 'http' ? {} : ifOpenssl,
    async () => {
      for (const [what, bytes] of frames) {
        await soon(what, async () => {
          const ended = await tellUntilEnd(await openWebSocket(port), bytes);
          assert.ok(ended.heard.length < 200, `answered with ${ended.heard.length} bytes`);
          return ended;
        });
      }
      await peopleNoticeNothing();
    },
  );
}

test('control frames and torn frames in bounds are taken: a ping is answered between the fragments of a message', async () => {
  const socket = await openWebSocket('http');
  const pong = once(socket, 'data') as Promise<[Buffer]>;
  socket.write(frame(2, Buffer.alloc(5), { first: 0 }));
  for (const byte of frame(9, Buffer.from('still there?'))) {
    socket.write(Buffer.from([byte]));
    await sleep(1);
  }
  assert.equal((await pong)[0].toString('latin1'), '\x8a\x0cstill there?');
  socket.destroy();
});

/** VmRSS, in MiB; undefined where there is no /proc. */
function residentMiB({ child }: RunningServer): number | undefined {
  const path = `/proc/${child.pid}/status`;
  return existsSync(path) ? Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(path, 'utf8'))?.[1]) / 1024 : undefined;
}

async function boundedMemory(what: string, maxMiB: number, work: () => Promise<void>): Promise<void> {
  const from = residentMiB(bare);
  let most = from ?? 0;
  const watch = setInterval(() => (most = Math.max(most, residentMiB(bare) ?? 0)), 50);
  await work().finally(() => clearInterval(watch));
  const grown = most - (from ?? 0);
  assert.ok(grown < maxMiB, `${what}: ${grown.toFixed(0)} MiB more`);
}

test('two thousand connections of garbage leave the memory bounded and the people undisturbed', async () => {
  await boundedMemory('garbage', 64, async () => {
    let left = 2000;
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const [, bytes] = garbage[left % garbage.length] ?? garbage[0] ?? ['', () => new Uint8Array(1)];
        const socket = await open(left % 2 === 0 ? 'http' : 'tcp');
        socket.end(bytes());
        socket.resume();
        await Promise.race([once(socket, 'close'), sleep(PATIENCE_MS, undefined, { ref: false })]);
        socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
  });
  await peopleNoticeNothing();
});

test('floods of pings by somebody who does not read the answers cost no memory', async () => {
  await boundedMemory('pings', 64, async () => {
    const until = performance.now() + AUTH_DEADLINE_MS;
    for (const pings of [4000, 500, 64, 8]) {
      const flood = Buffer.concat(Array.from({ length: pings }, () => frame(9, Buffer.alloc(125, 'p'))));
      const socket = await openWebSocket('http');
      socket.pause();
      for (let turn = 0; turn < 200 && !socket.destroyed && performance.now() < until; turn += 1) {
        socket.write(flood);
        await sleep(2);
      }
      socket.destroy();
    }
  });
  await peopleNoticeNothing();
});

test('who says nothing, half a thing, or one byte at a time is gone after the deadline of a stranger', async () => {
  const drips: readonly (readonly [Port, boolean, string])[] = [
    ['hurried tcp', false, '\0\0\x1f\0'],
    ['tls', true, '\0\0\x1f\0'],
    ['hurried http', false, requestOf('/v1', 'Never: ending')],
    ['https', true, requestOf('/v1', 'Never: ending')],
    ['tls', false, '\x16\x03\x01\x02\0'],
  ];
  const here = ([port]: readonly [Port, ...unknown[]]) => ports.has(port);
  const slow = await Promise.all(
    drips.filter(here).map(async ([port, inside, text]) => {
      const socket = await open(port, inside);
      let at = 0;
      const drip = setInterval(() => socket.write(text.charAt(at++) || 'x', 'latin1'), 60);
      return { what: `${port} ${inside}`, socket, stop: () => clearInterval(drip) };
    }),
  );
  const silent = await Promise.all(
    [...ports.keys()]
      .filter((port) => port !== 'http' && port !== 'tcp')
      .flatMap((port) =>
        [true, false].map(async (inside) => ({
          what: `silent ${port} ${inside}`,
          socket: await open(port, inside && tlsPorts.has(port)),
          stop: () => undefined,
        })),
      ),
  );
  const webSocket = await openWebSocket('hurried http');
  const left: string[] = [];
  await Promise.all(
    [...slow, ...silent, { what: 'websocket', socket: webSocket, stop: () => undefined }].map(
      async ({ what, socket, stop }) => {
        socket.resume();
        const end = Promise.race([once(socket, 'close'), once(socket, 'end')]).then(() => true);
        const gone = socket.destroyed || (await Promise.race([end, sleep(PATIENCE_MS, false, { ref: false })]));
        stop();
        if (!gone) left.push(what);
        socket.destroy();
      },
    ),
  );
  assert.deepEqual(left, []);
  await peopleNoticeNothing();
});

test('with the limits as they come, one address cannot fill the server, and is let in again afterwards', async () => {
  const narrow = await startServer(folder, ['--data', join(folder.path, 'narrow')]);
  const port = Number(/:(\d+)#/.exec(narrow.tcp)?.[1]);
  const sockets = Array.from({ length: 60 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await Promise.all(sockets.map((socket) => Promise.race([once(socket, 'data'), once(socket, 'close')])));
  assert.equal(sockets.filter((socket) => !socket.destroyed).length, 10);
  for (const socket of sockets) socket.destroy();
  const hears = async (): Promise<boolean> => {
    const again = connect(port, '127.0.0.1').on('error', () => undefined);
    const hello = await Promise.race([once(again, 'data'), once(again, 'close').then(() => undefined)]);
    again.destroy();
    return hello !== undefined;
  };
  while (!(await hears())) await sleep(50);
  assert.equal(await narrow.end(), 0);
});

test('after all of it the servers serve, newcomers included, and their logs hold no error of their own', async () => {
  const dora = startRpc(folder, bare.ws, { home: 'dora' });
  await dora.call('register', { username: 'dora', password, invite: bare.invite });
  await dora.call('send', { to: '@alice', text: 'I am new' });
  await alice.told('message', (params) => params['text'] === 'I am new');
  assert.doesNotMatch(bare.printed.err, /"level":(50|60)/);
  assert.equal(await bare.end(), 0);
});
