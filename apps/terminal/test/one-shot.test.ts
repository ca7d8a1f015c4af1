// Goal: scripts send and listen with one command each, and branch on exit codes.
// Method: real processes, one server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeFolder, start, startChat, startRpc, startServer } from './processes.ts';
import type { RunningServer } from './processes.ts';

const folder = makeFolder('one-shot');
let server: RunningServer;
const password = 'lantern velvet quarry';
const passwordFile = join(folder.path, 'password');

before(async () => {
  server = await startServer(folder);
  writeFileSync(passwordFile, `${password}\n`);
  for (const username of ['alice', 'bob']) {
    const rpc = startRpc(folder, server.ws, { home: username });
    await rpc.call('register', { username, password, invite: server.invite });
    await rpc.end();
  }
});
after(() => folder.remove());

const as = (user: string): string[] => ['--server', server.ws, '--user', user, '--password-file', passwordFile];

async function send(
  user: string,
  args: readonly string[],
  input = '',
): Promise<{ out: string; err: string; code: number | null }> {
  const { child, printed, exit } = start(folder, ['send', ...as(user), ...args], { home: user });
  child.stdin.end(input);
  const code = await exit;
  return { ...printed, code };
}

test('send and listen: a message that was sent while nobody listened is printed first', async () => {
  const sent = await send('alice', ['@bob', 'hello', 'from', 'arguments']);
  assert.deepEqual(sent, {
    out: '',
    err: 'User is offline. Your message will be delivered, encrypted, when they return.\n',
    code: 0,
  });
  assert.equal((await send('alice', ['@bob', '--json'], 'several\nlines\n')).code, 0);

  const listening = start(folder, ['listen', ...as('bob')], { home: 'bob' });
  const lines = createInterface({ input: listening.child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, '@alice: hello from arguments');
  assert.equal((await lines.next()).value, '@alice: several');
  assert.equal((await lines.next()).value, '  lines');
  assert.deepEqual(await send('alice', ['@bob', 'now']), { out: '', err: '', code: 0 });
  assert.equal((await lines.next()).value, '@alice: now');
  listening.child.kill('SIGINT');
  assert.equal(await listening.exit, 130);
});

test('listen --json: one object a line, with the version of its shape', async () => {
  const listening = start(folder, ['listen', '--json', ...as('bob')], { home: 'bob' });
  const lines = createInterface({ input: listening.child.stdout })[Symbol.asyncIterator]();
  await send('alice', ['@bob', 'as json']);
  for (;;) {
    const event = JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
    assert.equal(event['v'], 1);
    if (event['event'] !== 'message') continue;
    assert.equal(event['text'], 'as json', 'what was printed before is not printed again');
    assert.deepEqual(Object.keys(event).sort(), ['at', 'conversation', 'event', 'from', 'id', 'text', 'v']);
    break;
  }
  listening.child.kill('SIGTERM');
  assert.equal(await listening.exit, 0);
});

test('send --json prints id and state', async () => {
  const { out, code } = await send('alice', ['--json', 'bob', 'x']);
  const { v, id, state } = JSON.parse(out) as Record<string, unknown>;
  assert.deepEqual([v, typeof id, state, code], [1, 'string', 'sent', 0]);
});

test('send --json prints the code of what was refused, whatever refused it', async () => {
  const unknown = await send('alice', ['--json', '@nobody-here', 'x']);
  assert.deepEqual([JSON.parse(unknown.out), unknown.code], [{ v: 1, state: 'failed', code: 'NO_SUCH_USER' }, 1]);
  const empty = await send('alice', ['--json', '@bob']);
  assert.deepEqual([JSON.parse(empty.out), empty.code], [{ v: 1, state: 'failed', code: 'USAGE' }, 2]);
});

test('send --timeout says that there was no answer', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const args = ['--server', `tcp://127.0.0.1:${port}`, '--user', 'alice', '--password-file', passwordFile];
  const late = start(folder, ['send', '--timeout', '1', '--json', ...args, '@bob', 'x'], { home: 'late' });
  assert.equal(await late.exit, 9);
  assert.deepEqual(JSON.parse(late.printed.out), { v: 1, state: 'failed', code: 'TIMEOUT' });
  assert.equal(late.printed.err, 'No answer in time. Nothing was sent.\n');
  silent.close();
});

test('where no server is named it is the one that rpc or send was logged in at last', async () => {
  const args = ['--user', 'alice', '--password-file', passwordFile, '@bob', 'x'];
  const registeredByRpc = start(folder, ['send', ...args], { home: 'alice' });
  assert.equal(await registeredByRpc.exit, 0);
  const nowhere = ['--server', `tcp://127.0.0.1:1#${server.fingerprint}`];
  assert.equal(await start(folder, ['send', ...nowhere, ...args], { home: 'alice' }).exit, 4);
  const { exit, printed } = start(folder, ['send', ...args], { home: 'alice' });
  assert.equal(await exit, 0, printed.err);
});

test('several at once for one account are sent one after another, and none ends the other', async () => {
  const texts = ['first', 'second', 'third', 'fourth'].map((text) => `${text} of a crowd`);
  const sent = await Promise.all(texts.map((text) => send('alice', ['@bob', text])));
  assert.deepEqual(
    sent.map(({ code, err }) => [code, err.replace(/^User is offline.*\n/, '')]),
    texts.map(() => [0, '']),
  );
  const bob = startRpc(folder, server.ws, { home: 'bob' });
  await bob.call('login', { username: 'bob', password });
  for (const text of texts) await bob.told('message', (message) => message['text'] === text);
  const { messages } = (await bob.call('history', { with: '@alice', limit: 50 })) as { messages: { text: string }[] };
  const arrived = messages.map(({ text }) => text).filter((text) => texts.includes(text));
  assert.deepEqual(arrived.sort(), [...texts].sort());
  await bob.end();
});

for (const [what, args, code, sentence] of [
  ['somebody who does not exist', ['@nobody-here', 'x'], 1, /^No such user\./],
  ['somebody offline with --online-only', ['--online-only', '@bob', 'x'], 6, /^User is offline\./],
  ['somebody not verified with --require-verified', ['--require-verified', '@bob', 'x'], 8, /not verified/],
  ['nothing', ['@bob'], 2, /There is no text to send/],
] as const) {
  test(`send to ${what} ends with ${code}`, async () => {
    const done = await send('alice', args);
    assert.equal(done.code, code);
    assert.match(done.err, sentence);
    assert.equal(done.out, '');
  });
}

test('a wrong password ends with 3, a server that is not there with 4', async () => {
  const wrong = start(folder, ['send', '--server', server.ws, '--user', 'alice', '--password-stdin', '@bob', 'x'], {
    home: 'alice',
  });
  wrong.child.stdin.end('not the password\n');
  assert.equal(await wrong.exit, 3);
  assert.match(wrong.printed.err, /^Wrong password/);

  const nowhere = ['--server', 'tcp://127.0.0.1:1', '--user', 'alice', '--password-file', passwordFile];
  const away = start(folder, ['send', ...nowhere, '@bob', 'x'], { home: 'alice-elsewhere' });
  assert.equal(await away.exit, 4);
  assert.match(away.printed.err, /^The server cannot be reached/);
});

test('blocked ends with 7', async () => {
  const bob = startRpc(folder, server.ws, { home: 'bob' });
  await bob.call('login', { username: 'bob', password });
  await bob.call('block', { user: 'alice' });
  const blocked = await send('alice', ['@bob', 'x']);
  assert.equal(blocked.code, 7);
  assert.match(blocked.err, /^User blocked all messages from you\./);
  await bob.call('unblock', { user: 'alice' });
  await bob.end();
});

test('while the account is open elsewhere, send and listen go through that process, which stays', async () => {
  const chat = startChat(folder, as('alice'), { home: 'alice' });
  await chat.until(/Logged in as alice\./);
  const listening = startChat(folder, ['listen', ...as('alice')], { home: 'alice' });
  const bob = startRpc(folder, server.ws, { home: 'bob' });
  await bob.call('login', { username: 'bob', password });
  assert.deepEqual(await send('alice', ['@bob', 'through the other']), { out: '', err: '', code: 0 });
  await bob.told('message', ({ text }) => text === 'through the other');
  assert.equal((await send('alice', ['@nobody-here', 'x'])).code, 1);
  await bob.call('send', { to: '@alice', text: 'to both' });
  await chat.until(/^@bob: to both$/m);
  await listening.until(/^@bob: to both$/m);
  chat.say('@bob still here');
  await bob.told('message', ({ text }) => text === 'still here');
  assert.equal(await chat.end(), 0);
  assert.equal(await listening.exit, 4, 'it ends with the process it went through');
  await bob.end();
});

test('a signal ends line mode over a pipe with 130', async () => {
  const chat = startChat(folder, as('alice'), { home: 'alice' });
  await chat.until(/Logged in as alice\./);
  chat.child.kill('SIGINT');
  assert.equal(await chat.exit, 130);
});

test('another login ends listen with 5', async () => {
  const listening = start(folder, ['listen', '--json', ...as('bob')], { home: 'bob' });
  const online = createInterface({ input: listening.child.stdout })[Symbol.asyncIterator]();
  await online.next();
  const rpc = startRpc(folder, server.ws, { home: 'bob' });
  await rpc.call('login', { username: 'bob', password });
  assert.equal(await listening.exit, 5);
  assert.match(listening.printed.err, /^Another session started with this account\./);
  await rpc.end();
});

test('a message that could not be sent is queued, said so with 4, and goes out at the next login', async () => {
  const ports = ['--listen', new URL(server.ws.replace('#', '/#')).host];
  ports.push('--listen-tcp', new URL(server.tcp.replace(/^tcp/, 'ws').replace('#', '/#')).host);
  await server.end();
  const queued = await send('alice', ['@bob', '--json', 'queued without a server']);
  assert.equal(queued.code, 4);
  assert.equal((JSON.parse(queued.out) as { state: string }).state, 'queued');
  assert.match(queued.err, /The message is queued in the profile and goes out at the next login\./);
  assert.equal((await send('alice', ['@bob', '--timeout', '6', 'also queued'])).code, 9);
  server = await startServer(folder, ports);
  assert.equal((await send('alice', ['@bob', 'third'])).code, 0);
  const bob = startChat(folder, ['listen', ...as('bob')], { home: 'bob' });
  await bob.until(/^@alice: queued without a server\n@alice: also queued\n@alice: third$/m);
  bob.child.kill('SIGINT');
  await bob.exit;
});

test('listen --timeout ends with 9', async () => {
  const { exit } = start(folder, ['listen', '--timeout', '1', ...as('bob')], { home: 'bob' });
  assert.equal(await exit, 9);
});

test('admin works beside the running server', async () => {
  const run = async (...args: string[]) => {
    const { child, exit, printed } = start(folder, ['admin', ...args], { home: 'operator' });
    child.stdin.end();
    return { code: await exit, ...printed };
  };
  assert.deepEqual(await run('users'), { code: 0, out: 'alice\nbob\n', err: '' });
  assert.match(
    (await run('invite', '--uses', '3')).out,
    /^Invite: \S{22}\nLink: securechat:ws:.*\nFor 3 registrations, until /,
  );
  for (const uses of ['x', '101']) {
    const refused = await run('invite', `--uses=${uses}`);
    assert.deepEqual([refused.code, refused.err], [2, 'An invite has 1 to 100 uses and 1 to 720 hours.\n'], uses);
  }
  assert.equal((await run('disable', 'bob')).out, 'bob is disabled.\n');
  const { exit, child } = start(folder, ['listen', ...as('bob')], { home: 'bob' });
  child.stdin.end();
  assert.equal(await exit, 3);
  assert.match((await run('users')).out, /^bob {2}disabled$/m);
  assert.equal((await run('enable', 'bob')).code, 0);
  const unknown = await run('disable', 'nobody-here');
  assert.deepEqual([unknown.code, unknown.out], [1, '']);
  assert.match(unknown.err, /^No such user\./);
});
