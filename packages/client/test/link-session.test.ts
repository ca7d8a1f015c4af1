/** The session of a link: who it is with, what a single changed byte does, and how it is resumed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateRsa } from '@securechat/crypto';
import type { Code } from '@securechat/wire';
import type { SecureChatError } from '@securechat/wire';
import type { ServerPin } from '../src/shell/link/link-port.ts';
import type { LinkInside } from '../src/shell/link/link-inside.ts';
import type { RunningServer } from './link-server.ts';
import { runServer } from './link-server.ts';
import { noPin, nothing, keys, otherKeys, known, open, attaching, eachTransport } from './link-stand.ts';

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
