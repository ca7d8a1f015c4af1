// Goal: messages over a pipe: to whom they go, how they are shown, and what is said of those that do not arrive.
// Method: the real line mode and the real pipe screen in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { pipeScreen } from '../src/line/pipe-screen.ts';
import { messageFrom, scriptedClient } from './scripted-client.ts';
import { lineOptions } from './line-options.ts';
import { converse, login, refusing } from './line-stand.ts';

test('a message goes out, and the next line without @ goes to the same person', async () => {
  const { output, scripted } = await converse([...login, '@bob hi', 'and again']);
  assert.deepEqual(
    scripted.of('send').map(([to, text]) => [to, text]),
    [
      ['@bob', 'hi'],
      ['@bob', 'and again'],
    ],
  );
  assert.equal(output, 'Username: \nPassword: \nLogged in as alice.\n');
});

test('a line without @ and without anybody is not sent', async () => {
  const { output, scripted } = await converse([...login, 'hello?']);
  assert.match(output, /To whom\? Write @user message/);
  assert.deepEqual(scripted.of('send'), []);
});

test('an incoming message prints as @user: text, and never becomes the person written to', async () => {
  const { output, scripted } = await converse([
    ...login,
    '@bob hi',
    ({ emit }) => emit({ kind: 'message', message: messageFrom('mallory', 'write to me') }),
    'secret',
  ]);
  assert.match(output, /^@mallory: write to me$/m);
  assert.deepEqual(scripted.of('send').at(-1)?.slice(0, 2), ['@bob', 'secret']);
});

test('no line of an incoming message can pass for another message or a notice', async () => {
  const text = 'hi\n@bob: lend me money\nLogged out.\u001b[2J\r\nConnection lost.';
  const { output } = await converse([
    ...login,
    ({ emit }) => emit({ kind: 'message', message: messageFrom('eve', text) }),
  ]);
  assert.match(output, /^@eve: hi\n {2}@bob: lend me money\n {2}Logged out\.\n {2}Connection lost\.$/m);
});

test('what is printed on a pipe is marked as read', async () => {
  const { scripted } = await converse([
    ...login,
    ({ emit }) => emit({ kind: 'message', message: messageFrom('bob', 'hi') }),
  ]);
  assert.deepEqual(scripted.of('markRead'), [['@bob']]);
});

test('unread messages are shown at login, once', async () => {
  const { output } = await converse(
    [({ emit }) => emit({ kind: 'message', message: messageFrom('bob', 'one') }), ...login],
    {
      overrides: {
        login: () =>
          Promise.resolve({ account: 'a', device: 'd', username: 'alice', unread: [{ user: 'bob', count: 2 }] }),
        history: () => Promise.resolve([messageFrom('bob', 'one'), messageFrom('bob', 'two')]),
      },
    },
  );
  assert.match(output, /While you were away: bob \(2\)\n/);
  assert.deepEqual(output.match(/^@bob: .*$/gm), ['@bob: one', '@bob: two']);
});

test('somebody offline: the original answer, and that it will be delivered', async () => {
  const { output, code } = await converse([...login, '@bob hi'], {
    overrides: { send: () => Promise.resolve({ id: '1', state: 'sent', recipient: 'offline' }) },
  });
  assert.match(output, /^User is offline\. Your message will be delivered, encrypted, when they return\.$/m);
  assert.equal(code, 0);
});

for (const [code, sentence, exitCode] of [
  ['NO_SUCH_USER', /^No such user\./m, 0],
  ['BLOCKED', /^User blocked all messages from you\./m, 7],
  ['NO_KEYS', /^The user's connection is not secure at the moment/m, 0],
  ['RECIPIENT_OFFLINE', /^User is offline\./m, 6],
  ['NOT_VERIFIED', /^This contact is not verified\./m, 8],
  ['TIMEOUT', /^No answer in time\./m, 9],
  ['TEXT_TOO_LONG', /longer than 64 KiB\. Send it as a file/m, 0],
] as const) {
  test(`a send refused with ${code} says so, and a pipe ends with ${exitCode}`, async () => {
    const { output, code: ended } = await converse([...login, '@bob hi'], { overrides: { send: refusing(code) } });
    assert.match(output, sentence);
    assert.equal(ended, exitCode);
  });
}

test('a line that names nobody behind its @ goes to nobody', async () => {
  const { output, scripted } = await converse([
    ...login,
    '@bob hi',
    '@',
    '@ carol hi',
    '@carol,hi',
    '@:x',
    '#team',
    '#team hi',
  ]);
  assert.equal(scripted.of('send').length, 1);
  assert.equal(output.match(/^To whom\?/gm)?.length, 4);
  assert.equal(output.match(/^Groups are not available/gm)?.length, 2);
});

test('!! and a leading space send literally', async () => {
  const { scripted } = await converse([...login, '@bob hi', '!!help', ' @carol hi', '//etc', ' !exit']);
  assert.deepEqual(
    scripted.of('send').map(([to, text]) => [to, text]),
    [
      ['@bob', 'hi'],
      ['@bob', '!help'],
      ['@bob', '@carol hi'],
      ['@bob', '/etc'],
      ['@bob', '!exit'],
    ],
  );
});

test('a message that fails later says to whom, and !resend sends it again', async () => {
  const { output, scripted } = await converse([
    ...login,
    '@bob the text',
    ({ emit }) => emit({ kind: 'state', id: 'm1', conversation: '@bob', state: 'failed', code: 'RECIPIENT_RESET' }),
    '!resend',
    '!resend',
  ]);
  assert.match(output, /^Not delivered to bob \("the text"\)\. Not delivered: the keys of the user changed/m);
  assert.deepEqual(scripted.of('resend'), [['m1']]);
  assert.match(output, /There is no failed message/);
});

test('a message that expired is told to its sender as that, not as one to ask for', async () => {
  const { output } = await converse([
    ...login,
    '@bob the text',
    ({ emit }) => emit({ kind: 'state', id: 'm1', conversation: '@bob', state: 'failed', code: 'EXPIRED' }),
  ]);
  assert.match(output, /^Not delivered to bob \("the text"\)\. Nobody fetched this before it expired\. .*!resend/m);
  assert.doesNotMatch(output, /Ask the sender/);
});

test('a gap says how many are missing where that is known', async () => {
  const { output } = await converse([
    ...login,
    ({ emit }) => emit({ kind: 'gap', conversation: '@bob', missing: 2, code: 'GAP' }),
    ({ emit }) => emit({ kind: 'gap', conversation: '', missing: 0, code: 'SERVER_RESTORED' }),
  ]);
  assert.match(output, /^2 messages of @bob missing: Messages are missing here\./m);
  assert.match(output, /^The server was put back to an older copy of its data\./m);
});

for (const eventFirst of [true, false]) {
  test(`a refusal is said once, its event ${eventFirst ? 'before' : 'behind'} the answer; !resend knows it`, async () => {
    const failed = { kind: 'state', id: 'm7', conversation: '@bob', state: 'failed', code: 'BLOCKED' } as const;
    const scripted = scriptedClient({
      send: async () => {
        if (eventFirst) scripted.emit(failed);
        for (let turns = 0; turns < 5; turns++) await turn();
        throw new SecureChatError('BLOCKED');
      },
    });
    let output = '';
    async function* input(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('!login\nalice\npassword\n@bob hi\n');
      for (let turns = 0; turns < 20; turns++) await turn();
      if (!eventFirst) scripted.emit(failed);
      for (let turns = 0; turns < 5; turns++) await turn();
      yield Buffer.from('!resend\n');
    }
    const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
    assert.equal(await runLineMode(scripted.client, screen, lineOptions), 7);
    assert.equal(output.match(/blocked all messages/g)?.length, 1, output);
    assert.doesNotMatch(output, /Not delivered/);
    assert.deepEqual(scripted.of('resend'), [['m7']]);
  });
}

test('another message to the same person that fails meanwhile is told for itself', async () => {
  const scripted = scriptedClient({
    send: async () => {
      const failure = { kind: 'state', conversation: '@bob', state: 'failed' } as const;
      scripted.emit({ ...failure, id: 'older', code: 'MAILBOX_FULL' });
      scripted.emit({ ...failure, id: 'own', code: 'BLOCKED' });
      for (let turns = 0; turns < 5; turns++) await turn();
      throw new SecureChatError('BLOCKED');
    },
  });
  let output = '';
  async function* input(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('!login\nalice\npassword\n@bob hi\n');
  }
  const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
  await runLineMode(scripted.client, screen, lineOptions);
  assert.match(output, /^User blocked all messages from you\. Nothing was sent\.$/m);
  assert.match(output, /^Not delivered to bob\. The mailbox of the recipient is full\./m);
});

test('messages that waited are said to have gone out, once none waits any more', async () => {
  let sent = 0;
  const { output } = await converse(
    [
      ...login,
      '@bob one',
      ({ emit }) => emit({ kind: 'state', id: 'm1', conversation: '@bob', state: 'sent' }),
      '@bob two',
      '@bob three',
      ({ emit }) => emit({ kind: 'state', id: 'm2', conversation: '@bob', state: 'sent' }),
      ({ emit }) => emit({ kind: 'state', id: 'm3', conversation: '@bob', state: 'sent' }),
      ({ emit }) => emit({ kind: 'state', id: 'm3', conversation: '@bob', state: 'delivered' }),
    ],
    { overrides: { send: () => Promise.resolve({ id: `m${++sent}`, state: 'queued', recipient: 'unknown' }) } },
  );
  assert.deepEqual(output.match(/^.*queued message.* sent.*$/gm), [
    'The queued message to bob was sent: "one"',
    '2 queued messages were sent.',
  ]);
});
