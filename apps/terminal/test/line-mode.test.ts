// Goal: line mode over a pipe takes its lines as commands, in order, and ends as it should, in the sentences of the documents.
// Method: the real line mode and the real pipe screen in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import type { Client } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { pipeScreen } from '../src/line/pipe-screen.ts';
import { scriptedClient } from './scripted-client.ts';
import type { Scripted } from './scripted-client.ts';
import { lineOptions } from './line-options.ts';
import { converse, login, refusing } from './line-stand.ts';

test('a command that fails ends a pipe with its code, where it has one of its own', async () => {
  const { code } = await converse([...login, '!file bob /nonexistent'], {
    overrides: { sendFile: refusing('BLOCKED') },
  });
  assert.equal(code, 7);
  const missing = await converse([...login, '!file bob /nonexistent', '!hlep'], {
    overrides: { sendFile: refusing('FILE_NOT_FOUND') },
  });
  assert.equal(missing.code, 0);
});

test('a connection that is lost is said once, and once when it is back', async () => {
  const { output } = await converse([
    ...login,
    ({ emit }) => {
      emit({ kind: 'connection', state: 'offline', code: 'CONNECTION_LOST' });
      emit({ kind: 'connection', state: 'connecting' });
      emit({ kind: 'connection', state: 'offline' });
      emit({ kind: 'connection', state: 'online' });
    },
  ]);
  assert.deepEqual(output.match(/^(Connection lost|Connected again).*$/gm), [
    'Connection lost. Trying to reconnect; what you write is queued.',
    'Connected again.',
  ]);
});

test('a device that the server pauses is told why, in one sentence', async () => {
  const { output } = await converse([
    ...login,
    ({ emit }) => {
      emit({ kind: 'connection', state: 'offline', code: 'CONNECTION_LOST' });
      emit({ kind: 'connection', state: 'connecting' });
      emit({ kind: 'connection', state: 'offline', code: 'DEVICE_PAUSED' });
      emit({ kind: 'connection', state: 'connecting' });
      emit({ kind: 'connection', state: 'online' });
    },
  ]);
  assert.equal(output.match(/^This device sent what the server cannot read.* in a minute\..*$/gm)?.length, 1, output);
  assert.match(output, /^Connected again\.$/m);
});

test('an unknown command is never sent; the nearest one is named', async () => {
  const { output, scripted } = await converse([...login, '@bob hi', '!blok bob', '/hlep', '!xyzzy', '/etc/passwd']);
  assert.match(output, /There is no command !blok\. Did you mean !block\? Nothing was sent\./);
  assert.match(output, /There is no command !hlep\. Did you mean !help\?/);
  assert.match(output, /There is no command !xyzzy\. See !help\. Nothing was sent\./);
  assert.match(output, /There is no command !etc\/passwd\./);
  assert.equal(scripted.of('send').length, 1);
});

test('what other programs call it leads to its name here', async () => {
  const { output, scripted } = await converse([...login, '/quit', '/msg bob hi', '/constructor', '! hi']);
  assert.match(output, /There is no command !quit\. Did you mean !exit\?/);
  assert.match(output, /There is no command !msg\. Did you mean @user message\?/);
  assert.match(output, /There is no command !constructor\. See !help\./);
  assert.match(output, /^The name of a command follows at once: !help\. Nothing was sent\.$/m);
  assert.deepEqual(scripted.of('send'), []);
});

test('/command is the same as !command', async () => {
  const { output, scripted } = await converse(['/login', 'alice', 'pw-alice', '/block bob', '/logout']);
  assert.match(output, /bob is blocked\./);
  assert.deepEqual(scripted.of('block'), [['bob', { quiet: false }]]);
});

test('the reconnect of !resetkeys is no news, a later one is', async () => {
  const blink = ({ emit }: Scripted): void => {
    emit({ kind: 'connection', state: 'offline' });
    emit({ kind: 'connection', state: 'connecting' });
    emit({ kind: 'connection', state: 'online' });
  };
  let scripted: Scripted | undefined;
  const resetKeys: Client['resetKeys'] = async () => {
    if (scripted !== undefined) blink(scripted);
    return Promise.resolve({ fingerprint: 'sha256:x' as never });
  };
  const { output } = await converse([...login, (given) => (scripted = given), '!resetkeys', blink], {
    overrides: { resetKeys },
  });
  assert.match(output, /^New keys\./m);
  assert.equal(output.match(/Connection lost|Connected again/g)?.length, 2, output);
  assert.ok(output.indexOf('New keys') < output.indexOf('Connection lost'));
});

test('a server that is not there is named, with what to do', async () => {
  const { output } = await converse(['!register', 'alice', 'correct horse'], {
    overrides: { registration: refusing('UNREACHABLE') },
  });
  assert.match(
    output,
    /^The server cannot be reached\. .*\nThe address is ws:\/\/127\.0\.0\.1:4200;.*\n {2}npx securechat server$/m,
  );
});

test('a server without the key that the address names is refused for good', async () => {
  const server = `ws://127.0.0.1:4200#sha256:${'B'.repeat(43)}`;
  const { output } = await converse(['!register', 'alice', 'correct horse'], {
    server,
    overrides: { registration: refusing('SERVER_KEY_CHANGED') },
  });
  assert.match(
    output,
    /^The server at ws:\/\/127\.0\.0\.1:4200 does not have the key .*sha256:B{43}.*Nothing was sent\./m,
  );
});

test('block, unblock, who, verify, invite, status, users, version, resetkeys answer in a line', async () => {
  const { output, scripted } = await converse([
    ...login,
    '!block bob --quiet',
    '!unblock @bob',
    '!who bob',
    '!verify bob',
    '!verify bob 12345 67890',
    '!verify bob 00000',
    '!invite 3',
    '!status',
    '!users',
    '!version',
    '!resetkeys',
    '!logout',
  ]);
  assert.deepEqual(scripted.of('block'), [['bob', { quiet: true }]]);
  assert.deepEqual(scripted.of('unblock'), [['bob']]);
  for (const sentence of [
    /^bob is blocked, and not told\.$/m,
    /^bob is no longer blocked\.$/m,
    /^bob is online\.$/m,
    /^Safety number with bob: 12345 67890$/m,
    /^bob is verified\.$/m,
    /^This is not the safety number with bob\./m,
    /^Invite: CODE$/m,
    /^For 3 registrations, until/m,
    /^Connection: online$/m,
    /^Nobody yet\./m,
    /^SecureChat 0\.1\.0$/m,
    /^New keys\. Your fingerprint: sha256:/m,
    /^Logged out\.$/m,
  ]) {
    assert.match(output, sentence);
  }
});

test('help lists the commands of the original', async () => {
  const { output } = await converse(['!help', '!help all', '!help file', '!help fiel']);
  for (const name of ['help', 'register', 'login', 'logout', 'exit', 'resetkeys', 'file', 'block', 'unblock']) {
    assert.match(output, new RegExp(`^!${name}\\b`, 'm'));
  }
  assert.match(output, /^!file user path: /m);
  assert.match(output, /Did you mean !help file\?/);
});

test('help has topics, and lists every command in one of them', async () => {
  const { output: topics } = await converse(
    ['messages', 'files', 'people', 'account', 'keys'].map((t) => `!help ${t}`),
  );
  const { output: all } = await converse(['!help all']);
  for (const [name] of all.matchAll(/^![a-z-]+/gm)) assert.match(topics, new RegExp(`^${name}\\b`, 'm'));
  assert.match(topics, /^Alt\+Enter/m);
});

test('a line that is too long or not UTF-8 is refused, and the next ones are read', async () => {
  const scripted = scriptedClient();
  let output = '';
  async function* input(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('!login\nalice\npassword\n@bob hi\n');
    for (let part = 0; part < 160; part++) yield Buffer.alloc(65_536, 'x');
    yield Buffer.from('\n');
    yield Buffer.from([0x40, 0x62, 0x20, 0xff, 0x0a]);
    yield Buffer.from('still here\n');
  }
  const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
  assert.equal(await runLineMode(scripted.client, screen, lineOptions), 0);
  assert.match(output, /longer than 64 KiB/);
  assert.match(output, /not UTF-8/);
  assert.deepEqual(
    scripted.of('send').map(([, text]) => text),
    ['hi', 'still here'],
  );
});

test('a command is finished before the next line is taken', async () => {
  const order: string[] = [];
  const slow = async (_to: string, text: string) => {
    order.push(`begin ${text}`);
    for (let turns = 0; turns < 20; turns++) await turn();
    order.push(`end ${text}`);
    return { id: text, state: 'sent', recipient: 'online' } as const;
  };
  await converse([...login, '@bob 1', '@bob 2'], { overrides: { send: slow } });
  assert.deepEqual(order, ['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('at the end of the input, what is queued is waited for', async () => {
  let unsent = 1;
  const scripted = scriptedClient({
    send: () => Promise.resolve({ id: 'm1', state: 'queued', recipient: 'unknown' }),
    status: () =>
      Promise.resolve({
        connection: 'connecting',
        server: '',
        serverFingerprint: null,
        account: 'a',
        username: 'alice',
        device: 'd',
        deviceEnds: null,
        fingerprint: null,
        unsent,
      }),
  });
  let output = '';
  async function* input(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('!login\nalice\npassword\n@bob hi\n');
  }
  setTimeout(() => {
    unsent = 0;
    scripted.emit({ kind: 'state', id: 'm1', conversation: '@bob', state: 'sent' });
  }, 50);
  const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
  assert.equal(await runLineMode(scripted.client, screen, { ...lineOptions, drainMs: 60_000 }), 0);
  assert.match(output, /^The server cannot be reached\. Your message is queued and goes out when it can\.$/m);
  assert.doesNotMatch(output, /stays queued until/);
});

test('a signal ends it at once with its code, whatever is under way', async () => {
  const scripted = scriptedClient({ send: () => new Promise(() => undefined) });
  async function* input(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('!login\nalice\npassword\n@bob hi\n');
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
  }
  const screen = pipeScreen({ input: input(), write: () => undefined });
  setTimeout(() => screen.leave(130), 30);
  assert.equal(await runLineMode(scripted.client, screen, lineOptions), 130);
});
