// Goal: whatever a person or a script does wrong gets one clear sentence and the documented exit code, and costs nothing of
// what was there. Method: the real clients against a real server, and against things that are none.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeFolder, start, startChat, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';

const password = 'green glass bottle';
const folder = makeFolder('input');
const at = (...names: string[]): string => join(folder.path, ...names);
const strangers: Server[] = [];
let server: RunningServer;
let alice: Rpc;
before(async () => {
  server = await startServer(folder);
  alice = startRpc(folder, server.ws, { home: 'alice' });
  await alice.call('register', { username: 'alice', password, invite: server.invite });
  writeFileSync(at('password'), `${password}\n`, { mode: 0o600 });
  writeFileSync(at('wrong-password'), 'not the one at all\n', { mode: 0o600 });
});
after(async () => {
  await folder.remove();
  for (const stranger of strangers) stranger.close();
});

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

async function run(args: readonly string[], { home = 'somebody', input = '', env = {} } = {}): Promise<Ended> {
  const started = start(folder, args, { home, env });
  started.child.stdin.end(input);
  const code = await started.exit;
  return { out: started.printed.out, err: started.printed.err, code };
}

const oneSentence = /^[A-Z][^\n]*\n$/;

/** `send` to an address where something else than a server of ours listens, or nothing. */
async function sendTo(address: string): Promise<Ended> {
  const who = ['--user', 'alice', '--password-file', at('password')];
  return run(['send', '@bob', 'hello', '--server', address, ...who], { home: 'away' });
}

async function stranger(server_: Server): Promise<number> {
  strangers.push(server_);
  await new Promise<void>((resolve) => server_.listen(0, '127.0.0.1', resolve).unref());
  return (server_.address() as AddressInfo).port;
}

for (const scheme of ['ws', 'tcp', 'wss', 'tls'] as const) {
  test(`nobody at the address (${scheme}): the server cannot be reached, exit code 4`, async () => {
    const free = createServer();
    const port = await stranger(free);
    await new Promise((resolve) => free.close(resolve));
    const { err, out, code } = await sendTo(`${scheme}://127.0.0.1:${port}`);
    assert.match(err, /^The server cannot be reached[^\n]*\n$/);
    assert.equal(out, '');
    assert.equal(code, 4);
  });
}

const others: readonly (readonly [string, () => Server])[] = [
  ['an HTTP server', () => createHttpServer((_request, response) => response.end('<h1>It works!</h1>'))],
  ['an echo', () => createServer((socket) => socket.on('error', () => undefined).pipe(socket))],
  [
    'a chatterbox',
    () => createServer((socket) => socket.on('error', () => undefined).end('220 mail.example ESMTP\r\n'.repeat(9999))),
  ],
  ['silence', () => createServer((socket) => socket.on('error', () => undefined).resume())],
  ['a door that closes', () => createServer((socket) => socket.destroy())],
];
test('other things in place of the server, over either transport: one sentence, exit code 4 (9 for silence)', async () => {
  const each = others.flatMap(([what, make]) =>
    (['ws', 'tcp'] as const).map(async (scheme) => {
      const { err, out, code } = await sendTo(`${scheme}://127.0.0.1:${await stranger(make())}`);
      assert.match(err, oneSentence, `${what}, ${scheme}`);
      const silent = /does not answer/.test(err);
      if (!silent) assert.match(err, /reached|secure connection|Connection lost|not as a SecureChat server/, what);
      assert.ok(code === 4 || (silent && code === 9), `${what}, ${scheme}: ${code} ${err}`);
      assert.equal(out, '');
    }),
  );
  await Promise.all(each);
});

test('a taken name, a wrong password, an unknown user: said, with their codes, and the next try works', async () => {
  const chat = startChat(folder, ['--server', server.tcp], { home: 'mallory' });
  chat.say('!register', 'alice', password, server.invite);
  await chat.until(/^This user name is taken\. [^\n]*$/m);
  chat.say('!register', 'mallory', password, server.invite);
  await chat.until(/^Registered and logged in as mallory\.$/m);
  chat.say('@nobody-at-all hi');
  await chat.until(/^No such user\./m);
  chat.say('@alice hello');
  await alice.told('message', ({ text }) => text === 'hello');
  // It is answered, and no failure of the program.
  assert.equal(await chat.end(), 0);

  const wrong = ['--user', 'mallory', '--password-file', at('wrong-password'), '--server', server.tcp];
  const { err, code } = await run(['send', '@alice', 'hi', ...wrong], { home: 'mallory' });
  assert.match(err, /^Wrong password[^\n]*\n$/);
  assert.equal(code, 3);
  const right = ['--user', 'mallory', '--password-file', at('password'), '--server', server.tcp];
  const sent = await run(['send', '@nobody-at-all', 'hi', ...right], { home: 'mallory' });
  assert.match(sent.err, /^No such user\.[^\n]*\n$/);
  assert.notEqual(sent.code, 0);
  assert.deepEqual(await run(['send', '@alice', 'still me', ...right], { home: 'mallory' }), {
    out: '',
    err: '',
    code: 0,
  });
  await alice.told('message', ({ text }) => text === 'still me');
});

test('files that are none, are folders or cannot be read: each its code, nothing is offered', async () => {
  mkdirSync(at('a folder'));
  writeFileSync(at('secret'), 'x');
  for (const [path, code] of [
    [at('nowhere.txt'), 'FILE_NOT_FOUND'],
    [at('a folder'), 'FILE_UNREADABLE'],
    ['/dev/null', 'FILE_UNREADABLE'],
    [`${at('nul')}\0`, 'FILE_UNREADABLE'],
  ] as const) {
    await assert.rejects(alice.call('sendFile', { to: '@mallory', path }), new RegExp(`^Error: ${code}$`), path);
  }
  assert.equal((await alice.call('status'))['unsent'], 0);
});

test('in line mode a line of 10 MB, bytes that are no UTF-8, and a missing file are said; the session goes on', async () => {
  const chat = startChat(folder, ['--server', server.ws], { home: 'mallory' });
  chat.say('!login', 'mallory', password);
  await chat.until(/^Logged in as mallory\.$/m);
  chat.say(`@alice ${'y'.repeat(10 * 1024 * 1024)}`);
  await chat.until(/longer than 64 KiB\. Send it as a file[^\n]*$/m);
  chat.child.stdin.write(Buffer.from([...Buffer.from('@alice '), 0xc3, 0x28, 0xff, 0x0a]));
  await chat.until(/^[^\n]*not UTF-8[^\n]*$/m);
  chat.say('!file alice /no/such/file');
  await chat.until(/^There is no such file\.[^\n]*$/m);
  chat.say(`!file alice ${at('a folder')}`);
  await chat.until(/^This is not a regular file\.$/m);
  chat.say('@alice after all that');
  await alice.told('message', ({ text }) => text === 'after all that');
  assert.equal(await chat.end(), 0);
});

test('in RPC a line of 10 MB and bytes that are no UTF-8 are answered, and the next request works', async () => {
  const before_ = alice.printed.out.length;
  alice.child.stdin.write(`{"jsonrpc":"2.0","id":"huge","method":"send","params":"${'z'.repeat(10 * 1024 * 1024)}"}\n`);
  alice.child.stdin.write(Buffer.from([0xff, 0xfe, 0x0a]));
  assert.equal((await alice.call('status'))['username'], 'alice');
  const said = alice.printed.out.slice(before_);
  assert.match(said, /"code":"TOO_LARGE"/);
  assert.match(said, /"code":"MALFORMED"/);
  assert.ok(said.length < 4000);
});

test('a send whose text on standard input is too long or no UTF-8 says so, with nothing sent', async () => {
  const who = ['--user', 'mallory', '--password-file', at('password'), '--server', server.ws];
  const long = await run(['send', '@alice', ...who], { home: 'mallory', input: 'w'.repeat(70_000) });
  assert.match(long.err, /^The text is longer than 64 KiB\.[^\n]*\n$/);
  assert.notEqual(long.code, 0);
});

function filesOf(home: string): string[] {
  return readdirSync(at(home, 'default', 'accounts'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('a damaged store, a newer one, a damaged key file: said, exit code, untouched; put back, it opens', async () => {
  const who = ['--user', 'mallory', '--password-file', at('password'), '--server', server.ws];
  const send = () => run(['send', '@alice', 'knock', ...who], { home: 'mallory' });
  const files = filesOf('mallory');
  for (const [name, damage] of [
    ['store.db', (whole: Buffer) => Buffer.concat([whole.subarray(0, 150), Buffer.alloc(whole.length - 150, 0xa5)])],
    ['store.db', () => Buffer.from('no database')],
    ['keys.json', () => Buffer.from('{"format":1')],
    [
      'keys.json',
      (whole: Buffer) =>
        Buffer.from(whole.toString().replace('"format":1', '"format":99').replace('"format": 1', '"format": 99')),
    ],
  ] as const) {
    const path = files.find((file) => file.endsWith(name)) ?? '';
    const whole = readFileSync(path);
    const damaged = damage(whole);
    writeFileSync(path, damaged);
    const { err, code } = await send();
    assert.match(
      err,
      /^(The local profile is damaged|This data was written by a newer|store\.db|keys\.json)[^\n]*\n$/,
      name,
    );
    assert.ok(code === 1 || code === 2, `${code}`);
    assert.ok(readFileSync(path).equals(damaged), `${name} was touched`);
    writeFileSync(path, whole);
  }
  assert.deepEqual(await send(), { out: '', err: '', code: 0 });
  await alice.told('message', ({ text }) => text === 'knock');
});

test('a profile folder that cannot be written or made is said', async (t) => {
  const nobody = process.getuid?.() === 0;
  mkdirSync(at('occupied'));
  writeFileSync(at('occupied', 'default'), 'a file');
  const made = await run(['--server', server.ws], {
    home: 'occupied',
    input: `!register\nzoe\n${password}\n${server.invite}\n`,
  });
  assert.match(made.out + made.err, /^The local profile cannot be written\.[^\n]*$/m);
  assert.notEqual(made.code, 0);
  assert.equal(readFileSync(at('occupied', 'default'), 'utf8'), 'a file');
  if (nobody) return t.diagnostic('root writes everywhere: the read-only folder is left out');
  mkdirSync(at('readonly', 'default'), { recursive: true });
  chmodSync(at('readonly', 'default'), 0o500);
  const { out } = await run(['--server', server.ws], {
    home: 'readonly',
    input: `!register\nzoe\n${password}\n${server.invite}\n`,
  });
  assert.match(out, /^The local profile cannot be written\./m);
});

test('one profile in two processes: with the password the second takes over, and the first is told', async () => {
  const second = startRpc(folder, server.tcp, { home: 'alice' });
  await assert.rejects(second.call('login', { username: 'alice', password: 'a guess of somebody' }), /AUTH_FAILED/);
  assert.equal((await alice.call('status'))['username'], 'alice');
  await second.call('login', { username: 'alice', password });
  assert.equal((await alice.told('loggedOut'))['code'], 'SESSION_REPLACED');
  await assert.rejects(alice.call('send', { to: '@mallory', text: 'x' }), /NOT_LOGGED_IN/);
  const { messages } = await second.call('history', { with: '@mallory' });
  assert.ok((messages as unknown[]).length >= 4, 'what was there is there');
  assert.equal(await second.end(), 0);
});

test('a configuration file of the client that cannot be used', async () => {
  const rows = [
    ['{', /configuration file .*client\.json is not JSON/],
    ['[1]', /must hold one JSON object/],
    ['{"sever":"ws://x:1"}', /unknown setting "sever"/],
    ['{"server":{}}', /value of the wrong kind/],
    ['{"server":"http://x"}', /server address is not valid/],
    ['{"passwordStdin":true}', /unknown setting "passwordStdin"/],
  ] as const;
  const each = rows.map(async ([text, sentence], index) => {
    const home = `configured-${index}`;
    mkdirSync(at(home));
    writeFileSync(at(home, 'client.json'), text);
    const { err, out, code } = await run([], { home });
    assert.match(err, sentence);
    assert.match(err, oneSentence);
    assert.equal(out, '');
    assert.equal(code, 2);
  });
  await Promise.all(each);
});
