// Goal: a server starts, says exactly what it should, refuses to start in one sentence, and ends cleanly.
// Method: the real command as a process.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readyText } from '../src/server-command.ts';
import { makeFolder, start, startChat, startServer } from './processes.ts';

const folder = makeFolder('server');
after(() => folder.remove());

const anywhere = ['--listen', '127.0.0.1:0', '--listen-tcp', '127.0.0.1:0'];
const password = 'lantern velvet quarry';

test('--json prints exactly one line with the names of the document; SIGTERM drains and ends with 0', async () => {
  const server = await startServer(folder);
  const { printed } = server;
  assert.equal(await server.end(), 0);
  assert.equal(printed.out.split('\n').length, 2);
  assert.deepEqual(Object.keys(JSON.parse(printed.out) as object), ['event', 'http', 'tcp', 'fingerprint', 'invite']);
  for (const name of ['identity.pem', 'sealing.pem', 'securechat.db']) {
    assert.equal(statSync(join(server.data, name)).mode & 0o777, 0o600, name);
  }
  assert.equal(statSync(server.data).mode & 0o777, 0o700);
});

test('the fingerprint stays: the second start makes no keys', async () => {
  const first = await startServer(folder);
  await first.end();
  const keys = (): Buffer[] => ['identity.pem', 'sealing.pem'].map((name) => readFileSync(join(first.data, name)));
  const before = keys();
  const second = await startServer(folder);
  assert.equal(second.fingerprint, first.fingerprint);
  assert.deepEqual(keys(), before);
  await second.end();
});

test('without --json a person reads where it listens and what a second terminal has to type', async () => {
  const server = startChat(folder, ['server', ...anywhere], { home: 'person' });
  const [, address = '', invite = ''] = await server.until(
    /^ {2}npx securechat --server '(ws:\/\/127\.0\.0\.1:\d+#sha256:\S{43})' --invite (\S{22})$/m,
  );
  const joining = startChat(folder, ['--server', address, '--invite', invite], { home: 'joining' });
  joining.say('alice', password);
  await joining.until(/^Registered and logged in as alice\.$/m);
  await joining.end();
  server.child.kill('SIGINT');
  assert.equal(await server.exit, 0);

  const again = startChat(folder, ['server', ...anywhere], { home: 'person' });
  await again.until(/^To chat, in a second terminal:\n {2}npx securechat --server '\S+'$/m);
  assert.doesNotMatch(again.printed.out, /--invite/, 'there is an account now');
  again.child.kill('SIGTERM');
  assert.equal(await again.exit, 0);
});

test('TLS addresses are shown as such', () => {
  const fingerprint = `sha256:${'A'.repeat(43)}` as Parameters<typeof readyText>[0]['fingerprint'];
  const text = readyText({ http: 'https://h:1', tcp: 'tls://h:2', fingerprint, address: `wss://h:1#${fingerprint}` });
  assert.match(text, /WebSocket {4}wss:\/\/h:1\n/);
  assert.match(text, /--server 'wss:\/\/h:1#sha256:A{43}'/);
});

test('whoever closes the pipe early has enough: nothing breaks', async () => {
  const { child, exit, printed } = start(folder, ['server', '--help', 'limits'], { home: 'enough' });
  child.stdout.destroy();
  child.stdin.end();
  assert.equal(await exit, 0);
  assert.equal(printed.err, '');
});

test('a port in use, a folder in use, a key that others can read: one sentence each', async () => {
  const server = await startServer(folder);
  const { host } = new URL(server.ws.replace('#', '/#'));
  const refused = async (home: string, flags: readonly string[]) => {
    const { child, exit, printed } = start(folder, ['server', '--log-level', 'silent', ...flags], { home });
    child.stdin.end();
    const code = await exit;
    assert.equal(printed.out, '');
    assert.match(printed.err, /^[^\n]+\n$/, printed.err);
    return { code, sentence: printed.err };
  };
  const port = await refused('second', ['--listen', host, '--listen-tcp', '127.0.0.1:0']);
  assert.equal(port.code, 4);
  assert.match(port.sentence, /in use/);
  const data = await refused('operator', anywhere);
  assert.equal(data.code, 2);
  await server.end();

  const key = join(server.data, 'identity.pem');
  chmodSync(key, 0o644);
  const readable = await refused('operator', anywhere);
  assert.equal(readable.code, 2);
  assert.match(readable.sentence, /identity\.pem can be used by others/);
  chmodSync(key, 0o600);
});

test('a second signal ends at once', async () => {
  const server = await startServer(folder);
  // A connection that does not go away keeps the drain waiting.
  const { hostname, port } = new URL(server.tcp.replace(/^tcp/, 'ws').replace('#', '/#'));
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'data');
  server.child.kill('SIGTERM');
  await once(server.child.stderr, 'data'); // "stopping"
  server.child.kill('SIGTERM');
  assert.equal(await server.exit, 130, 'not the 0 of a drain that came to its end');
  socket.destroy();
});

test('an open server registers with a proof of work and no invite, a closed one nobody', async () => {
  const open = await startServer(folder, [
    '--data',
    join(folder.path, 'open'),
    '--registration',
    'open',
    '--registration-pow-bits',
    '12',
  ]);
  const chat = startChat(folder, ['--server', open.ws], { home: 'opened' });
  chat.say('!register', 'olga', password);
  await chat.until(/^Username: \nPassword: \nRegistered and logged in as olga\.$/m);
  await chat.end();
  await open.end();

  const closed = await startServer(folder, ['--data', join(folder.path, 'closed'), '--registration', 'closed']);
  assert.equal(closed.invite, '');
  const refused = startChat(folder, ['--server', closed.ws], { home: 'closed-out' });
  refused.say('!register', 'olga', password);
  await refused.until(/^Registration is closed on this server\./m);
  await refused.end();
  await closed.end();
});

test('a client that finds no server says so and ends with 4; a made-up server is not believed', async () => {
  const chat = startChat(folder, ['--server', 'tcp://127.0.0.1:1'], { home: 'lonely' });
  chat.say('!register', 'lonely', password);
  await chat.until(/^The server cannot be reached/m);
  assert.equal(await chat.end(), 4);
  assert.ok(!existsSync(join(folder.path, 'lonely', 'default', 'accounts')));
});
