// Goal: scripts drive two RPC clients over both transports, bare and under TLS, and get every byte back in order.
// (That nothing of it can be found on the server, in a profile or on the wire is quarry.test.ts.)
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeFolder, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';

const folder = makeFolder('rpc');
let server: RunningServer;
let tls: RunningServer;
after(() => folder.remove());

const certificate = join(folder.path, 'cert.pem');
const key = join(folder.path, 'key.pem');
const hasOpenssl = (() => {
  try {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
    execFileSync('openssl', [...kind, '-keyout', key, '-out', certificate, ...subject], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

before(async () => {
  server = await startServer(folder);
});

const password = 'lantern velvet quarry';
const phrases = ['PELICAN-at-dawn', 'Zebrafink äöü 你好'];

async function register(name: string, address: string, invite: string, args: readonly string[] = []): Promise<Rpc> {
  const rpc = startRpc(folder, address, { home: name }, args);
  const made = await rpc.call('register', { username: name, password, invite });
  assert.match(String(made['fingerprint']), /^sha256:/);
  assert.equal(String(made['recoveryWords']).split(' ').length, 12);
  return rpc;
}

async function exchange(left: Rpc, leftName: string, right: Rpc, rightName: string): Promise<void> {
  const texts = Array.from(
    { length: 30 },
    (_, number) => `${number} ${phrases[number % 2]} ${'x'.repeat(number * 40)}`,
  );
  texts.push(
    'line\nbreaks\r\nand\ttabs \u0000 \u001b[31m \u202e "quotes" \\ / \u2028 👩‍💻',
    'x'.repeat(64 * 1024),
    'ü'.repeat(32 * 1024),
  );
  for (const [from, to, name] of [
    [left, right, rightName],
    [right, left, leftName],
  ] as const) {
    // All at once: the order of the lines is the order of arrival.
    const sent = await Promise.all(texts.map((text) => from.call('send', { to: `@${name}`, text })));
    assert.ok(sent.every(({ state }) => state === 'sent'));
    const received: unknown[] = [];
    for (let count = 0; count < texts.length; count++) received.push((await to.told('message'))['text']);
    assert.deepEqual(received, texts);
    await from.told('state', ({ id, state }) => id === sent.at(-1)?.['id'] && state === 'delivered');
  }
}

test('WebSocket to TCP: every byte, in order, both ways; a file; the history of it', async () => {
  const alice = await register('alice', server.ws, server.invite);
  const bob = await register('bob', server.tcp, server.invite);
  await exchange(alice, 'alice', bob, 'bob');

  const path = join(folder.path, 'quarry-file-name.txt');
  const content = Buffer.concat([Buffer.from('quarry file content '.repeat(50)), randomBytes(2_500_000)]);
  writeFileSync(path, content);
  const { id } = await alice.call('sendFile', { to: '@bob', path });
  const offer = await bob.told('fileOffer');
  assert.deepEqual(offer, { id: offer['id'], from: 'alice', name: 'quarry-file-name.txt', bytes: content.length });
  await bob.call('acceptFile', { id: offer['id'] });
  const done = await bob.told('fileReceived');
  assert.ok(readFileSync(String(done['path'])).equals(content));
  await alice.told('fileDelivered', (params) => params['id'] === id);

  const { messages } = await bob.call('history', { with: '@alice', limit: 10 });
  assert.equal((messages as unknown[]).length, 10);
  assert.deepEqual((await alice.call('presence', { user: 'bob' }))['online'], true);
  assert.equal((await alice.call('status'))['unsent'], 0);
  assert.equal(((await alice.call('devices'))['devices'] as unknown[]).length, 1);
  assert.equal(await alice.end(), 0);
  assert.deepEqual((await bob.call('presence', { user: 'alice' }))['online'], false);
  assert.equal(await bob.end(), 0);
});

test('refusals carry their codes', async () => {
  const alice = startRpc(folder, server.ws, { home: 'alice' });
  const refused = (method: string, params: object, code: string) =>
    assert.rejects(alice.call(method, params), { message: code });
  await refused('send', { to: '@bob', text: 'x' }, 'NOT_LOGGED_IN');
  await refused('login', { username: 'alice', password: 'wrong password' }, 'AUTH_FAILED');
  await alice.call('login', { username: 'alice', password });
  await refused('login', { username: 'alice', password }, 'ALREADY_LOGGED_IN');
  await refused('send', { to: '@nobody-at-all', text: 'x' }, 'NO_SUCH_USER');
  await refused('send', { to: '@alice', text: 'x' }, 'SELF');
  await refused('send', { to: '@bob', text: 'x'.repeat(64 * 1024 + 1) }, 'TEXT_TOO_LONG');
  await refused('send', { to: '@bob', text: 'x', onlineOnly: true }, 'RECIPIENT_OFFLINE');
  await refused('send', { to: '@bob', text: 'x', requireVerified: true }, 'NOT_VERIFIED');
  await refused('sendFile', { to: '@bob', path: '/no/such' }, 'FILE_NOT_FOUND');
  await refused('acceptFile', { id: 'none' }, 'NO_SUCH_TRANSFER');
  await refused('resetKeys', {}, 'USAGE');
  const other = startRpc(folder, server.ws, { home: 'carol' });
  await assert.rejects(other.call('register', { username: 'alice', password, invite: server.invite }), {
    message: 'NAME_TAKEN',
  });
  await assert.rejects(other.call('register', { username: 'carol', password, invite: 'AAAAAAAAAAAAAAAAAAAAAA' }), {
    message: 'INVITE_INVALID',
  });
  await other.end();
  assert.equal(await alice.end(), 0);
});

test('a second login elsewhere is told to the first', async () => {
  const first = startRpc(folder, server.ws, { home: 'alice' });
  await first.call('login', { username: 'alice', password });
  const second = startRpc(folder, server.tcp, { home: 'alice' });
  await second.call('login', { username: 'alice', password });
  assert.equal((await first.told('loggedOut'))['code'], 'SESSION_REPLACED');
  await assert.rejects(first.call('send', { to: '@bob', text: 'x' }), { message: 'NOT_LOGGED_IN' });
  await Promise.all([first.end(), second.end()]);
});

test('a server with another key is refused, before anything is said to it', async () => {
  const wrong = server.ws.replace(/#.*/, `#sha256:${'A'.repeat(43)}`);
  const rpc = startRpc(folder, wrong, { home: 'nobody' });
  await assert.rejects(rpc.call('register', { username: 'nobody', password, invite: server.invite }), {
    message: 'SERVER_KEY_CHANGED',
  });
  await rpc.end();
});

test(
  'under TLS, over wss and tls, with a certificate of their own',
  hasOpenssl ? {} : { skip: 'no openssl' },
  async () => {
    const data = join(folder.path, 'tls-server');
    tls = await startServer(folder, ['--tls-cert', certificate, '--tls-key', key, '--data', data]);
    assert.match(tls.ws, /^wss:/);
    const trusting = ['--tls-ca', certificate];
    const dora = await register('dora', tls.ws.replace('127.0.0.1', 'localhost'), tls.invite, trusting);
    const emil = await register('emil', tls.tcp, tls.invite, trusting);
    await exchange(dora, 'dora', emil, 'emil');
    await Promise.all([dora.end(), emil.end()]);
    const careful = startRpc(folder, tls.ws, { home: 'careful' });
    await assert.rejects(careful.call('register', { username: 'careful', password, invite: tls.invite }));
    await careful.end();
  },
);
