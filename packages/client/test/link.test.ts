/** The link over real sockets against the server's half of the protocol: what works, and how it ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClientId, Deliver, MailboxSeq } from '@securechat/wire';
import {
  encodeAccepted,
  encodeDeliver,
  encodeFailure,
  idBytes,
  idOf,
  limits,
  parseServerAddress,
  SecureChatError,
  control as codec,
} from '@securechat/wire';
import { openLink } from '../src/shell/link/link.ts';
import type { Peer } from './link-server.ts';
import { listen, runServer } from './link-server.ts';
import { until } from './doubles/play.ts';
import { temporaryFolder } from './stores.ts';
import {
  noPin,
  nothing,
  PATIENCE_MS,
  keys,
  known,
  Recorder,
  open,
  attaching,
  wait,
  eachTransport,
} from './link-stand.ts';

test('both transports: open, pin, request, attach, frames in order, ack, close', async (t) => {
  const row = (seq: number): Deliver => ({
    seq: seq as MailboxSeq,
    kind: 'message',
    group: idOf(new Uint8Array(16)),
    storedAtMs: 1,
    payload: new Uint8Array(seq),
  });
  const server = await runServer(t, {
    keys,
    device: known,
    onRequest: (peer, _request, number) =>
      peer.respond(number, { $case: 'challenge', value: { registration: 'open', challenge: nothing, powBits: 20 } }),
    onAttached: (peer) => {
      for (let seq = 42; seq < 52; seq += 1) peer.send({ kind: 'deliver', request: 0, body: encodeDeliver(row(seq)) });
    },
    onFrame: (peer, frame) => {
      if (frame.kind !== 'submit') return;
      const id = idOf<ClientId>(frame.body.subarray(0, 16));
      const refusal = codec.Failure.encode(encodeFailure(new SecureChatError('BLOCKED'))).finish();
      const accepted = encodeAccepted({ id, presence: 'online', devices: [] });
      peer.send({ kind: 'accepted', request: 0, body: accepted });
      peer.send({ kind: 'refused', request: 0, body: Buffer.concat([idBytes(id), refusal]) });
    },
  });
  for (const url of eachTransport(server)) {
    const { link, opened, events } = await open(t, url);
    assert.equal(opened.firstContact, true);
    assert.equal(opened.pin.fingerprint, keys.fingerprint);
    assert.equal(opened.pin.sealingSequenceMin, 1);
    const challenge = await link.request('challenge', {});
    assert.equal(challenge.$case, 'challenge');
    const attached = await link.attach(attaching());
    assert.equal(attached.mailboxNext, 42);
    assert.equal(events.delivered.length, 0, 'rows come after attach has resolved');
    const id = idOf<ClientId>(new Uint8Array(16).fill(5));
    // Larger than a record: it spans several.
    link.submit(Buffer.concat([idBytes(id), new Uint8Array(200_000)]));
    link.ack(51 as MailboxSeq);
    await until(
      () => events.delivered.length === 10 && events.refused.length > 0 && server.peers.at(-1)?.acks.length === 1,
      () => `${events.delivered.length} rows`,
    );
    assert.deepEqual(
      events.delivered.map(({ seq, payload }) => [seq, payload.length]),
      Array.from({ length: 10 }, (_, index) => [42 + index, 42 + index]),
    );
    assert.deepEqual(events.accepted, [{ id, presence: 'online', devices: [] }]);
    assert.deepEqual(events.refused, [[id, 'BLOCKED']]);
    assert.deepEqual(server.peers.at(-1)?.acks, [51]);
    link.close();
    assert.equal(await events.closed.promise, 'CONNECTION_LOST');
    assert.equal(events.closings, 1);
    await assert.rejects(link.request('challenge', {}), { code: 'CONNECTION_LOST' });
  }
});

test('what the server says before it closes is why it closed', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer) => {
      const value = { code: 29, atMs: 1 };
      const body = codec.Event.encode({ body: { $case: 'loggedOut', value } }).finish();
      peer.send({ kind: 'event', request: 0, body });
      setTimeout(() => peer.wire.close(), 20);
    },
  });
  const { link, events } = await open(t, server.ws);
  await assert.rejects(link.request('challenge', {}), { code: 'SESSION_REPLACED' });
  assert.equal(await events.closed.promise, 'SESSION_REPLACED');
  assert.equal(events.events.length, 1);
});

test('GOAWAY ends the link as SHUTTING_DOWN, after the answers under way', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer, _request, number) => {
      peer.send({ kind: 'goaway', request: 0, body: nothing });
      setImmediate(() => peer.respond(number, { $case: 'done', value: {} }));
    },
  });
  // Not waited for longer than the answer takes: no time passes.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { link, events } = await open(t, server.ws);
  assert.equal((await link.request('listBlocks', {})).$case, 'done');
  assert.equal(await events.closed.promise, 'SHUTTING_DOWN');
});

test('a lost connection is said once, and nothing hangs', async (t) => {
  const server = await runServer(t, { keys, onRequest: (peer: Peer) => peer.wire.close() });
  for (const url of eachTransport(server)) {
    const { link, events } = await open(t, url);
    const requests = [link.request('challenge', {}), link.request('listBlocks', {})];
    for (const request of requests) await assert.rejects(request, { code: 'CONNECTION_LOST' });
    assert.equal(await events.closed.promise, 'CONNECTION_LOST');
    link.submit(new Uint8Array(100));
    link.close();
    await wait(20);
    assert.equal(events.closings, 1);
  }
});

test('an engine that throws on a row ends its link with INTERNAL instead of the process', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer) => {
      const event = codec.Event.encode({ body: { $case: 'stock', value: { left: 1 } } }).finish();
      peer.send({ kind: 'event', request: 0, body: event });
    },
  });
  const events = new Recorder();
  events.onEvent = () => {
    throw new TypeError('a bug');
  };
  const options = { address: parseServerAddress(server.ws), pin: noPin, timeoutMs: PATIENCE_MS };
  const { link } = await openLink(options, events);
  await assert.rejects(link.request('challenge', {}), { code: 'INTERNAL' });
  assert.equal(await events.closed.promise, 'INTERNAL');
});

test('a request over the limit is refused here, at the limit it goes out', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer, _request, number) => peer.respond(number, { $case: 'done', value: {} }),
  });
  const { link } = await open(t, server.ws);
  const sizeOf = (bytes: number): number =>
    codec.Request.encode({ body: { $case: 'putVault', value: { vault: new Uint8Array(bytes), version: 0 } } }).finish()
      .length;
  const over = sizeOf(200_000) - 200_000;
  const most = limits.requestBytesMax.value - over;
  assert.equal((await link.request('putVault', { vault: new Uint8Array(most), version: 0 })).$case, 'done');
  await assert.rejects(link.request('putVault', { vault: new Uint8Array(most + 1), version: 0 }), {
    code: 'TOO_LARGE',
  });
});

test('nobody there, a name that does not exist, and silence are UNREACHABLE', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => {}));
  const port = await listen(t, silent);
  // Taken, so that nobody begins to listen there: a client speaks from it.
  const speaking = connectTcp({ port, host: '127.0.0.1' });
  await once(speaking, 'connect');
  t.after(() => speaking.destroy());
  for (const scheme of ['ws', 'tcp', 'tls', 'wss']) {
    await assert.rejects(open(t, `${scheme}://127.0.0.1:${speaking.localPort}`), {
      code: 'UNREACHABLE',
      message: /nothing listens/,
    });
    await assert.rejects(open(t, `${scheme}://127.0.0.1:${port}`, { timeoutMs: 150 }), { code: 'UNREACHABLE' });
  }
  await assert.rejects(open(t, 'tcp://does-not-exist.invalid:1'), { code: 'UNREACHABLE', message: /name/ });
});

test('a server that falls silent is pinged, and given up after a minute; one that answers is kept', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const [talking, silent] = [
    await runServer(t, { keys }),
    await runServer(t, { keys, toClient: (frame, index) => (index < 2 ? [frame] : []) }),
  ];
  const [kept, lost] = [await open(t, talking.tcp), await open(t, silent.tcp)];
  const real = performance.now.bind(performance);
  let ahead = 0;
  t.mock.method(performance, 'now', () => real() + ahead);
  for (let passed = 0; passed < 65_000; passed += 5_000) {
    ahead += 5_000;
    t.mock.timers.tick(5_000);
    // Time enough for a ping and its answer.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await lost.events.closed.promise, 'TIMEOUT');
  assert.equal(kept.events.closings, 0);
  const pings = silent.peers[0]?.frames.filter(({ kind }) => kind === 'ping').length ?? 0;
  assert.ok(pings >= 1 && pings <= 3, `${pings} pings in a minute`);
});

test('TLS: verified against the authority given, refused without it, and not confused with plain TCP', async (t) => {
  const folder = temporaryFolder(t);
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = '-subj /CN=securechat-test -addext subjectAltName=IP:127.0.0.1';
  const request = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ${subject}`;
  const made = spawnSync('openssl', [...request.split(' '), '-keyout', keyFile, '-out', certFile]);
  if (made.status !== 0) {
    t.diagnostic('not run: there is no openssl here to make a certificate');
    return;
  }
  const cert = readFileSync(certFile, 'utf8');
  const server = await runServer(t, { keys, device: known, tls: { cert, key: readFileSync(keyFile, 'utf8') } });
  for (const url of eachTransport(server)) {
    const { link } = await open(t, url, { tlsCa: cert });
    await link.attach(attaching());
    await assert.rejects(open(t, url), { code: 'HANDSHAKE_FAILED', message: /certificate/ });
    await assert.rejects(open(t, url.replace('127.0.0.1', 'localhost'), { tlsCa: cert }), { code: 'HANDSHAKE_FAILED' });
  }
  const plain = server.tcp.replace('tls:', 'tcp:');
  await assert.rejects(open(t, plain, { timeoutMs: 500 }), { code: 'UNREACHABLE' });
  const probe = connectTcp({ port: parseServerAddress(plain).port, host: '127.0.0.1' }).on('error', () => {});
  probe.destroy();
});
