/** The link over real sockets against the server's half of the protocol: what works, and every way it is refused. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { ed25519, equal, generateRsa, openerOf, openSealed, proofOfWork, systemEntropy } from '@securechat/crypto';
import type {
  Accepted,
  AccountId,
  ClientId,
  Code,
  Deliver,
  DeviceId,
  control,
  FrameKind,
  MailboxSeq,
} from '@securechat/wire';
import {
  encodeAccepted,
  encodeDeliver,
  encodeFailure,
  encodeFrame,
  idBytes,
  idOf,
  limits,
  parseServerAddress,
  SecureChatError,
  control as codec,
} from '@securechat/wire';
import type { LinkEvents, OpenOptions, ServerPin } from '../src/shell/link/link-port.ts';
import type { LinkInside } from '../src/shell/link/link-inside.ts';
import { openLink } from '../src/shell/link/link.ts';
import { SecureLink } from '../src/shell/link/secure-link.ts';
import type { KnownDevice, Peer, RunningServer, ServerKeys } from './link-server.ts';
import { listen, newServerKeys, runServer } from './link-server.ts';
import { until } from './doubles/play.ts';
import { temporaryFolder } from './stores.ts';

const account = idOf<AccountId>(new Uint8Array(16).fill(1));
const device = idOf<DeviceId>(new Uint8Array(16).fill(2));
const noPin: ServerPin = { fingerprint: undefined, sealingSequenceMin: 0, versionMin: 0, opaqueKey: undefined };
const nothing = new Uint8Array(0);
/** Longer than any machine is busy: whatever is not to wait for it is told apart by its code, UNREACHABLE. */
const PATIENCE_MS = 60_000;
let keys: ServerKeys;
let otherKeys: ServerKeys;
let known: KnownDevice;
let signingSeed: Uint8Array;

before(async () => {
  [keys, otherKeys] = await Promise.all([newServerKeys(), newServerKeys()]);
  const pair = ed25519.generate(systemEntropy);
  signingSeed = pair.privateKey;
  known = { signing: pair.publicKey, sealing: await generateRsa('sealing', 2048) };
});

class Recorder implements LinkEvents {
  readonly delivered: Deliver[] = [];
  readonly accepted: Accepted[] = [];
  readonly refused: [string, Code][] = [];
  readonly events: control.Event[] = [];
  readonly closed = Promise.withResolvers<Code>();
  closings = 0;
  onDeliver(row: Deliver): void {
    this.delivered.push(row);
  }
  onAccepted(accepted: Accepted): void {
    this.accepted.push(accepted);
  }
  onRefused(id: string, error: SecureChatError): void {
    this.refused.push([id, error.code]);
  }
  onEvent(event: control.Event): void {
    this.events.push(event);
  }
  onClosed(code: Code): void {
    this.closings += 1;
    this.closed.resolve(code);
  }
}

async function open(t: TestContext, url: string, options: Partial<OpenOptions> = {}) {
  const events = new Recorder();
  const address = parseServerAddress(url);
  const result = await openLink({ address, pin: noPin, timeoutMs: PATIENCE_MS, ...options }, events);
  t.after(() => result.link.close());
  return { ...result, events };
}

const openSealedHere = (sealed: Uint8Array, context: Uint8Array) =>
  openSealed({ openers: [openerOf(known.sealing)], purpose: 'attach', context, sealed, entropy: systemEntropy });
const attaching = () => ({
  account,
  device,
  signingSeed,
  openSealed: openSealedHere,
  storedUpTo: 41,
  submitNumberHighest: 9,
});
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const eachTransport = (server: RunningServer): readonly string[] => [server.ws, server.tcp];

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

test('registration and login by OPAQUE, wrong password and unknown user alike, keys bound', async (t) => {
  const server = await runServer(t, { keys, device: known });
  const { link } = await open(t, server.ws);
  const jws = { accountJws: 'a', deviceJws: 'd', listJws: 'l' };
  const registered = await link.register({ username: 'bob', password: 'Grüße', certificates: async () => jws });
  const login = await link.login('bob', 'Gru\u0308ße');
  assert.equal(login.done.accountJws.length, 9_000);
  assert.deepEqual(login.exportKey, registered.exportKey);
  assert.equal(login.exportKey.length, 64);
  assert.equal(login.opaqueKey, registered.opaqueKey);
  await link.attach(attaching());
  for (const [username, password] of [
    ['bob', 'wrong'],
    ['nobody', 'Grüße'],
  ] as const) {
    const { link: another } = await open(t, server.tcp);
    await assert.rejects(another.login(username, password), { code: 'AUTH_FAILED' });
  }
  const pin = { ...noPin, fingerprint: keys.fingerprint, opaqueKey: 'another key' };
  const { link: pinned } = await open(t, server.tcp, { pin });
  await assert.rejects(pinned.login('bob', 'Grüße'), { code: 'SERVER_KEY_CHANGED' });
});

test('a login that is asked for work does it once; work that takes too long, or a second refusal, ends it', async (t) => {
  const challenge = systemEntropy(32);
  let powBits = 6;
  let refusing = false;
  const server = await runServer(t, {
    keys,
    intercept: (peer, { body }, number) => {
      if (body?.$case === 'challenge') {
        assert.equal(body.value.login, true);
        peer.respond(number, { $case: 'challenge', value: { registration: 'invite', challenge, powBits } });
        return true;
      }
      if (body?.$case !== 'loginStart') return false;
      const { challenge: given = new Uint8Array(0), powNonce = new Uint8Array(0) } = body.value;
      if (!refusing && equal(given, challenge) && proofOfWork.check(challenge, powNonce, powBits)) return false;
      peer.refuse(number, 'POW_INVALID');
      return true;
    },
  });
  const { link } = await open(t, server.tcp);
  const jws = { accountJws: 'a', deviceJws: 'd', listJws: 'l' };
  await link.register({ username: 'bob', password: 'secret word', certificates: async () => jws });
  assert.equal((await link.login('bob', 'secret word')).done.accountJws.length, 9_000);
  for (const change of [() => (powBits = 25), () => ((powBits = 6), (refusing = true))]) {
    change();
    const { link: another } = await open(t, server.tcp);
    await assert.rejects(another.login('bob', 'secret word'), { code: 'POW_INVALID' });
  }
});

test('a relay with its own key on an unpinned first connection cannot go on after the login', async (t) => {
  const records = new Map<string, string>();
  const honest = await runServer(t, { keys, records });
  const { link } = await open(t, honest.ws);
  const certificates = async () => ({ accountJws: 'a', deviceJws: 'd', listJws: 'l' });
  await link.register({ username: 'bob', password: 'secret word', certificates });
  // It knows the keys of both its sessions and passes every OPAQUE message on unchanged.
  const upstream = await open(t, honest.tcp);
  const inside = upstream.link as unknown as LinkInside;
  const relay = await runServer(t, {
    keys: otherKeys,
    intercept: (peer, { body }, number) => {
      if (body?.$case === 'loginStart')
        void inside.request('loginStart', body.value).then((answer) => peer.respond(number, answer));
      if (body?.$case !== 'loginFinish') return true;
      void inside.requestAndHold('loginFinish', body.value).catch(() => {});
      const value = { account: new Uint8Array(16), accountJws: 'a', listJws: 'l', deviceJws: [] };
      void upstream.events.closed.promise.then(() => peer.respond(number, { $case: 'loginFinish', value }));
      return true;
    },
  });
  const victim = await open(t, relay.ws);
  await assert.rejects(victim.link.login('bob', 'secret word'), { code: 'HANDSHAKE_FAILED' });
  assert.equal(await upstream.events.closed.promise, 'HANDSHAKE_FAILED', 'the answer was not for the relay either');
});

test('a pinned server with another key, an older sealing key or another version gets nothing', async (t) => {
  const pin: ServerPin = { ...noPin, fingerprint: keys.fingerprint };
  const cases: readonly (readonly [Code, Promise<RunningServer>, ServerPin])[] = [
    ['SERVER_KEY_CHANGED', runServer(t, { keys: otherKeys }), pin],
    ['CERTIFICATE_REJECTED', runServer(t, { keys, sequence: 4 }), { ...pin, sealingSequenceMin: 5 }],
    ['UNSUPPORTED_VERSION', runServer(t, { keys, versions: [2] }), pin],
    ['UNSUPPORTED_VERSION', runServer(t, { keys }), { ...pin, versionMin: 2 }],
  ];
  for (const [code, running, with_] of cases) {
    const server = await running;
    for (const url of eachTransport(server)) {
      await assert.rejects(open(t, url, { pin: with_ }), { code });
      const peer = server.peers.at(-1);
      assert.equal(peer?.session, undefined);
      assert.equal(peer?.sent, 1);
    }
  }
  const named = await runServer(t, { keys });
  await assert.rejects(open(t, `${named.ws}#${otherKeys.fingerprint}`), { code: 'SERVER_KEY_CHANGED' });
});

test('one byte changed in hello or reply, a reply twice, or a reply of another session: no session', async (t) => {
  for (const index of [0, 1])
    for (const at of [0, 5, 60, 700, -1]) {
      const toClient = (frame: Uint8Array, number: number): Uint8Array[] => {
        const copy = Uint8Array.from(frame);
        const place = at < 0 ? copy.length + at : at;
        if (number === index) copy[place] = (copy[place] ?? 0) ^ 1;
        return [copy];
      };
      const server = await runServer(t, { keys, toClient });
      const pin: ServerPin = { ...noPin, fingerprint: keys.fingerprint };
      await assert.rejects(open(t, server.tcp, { pin }), (error: SecureChatError) =>
        ['HANDSHAKE_FAILED', 'SERVER_KEY_CHANGED', 'CERTIFICATE_REJECTED', 'UNSUPPORTED_VERSION'].includes(error.code),
      );
    }
});

test('a record changed, dropped, repeated or swapped ends the link, and requests with it', async (t) => {
  const changes: readonly ((record: Uint8Array, held: Uint8Array[]) => Uint8Array[])[] = [
    (record) => [record.map((byte, at) => (at === record.length - 1 ? byte ^ 1 : byte))],
    (record, held) => (held.push(record) === 1 ? [] : [record]),
    (record) => [record, record],
    (record, held) => (held.push(record) === 1 ? [] : [record, ...held.slice(0, 1)]),
  ];
  for (const change of changes) {
    const held: Uint8Array[] = [];
    const server = await runServer(t, {
      keys,
      toClient: (frame, index) => (index < 2 ? [frame] : change(frame, held)),
      onRequest: (peer, _request, number) => {
        peer.send({ kind: 'ping', request: 0, body: nothing });
        peer.respond(number, { $case: 'done', value: {} });
      },
    });
    const { link, events } = await open(t, server.ws);
    const outcome = await Promise.race([
      events.closed.promise,
      link.request('listBlocks', {}).then(
        () => events.closed.promise,
        () => events.closed.promise,
      ),
    ]);
    assert.equal(outcome, 'HANDSHAKE_FAILED');
  }
});

test('the attach secret must be for this device, this session: otherwise the link ends', async (t) => {
  const foreign = await generateRsa('sealing', 2048);
  const scripts = [
    { device: { ...known, sealing: foreign } },
    { device: known, sealOver: (transcript: Uint8Array) => transcript.map((byte) => byte ^ 1) },
    { device: known, behindAttachSealed: [{ kind: 'ping' as const, request: 0, body: nothing }] },
  ];
  for (const script of scripts) {
    const server = await runServer(t, { keys, ...script });
    const { link, events } = await open(t, server.ws);
    await assert.rejects(link.attach(attaching()));
    assert.equal(await events.closed.promise, 'HANDSHAKE_FAILED');
  }
});

test('a refused attach says why and leaves the session usable', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer, _request, number) => peer.respond(number, { $case: 'done', value: {} }),
  });
  const { link } = await open(t, server.ws);
  await assert.rejects(link.attach(attaching()), { code: 'NOT_AUTHENTICATED' });
  assert.equal((await link.request('detach', {})).$case, 'done');
});

test('rows before attach, and frames that only clients send, end the link', async (t) => {
  for (const kind of ['deliver', 'accepted', 'refused', 'submit', 'ack', 'request'] as const) {
    const server = await runServer(t, {
      keys,
      onRequest: (peer) => peer.send({ kind, request: 0, body: new Uint8Array(64) }),
    });
    const { link, events } = await open(t, server.tcp);
    await assert.rejects(link.request('challenge', {}), { code: 'MALFORMED' });
    assert.equal(await events.closed.promise, 'MALFORMED');
  }
});

test('resumption: once, without RSA, and a refused one falls back on the same connection', async (t) => {
  const server = await runServer(t, { keys, device: known });
  const first = await open(t, server.ws);
  const attached = await first.link.attach(attaching());
  const resumption = { handle: attached.resumptionHandle, secret: attached.resumptionSecret };
  const pin = first.opened.pin;
  const second = await open(t, server.tcp, { pin, resumption });
  assert.equal(second.link.resumed, true);
  await second.link.attach({ ...attaching(), openSealed: () => assert.fail('nothing is sealed') });
  const third = await open(t, server.ws, { pin, resumption });
  assert.equal(third.link.resumed, false);
  assert.equal(server.peers.length, 3);
  await third.link.attach(attaching());
  // Not shown to a server that is not pinned.
  const fourth = await open(t, server.ws, { resumption });
  assert.equal(fourth.link.resumed, false);
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
