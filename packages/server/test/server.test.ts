/** Goal: starting, refusing to start, serving over TLS, administration, logs, and stopping without loss. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { systemEntropy } from '@securechat/crypto';
import { adminDisable, adminEnable, adminInvite, adminUsers, loadConfig, runServer } from '@securechat/server';
import type { GivenFlags } from '@securechat/server';
import { openKeys, PREVIOUS_SEALING_MS } from '../src/keys.ts';
import { openWire, Outbox } from './client.ts';
import { makePerson } from './people.ts';
import { coded, makeStand, until } from './stand.ts';
import { startError } from './start-error.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'securechat-server-'));
});
after(() => rmSync(folder, { recursive: true }));

const quiet = { logSink: { write: () => undefined } };

function configFor(data: string, more: GivenFlags = {}) {
  const flags = { data, listen: '127.0.0.1:0', listenTcp: '127.0.0.1:0', rsaBits: '2048', ...more };
  return loadConfig({ flags, env: {}, home: '/people/anna' });
}

test('the first start makes keys for their owner alone, and an invite; the second is the same server', async () => {
  const data = join(folder, 'first');
  const server = await runServer(configFor(data), quiet);
  const { ready } = server;
  assert.match(ready.http, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(ready.tcp, /^tcp:\/\/127\.0\.0\.1:\d+$/);
  assert.match(ready.fingerprint, /^sha256:[\w-]{43}$/);
  assert.match(ready.address, /^ws:\/\/127\.0\.0\.1:\d+#sha256:/);
  assert.ok(ready.invite);
  assert.equal(statSync(data).mode & 0o777, 0o700);
  for (const name of readdirSync(data)) {
    const mode = statSync(join(data, name)).mode & 0o777;
    assert.equal(mode & 0o077, 0, `${name} has mode ${mode.toString(8)}`);
  }
  await server.close();
  assert.equal(await server.stopped, 'closed');
  assert.equal(existsSync(join(data, 'admin.sock')), false);
  const before = process.cpuUsage();
  const again = await runServer(configFor(data), quiet);
  const { user, system } = process.cpuUsage(before);
  assert.equal(again.ready.fingerprint, ready.fingerprint);
  assert.ok(again.ready.invite !== undefined && again.ready.invite !== ready.invite);
  await again.close();
  // One second is wanted; the machine of a test may be slow.
  assert.ok(user + system < 5_000_000, `ready after ${user + system} µs of work`);
});

test('what keeps a server from starting is one sentence with an exit code', async () => {
  const data = join(folder, 'first');
  const running = await runServer(configFor(data), quiet);
  await assert.rejects(runServer(configFor(data), quiet), startError(2, /in use by another SecureChat server/));
  const { port } = new URL(running.ready.http);
  const taken = configFor(join(folder, 'second'), { listen: `127.0.0.1:${port}` });
  await assert.rejects(runServer(taken, quiet), startError(4, /in use by another program/));
  await running.close();

  for (const name of ['identity.pem', 'sealing.pem', 'slot.key', 'opaque.setup']) {
    const path = join(data, name);
    chmodSync(path, 0o640);
    await assert.rejects(runServer(configFor(data), quiet), startError(2, new RegExp(name)));
    chmodSync(path, 0o600);
    const content = readFileSync(path);
    writeFileSync(path, 'nonsense');
    await assert.rejects(runServer(configFor(data), quiet), startError(2, new RegExp(name)));
    writeFileSync(path, content);
  }
  chmodSync(data, 0o755);
  await assert.rejects(runServer(configFor(data), quiet), startError(2, /can be used by others/));
  chmodSync(data, 0o700);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await assert.rejects(runServer(configFor(file), quiet), startError(2, /data folder/));
  await assert.rejects(
    runServer(configFor(data, { listen: '192.0.2.1:0', insecureListen: true }), quiet),
    startError(4, /none of this machine/),
  );
  // After all that it still starts.
  await (await runServer(configFor(data), quiet)).close();
});

test('the sealing key is renewed before it ends; the old one serves ten minutes more', async () => {
  const data = join(folder, 'keys');
  mkdirSync(data, { mode: 0o700 });
  const day = 86_400_000;
  const options = { folder: data, rsaBits: 2048, nowMs: 1_800_000_000_000, entropy: systemEntropy };
  const keys = await openKeys(options);
  const first = options.nowMs / day;
  assert.equal(keys.sealing.sequence, Math.floor(first));
  assert.equal(await keys.renew(options.nowMs + 29 * day), false);
  const before = keys.sealing;
  const nowMs = options.nowMs + 31 * day;
  assert.equal(await keys.renew(nowMs), true);
  assert.equal(keys.sealing.sequence, Math.floor(first + 31));
  assert.equal(keys.previousSealing, before);
  await keys.renew(nowMs + PREVIOUS_SEALING_MS - 1);
  assert.equal(keys.previousSealing, before);
  await keys.renew(nowMs + PREVIOUS_SEALING_MS);
  assert.equal(keys.previousSealing, undefined);
  // A server that was off for a year renews at its start.
  const later = await openKeys({ ...options, nowMs: nowMs + 365 * day });
  assert.equal(later.fingerprint, keys.fingerprint);
  assert.equal(later.sealing.sequence, Math.floor(first + 396));
  // Without the file the next one still is above all that clients have seen.
  await later.renew(nowMs + 395 * day);
  // A clock that was a month ahead: what it certified is replaced by what clients take, and counts on.
  const ahead = await openKeys({ ...options, nowMs: nowMs + 440 * day });
  const corrected = await openKeys({ ...options, nowMs: nowMs + 396 * day });
  assert.ok(corrected.sealing.sequence > ahead.sealing.sequence);
  assert.ok(corrected.sealing.notAfterMs <= nowMs + (396 + 45) * day);
  rmSync(join(data, 'sealing.pem'));
  assert.ok((await openKeys({ ...options, nowMs: nowMs + 427 * day })).sealing.sequence > later.sealing.sequence);
  assert.deepEqual(later.slotKey, keys.slotKey);
});

function selfSigned(name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', [...what, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  chmodSync(key, 0o600);
  return { cert, key };
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

if (hasOpenssl())
  test('with a certificate both listeners speak TLS and nothing else', async () => {
    const { cert, key } = selfSigned('server');
    const stand = await makeStand({ flags: { tlsCert: cert, tlsKey: key } });
    try {
      assert.match(stand.server.ready.http, /^https:/);
      assert.match(stand.server.ready.tcp, /^tls:/);
      const anna = await makePerson({ username: 'anna', server: stand.server.ready.fingerprint });
      const ca = readFileSync(cert, 'utf8');
      const first = await stand.connect('ws', { ca });
      await first.register(anna, { invite: (await adminInvite(stand.data)).code });
      await first.attach(anna);
      const second = await stand.connect('tcp', { ca });
      await second.attach(anna);
      await first.wire.closed;
      second.close();
      await assert.rejects(stand.connect('ws'), /self-signed/);
      const plain = await openWire(stand.server.ready.tcp.replace('tls:', 'tcp:'));
      plain.raw(new Uint8Array(20));
      await plain.closed;
      assert.equal(await plain.next(), undefined);
    } finally {
      await stand.stop();
    }
    chmodSync(key, 0o644);
    const open = configFor(join(folder, 'tls'), { tlsCert: cert, tlsKey: key });
    await assert.rejects(runServer(open, quiet), startError(2, /can be read by everybody/));
    const other = selfSigned('other');
    const mixed = configFor(join(folder, 'tls'), { tlsCert: cert, tlsKey: other.key });
    await assert.rejects(runServer(mixed, quiet), startError(2, /cannot be used together/));
    const none = configFor(join(folder, 'tls'), { tlsCert: join(folder, 'none'), tlsKey: other.key });
    await assert.rejects(runServer(none, quiet), startError(2, /cannot be read/));
  });

if (hasOpenssl())
  test('who opens a TLS connection and says nothing is closed after tlsHandshakeMs', async () => {
    const { cert, key } = selfSigned('silent');
    // Nothing else would close it while this test runs.
    const limits = { tlsHandshakeMs: 300, authDeadlineMs: 600_000 };
    const stand = await makeStand({ flags: { tlsCert: cert, tlsKey: key }, limits });
    try {
      for (const url of [
        stand.server.ready.tcp.replace('tls:', 'tcp:'),
        stand.server.ready.http.replace('https:', 'tcp:'),
      ]) {
        const startedMs = performance.now();
        const silent = await openWire(url);
        await silent.closed;
        assert.ok(performance.now() - startedMs >= 295);
      }
    } finally {
      await stand.stop();
    }
  });

test('an HTTP request of more than httpHeaderBytesMax is refused, one below it is answered', async () => {
  const stand = await makeStand({ limits: { httpHeaderBytesMax: 1000 } });
  try {
    // What Node counts is all but the first line; some bytes of slack for that.
    const get = (bytes: number): Promise<number> =>
      fetch(`${stand.server.ready.http}/livez`, { headers: { 'x-padding': 'x'.repeat(bytes) } }).then(
        (response) => response.status,
      );
    assert.equal(await get(600), 200);
    assert.notEqual(await get(1000), 200);
  } finally {
    await stand.stop();
  }
});

test('behind a proxy the address of the person counts, as the proxy saw it', async () => {
  const stand = await makeStand({ flags: { behindProxy: ['127.0.0.1'] }, limits: { unauthenticatedPerAddressMax: 1 } });
  try {
    const open = (forwarded: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(stand.url('ws'), { headers: { 'X-Forwarded-For': forwarded } });
        socket.on('open', () => resolve('open'));
        socket.on('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
        socket.on('error', () => undefined);
      });
    assert.equal(await open('198.51.100.1'), 'open');
    assert.equal(await open('198.51.100.1'), '429');
    // What stands left of it was written by the person.
    assert.equal(await open('198.51.100.9, 198.51.100.1'), '429');
    assert.equal(await open('198.51.100.2'), 'open');
  } finally {
    await stand.stop();
  }
});

test('administration works beside a running server and on the folder of a stopped one', async () => {
  const stand = await makeStand();
  try {
    const anna = await stand.register('anna');
    await stand.register('bob');
    assert.deepEqual(
      (await adminUsers(stand.data)).map(({ username, disabled, devices }) => [username, disabled, devices]),
      [
        ['anna', false, 1],
        ['bob', false, 1],
      ],
    );
    const client = await stand.attach(anna);
    await adminDisable(stand.data, 'Anna');
    await client.wire.closed;
    const invite = await adminInvite(stand.data, { uses: 3, hours: 2 });
    assert.equal(invite.link, `securechat:${stand.server.ready.address}?invite=${invite.code}`);
    assert.equal(statSync(join(stand.data, 'admin.sock')).mode & 0o777, 0o600);
    await assert.rejects(adminInvite(stand.data, { uses: 0 }), coded('USAGE'));
    await assert.rejects(adminDisable(stand.data, 'nobody'), coded('NO_SUCH_USER'));
    await assert.rejects(adminDisable(stand.data, '?'), coded('NAME_INVALID'));

    await stand.server.close();
    assert.equal((await adminUsers(stand.data))[0]?.disabled, true);
    await adminEnable(stand.data, 'anna');
    const offline = await adminInvite(stand.data);
    assert.match(offline.link, /^securechat:ws:/);
    await stand.restart();
    const person = await makePerson({ username: 'carl', server: stand.server.ready.fingerprint });
    const joining = await stand.connect();
    await joining.register(person, { invite: offline.code });
    joining.close();
    (await stand.attach(anna)).close();
  } finally {
    await stand.stop();
  }
});

test('bytes at the admin socket do no harm', async () => {
  const stand = await makeStand();
  try {
    const say = (text: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(join(stand.data, 'admin.sock'));
        let heard = '';
        socket.on('data', (part: Buffer) => (heard += part.toString()));
        socket.on('close', () => resolve(heard));
        socket.on('error', () => resolve(heard));
        socket.end(text);
      });
    for (const text of ['', '{', 'null', '[]', '{"command":"format"}', 'x'.repeat(5000)])
      assert.match(await say(text), /"code":"(MALFORMED|TOO_LARGE)"/, text.slice(0, 30));
  } finally {
    await stand.stop();
  }
});

test('stopping: clients are told, what was taken is answered, and nothing accepted is lost', async () => {
  const stand = await makeStand();
  try {
    const [anna, bob] = [await stand.register('anna'), await stand.register('bob')];
    const client = await stand.attach(anna);
    const outbox = new Outbox();
    const founding = outbox.found(anna, bob);
    client.submit(founding);
    for (let count = 0; count < 30; count += 1) client.submit(outbox.message(founding.group, new Uint8Array([count])));
    assert.ok(await client.accepted.next());
    const closing = stand.server.close();
    const goAway = await client.goAways.next();
    const retryAfterMs = new DataView(
      goAway?.body.buffer ?? new ArrayBuffer(4),
      goAway?.body.byteOffset ?? 0,
    ).getUint32(0);
    assert.ok(retryAfterMs >= 1000 && retryAfterMs <= 10_000);
    await client.wire.closed;
    let accepted = 1;
    while ((await client.accepted.next()) !== undefined) accepted += 1;
    await closing;
    await stand.restart();
    const b = await stand.attach(bob);
    // The invitation, and as many messages as were accepted (more, where an answer was cut off).
    for (let count = 0; count <= accepted; count += 1) assert.ok(await b.delivered.next());
    b.close();
  } finally {
    await stand.stop();
  }
});

test('the log holds codes and counts, never a name, an id, an address or a secret', async () => {
  const lines: string[] = [];
  const stand = await makeStand({ surroundings: { logSink: { write: (line) => void lines.push(line) } } });
  const [anna, bob] = [await stand.register('anna.secretname'), await stand.register('bob.secretname')];
  const client = await stand.attach(anna);
  await client.login('anna.secretname', 'x').catch(() => undefined);
  await client.request('lookup', { who: { $case: 'username', value: 'bob.secretname' } });
  await client.request('lookup', { who: { $case: 'username', value: 'ghost.secretname' } }).catch(() => undefined);
  client.submit(new Outbox().found(anna, bob));
  await client.accepted.next();
  await adminDisable(stand.data, 'bob.secretname');
  await stand.stop();
  assert.ok(lines.length > 10);
  const text = lines.join('');
  const forbidden = [
    'secretname',
    anna.account,
    bob.account,
    anna.device.device,
    '127.0.0.1',
    stand.folder,
    anna.password,
  ];
  for (const word of forbidden) assert.equal(text.includes(word), false, word);
  for (const line of lines) assert.equal(typeof (JSON.parse(line) as { event: unknown }).event, 'string');
});

test('a port that another program holds is free again for the next start', async () => {
  const blocker = createServer();
  // Below what systems give to whoever asks for any port: nobody takes it by chance while it is free.
  const port = 10_000 + (process.pid % 20_000);
  await new Promise<void>((resolve) => blocker.listen(port, '127.0.0.1', resolve));
  const config = configFor(join(folder, 'third'), { listenTcp: `127.0.0.1:${port}` });
  await assert.rejects(runServer(config, quiet), startError(4, /in use/));
  await new Promise((resolve) => blocker.close(resolve));
  const server = await runServer(config, quiet);
  assert.equal(await until(() => server.ready.tcp.endsWith(`:${port}`)), true);
  await server.close();
});
