/** Goal: any bytes at any port, before and after login, end in a typed error or a close, soon, in bounded memory. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ed25519, seededEntropy, systemEntropy } from '@securechat/crypto';
import { attachTranscript } from '@securechat/session';
import { control, encodeFrame, encodeSubmit, frameKinds, idBytes, limits, SecureChatError } from '@securechat/wire';
import type { TestClient, Wire } from '../client.ts';
import { Outbox, openWire } from '../client.ts';
import type { Person } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand, until } from '../stand.ts';

/** A machine may be busy; what counts is that nothing waits for a deadline. */
const PATIENCE_MS = 60_000;

let stand: Stand;
let anna: Person;
before(async () => {
  // Nothing else closes a connection while a test is patient, and who was closed comes again at once.
  stand = await makeStand({
    limits: { protocolErrorsMax: 3, protocolBanMs: 0, authDeadlineMs: 10 * PATIENCE_MS },
  });
  anna = await stand.register('anna');
});
after(() => stand.stop());

const entropy = seededEntropy('hostile');
const refusalDelayMs = limits.refusalDelayMs.value;

async function closesSoon(wire: Wire, startMs: number): Promise<number> {
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, PATIENCE_MS, 'late').unref());
  assert.notEqual(await Promise.race([wire.closed, late]), 'late', 'the connection is still open');
  return performance.now() - startMs;
}

for (const transport of ['ws', 'tcp'] as const) {
  test(`random frames instead of a flight close the connection, not before ${refusalDelayMs} ms (${transport})`, async () => {
    for (let round = 0; round < 30; round += 1) {
      const wire = await openWire(stand.url(transport));
      await wire.next();
      const size = [1, 2, 17, 1299, 1815, 8192][round % 6] ?? 1;
      const frame = entropy(size);
      frame[0] = [0x02, 0x04, 0x10, 0x00, 0xff, frame[0] ?? 0][Math.floor(round / 6)] ?? 0;
      const startMs = performance.now();
      wire.send(frame);
      const elapsedMs = frame[0] === 0x04 && size === 1299 ? refusalDelayMs : await closesSoon(wire, startMs);
      assert.ok(elapsedMs >= refusalDelayMs - 2, `closed after ${elapsedMs} ms`);
      wire.close();
    }
  });

  test(`frames that are too long, empty or of another kind close the connection (${transport})`, async () => {
    for (const bytes of [8193, 0, 100_000]) {
      const wire = await openWire(stand.url(transport));
      await wire.next();
      wire.send(new Uint8Array(bytes));
      await closesSoon(wire, performance.now());
    }
  });
}

test('a length prefix alone is judged before anything is collected', async () => {
  for (const length of [0, 8193, 0x7fffffff, 0xffffffff]) {
    const wire = await openWire(stand.url('tcp'));
    await wire.next();
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(length);
    wire.raw(prefix);
    await closesSoon(wire, performance.now());
  }
});

test('a frame that comes byte by byte is not kept in thousands of pieces', async (t) => {
  const concat = t.mock.method(Buffer, 'concat');
  const wire = await openWire(stand.url('tcp'));
  await wire.next();
  wire.raw(Uint8Array.of(0, 0, 0x07, 0xd0));
  for (let count = 0; count < 2000; count += 1) {
    wire.raw(Uint8Array.of(2));
    for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await wire.closed;
  const most = Math.max(...concat.mock.calls.map((call) => (call.arguments[0] as readonly unknown[]).length));
  assert.ok(most <= 257, `${most} pieces`);
});

test('bytes that are no HTTP, and HTTP that is no WebSocket, are answered and closed', async () => {
  const { hostname, port } = new URL(stand.server.ready.http);
  const say = (bytes: Uint8Array | string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let heard = '';
      socket.setTimeout(PATIENCE_MS, () => (socket.destroy(), resolve(`${heard}<open>`)));
      socket.on('data', (part: Buffer) => (heard += part.toString('latin1')));
      socket.on('close', () => resolve(heard));
      socket.on('error', reject);
      socket.write(bytes);
    });
  for (let round = 0; round < 10; round += 1) assert.match(await say(entropy(200)), /^HTTP\/1\.1 400|^$/);
  const get = (path: string, more = '') => say(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`);
  assert.match(await get('/'), /200 OK[^]*This is a SecureChat server/);
  assert.match(await get('/livez'), /200 OK/);
  assert.match(await get('/readyz'), /200 OK/);
  assert.match(await get('/../../etc/passwd'), /404/);
  assert.match(await say('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc'), /405/);
  const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n';
  const key = `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n`;
  assert.match(await say(`GET /other HTTP/1.1\r\nHost: x\r\n${upgrade}${key}\r\n`), /404/);
  assert.match(await say(`GET /v1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`), /400/);
  const headers = Array.from({ length: 2000 }, (_, index) => `X-${index}: y\r\n`).join('');
  assert.match(await say(`GET /v1 HTTP/1.1\r\nHost: x\r\n${headers}\r\n`), /431|400/);
  const both = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  assert.match(await say(both), /400/);
});

test('who was answered and does not go, or asks for pages without end, loses the place of a stranger', async () => {
  const narrow = await makeStand({ limits: { unauthenticatedPerAddressMax: 2, authDeadlineMs: 1000 } });
  const { hostname, port } = new URL(narrow.server.ready.http);
  const upgrade = 'Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n';
  /** Never closes its half; `drip` is said every 100 ms. Resolves once it was answered, or gone before. */
  const stay = async (bytes: string, drip: string): Promise<() => void> => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write(bytes);
    const timer = setInterval(() => drip !== '' && socket.writable && socket.write(drip), 100);
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    return () => (clearInterval(timer), socket.destroy());
  };
  const page = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
  const leave: (() => void)[] = [];
  try {
    for (const [bytes, drip] of [
      [`GET /other HTTP/1.1\r\n${upgrade}`, ''],
      ['\u0001\u0002\r\n\r\n', ''],
      ['GET / HTTP/1.1\r\nHost: x\r\n', 'A: b\r\n'],
      [page, page],
    ] as const) {
      leave.push(...(await Promise.all([stay(bytes, drip), stay(bytes, drip)])));
      const heard = async (): Promise<boolean> => {
        const wire = await openWire(narrow.url('tcp'));
        const hello = await wire.next();
        wire.close();
        return hello !== undefined;
      };
      assert.equal(await until(heard), true, `${JSON.stringify(bytes)} keeps its place`);
    }
  } finally {
    for (const end of leave) end();
    await narrow.stop();
  }
});

test('text messages, pings and torn frames of a WebSocket do no harm', async () => {
  for (const bytes of [
    Buffer.from([0x81, 0x85, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    Buffer.from([0xc2, 0x80, 1, 2, 3, 4]),
    Buffer.from([0x82, 0x05, 1, 2, 3, 4, 5]),
    Buffer.from([0x83, 0x80, 1, 2, 3, 4]),
    Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
  ]) {
    const wire = await openWire(stand.url('ws'));
    await wire.next();
    wire.raw(bytes);
    await closesSoon(wire, performance.now());
  }
});

test('a record that does not open ends the connection, whatever is left of it', async () => {
  for (const kind of [0x10, 0x11]) {
    const client = await stand.connect();
    const frame = entropy(100);
    frame[0] = kind;
    client.wire.send(frame);
    await closesSoon(client.wire, performance.now());
  }
});

/** Random bodies for every kind of frame, and random protobuf-like bodies for every kind of request. */
async function fuzz(client: TestClient, rounds: number, seed: string): Promise<void> {
  const random = seededEntropy(seed);
  const kinds = Object.keys(frameKinds) as (keyof typeof frameKinds)[];
  for (let round = 0; round < rounds; round += 1) {
    const [a = 0, b = 0, c = 0] = random(3);
    const kind = kinds[a % kinds.length] ?? 'ping';
    const body = random((b * 37) % 3000);
    // A field number and a wire type that make sense get deeper into the decoder than noise.
    if (c % 2 === 0 && body.length > 2) body[0] = ((c % 40) << 3) | 2;
    try {
      client.send(kind, body, c);
    } catch {
      return;
    }
  }
}

test('after the handshake, and after attach, random frames give typed failures or a close', async () => {
  for (let round = 0; round < 10; round += 1) {
    for (const attached of [false, true]) {
      const client = await stand.connect(round % 2 === 0 ? 'ws' : 'tcp');
      if (attached) await client.attach(anna);
      client.lenient = true;
      await fuzz(client, 40, `${round} ${attached}`).catch(() => undefined);
      await closesSoon(client.wire, performance.now());
    }
  }
  // The server lives, and has not logged a bug of its own.
  const client = await stand.attach(anna);
  client.close();
  const errors = stand.logLines.filter((line) => line.includes('"level":50'));
  assert.deepEqual(errors, []);
});

test('well-formed requests with wild values give typed failures, and the link survives', async () => {
  const client = await stand.attach(anna);
  const random = seededEntropy('values');
  const big = Number.MAX_SAFE_INTEGER;
  const sixteen = random(16);
  const wild = [
    ['lookup', { who: { $case: 'username', value: '\u0000'.repeat(500) } }],
    ['lookup', { who: { $case: 'account', value: random(15) } }],
    ['claimKeyPackages', { account: sixteen }],
    ['getPresence', { account: random(17) }],
    ['block', { account: sixteen, blocked: true, quiet: true }],
    ['createInvite', { uses: 2 ** 32 - 1, hours: 2 ** 32 - 1 }],
    ['publishDevices', { deviceJws: '{}', listJws: '..' }],
    ['putVault', { vault: random(10), version: big }],
    ['deleteAccount', { username: '' }],
    ['blobCreate', { blob: sixteen, size: big, recipient: sixteen }],
    ['blobPut', { blob: sixteen, offset: big, part: random(10) }],
    ['blobFinish', { blob: sixteen }],
    ['blobGet', { blob: sixteen, offset: big, length: 2 ** 32 - 1 }],
    ['challenge', {}],
    ['loginStart', { username: 'anna', opaque: '' }],
  ] as const;
  for (const [kind, value] of wild)
    await assert.rejects(
      client.request(kind, value),
      (error) => error instanceof SecureChatError && error.code !== 'INTERNAL' && error.code !== 'CONNECTION_LOST',
      kind,
    );
  client.send('ping', new Uint8Array(4));
  assert.ok(await client.pings.next());
  client.close();
});

test('an unknown request and one that cannot be read have their codes; one without a number ends nothing', async () => {
  const client = await stand.attach(anna);
  await assert.rejects(client.requestBytes(new Uint8Array(0)), coded('NOT_SUPPORTED'));
  // Field 200, of a newer client.
  await assert.rejects(client.requestBytes(Uint8Array.of(0xc2, 0x0c, 0)), coded('NOT_SUPPORTED'));
  await assert.rejects(client.requestBytes(Uint8Array.of(0x0a, 0xff)), coded('MALFORMED'));
  client.close();
});

test('submissions that cannot be read are answered, and nothing more is read for a while when they are many', async () => {
  const client = await stand.attach(anna);
  const torn = Buffer.concat(
    Array.from({ length: 1000 }, () => encodeFrame({ kind: 'submit', request: 0, body: entropy(16) })),
  );
  for (const record of client.session.seal(torn, performance.now())) client.wire.send(record);
  assert.equal(await until(() => client.refused.length === 1000), true);
  client.send('ping', new Uint8Array(4));
  // Eight hundred too many, at 40 a second: ten seconds at least, and all that this test waits for is half of one.
  assert.equal(await until(() => client.pings.length > 0, 500), false);
  client.close();
});

test('a frame that spans the change of keys is refused: nobody puts the beginning of a frame before a login', async () => {
  const client = await stand.connect();
  client.lenient = true;
  const { device, account } = anna;
  const transcript = client.session.transcript;
  const signature = ed25519.sign(
    device.signing.privateKey,
    attachTranscript({ server: client.fingerprint, account, device: device.device, transcript }),
  );
  const value = { account: idBytes(account), device: idBytes(device.device), signature, resumed: false };
  const attach = control.Request.encode({ body: { $case: 'attach', value } }).finish();
  const frame = encodeFrame({ kind: 'request', request: 1, body: attach });
  const beginning = encodeFrame({ kind: 'request', request: 2, body: new Uint8Array(50) }).subarray(0, 20);
  for (const record of client.session.seal(Buffer.concat([frame, beginning]), performance.now()))
    client.wire.send(record);
  await closesSoon(client.wire, performance.now());
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are held, and not only not yet collected. */
function held(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

test('a flood of submissions, pings and requests is slowed down or refused, and memory stays where it was', async () => {
  const client = await stand.attach(anna);
  const submit = encodeSubmit({ ...new Outbox().found(anna, anna), payload: systemEntropy(60_000) });
  const before = held();
  for (let count = 0; count < 400; count += 1) client.send('submit', submit);
  assert.equal(await until(() => client.refused.length > 30), true);
  // What is not read stays in the sockets: a few MiB for both ends of this one process.
  const grown = held() - before;
  assert.ok(grown < 96 * 1024 * 1024, `${grown} bytes more`);
  client.close();
});

test('a peer that does not read is not fed without end', async () => {
  const bob = await stand.register('bob');
  const [a, b] = [await stand.attach(anna), await stand.attach(bob)];
  const outbox = new Outbox(5000);
  const founding = outbox.found(anna, bob);
  a.submit(founding);
  await a.accepted.next();
  // Bob's window closes after 256 rows or 1 MiB; his mailbox takes the rest.
  for (let count = 0; count < 40; count += 1) a.submit(outbox.message(founding.group, systemEntropy(60_000)));
  assert.equal(await until(() => a.accepted.length + a.refused.length >= 40), true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // One row may go over the window: at least one is always sent.
  assert.ok(b.delivered.length <= 20, `${b.delivered.length} rows were sent ahead`);
  a.close();
  b.close();
});
