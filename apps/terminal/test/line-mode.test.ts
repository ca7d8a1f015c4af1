// Goal: line mode over a pipe does what its lines say, in order, and says it in the sentences of the documents.
// Method: the real line mode and the real pipe screen in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Client, Code } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { pipeScreen } from '../src/line/pipe-screen.ts';
import type { LineOptions } from '../src/line/session.ts';
import { messageFrom, scriptedClient } from './scripted-client.ts';
import type { Scripted } from './scripted-client.ts';

const options: LineOptions = {
  drainMs: 200,
  server: 'ws://127.0.0.1:4200',
  version: '0.1.0',
  home: '/people/alice',
  now: () => new Date('2026-11-22T12:00:00Z'),
  fileExists: () => true,
  editor: () => Promise.resolve(''),
  onLoggedIn: () => undefined,
  qr: () => 'QR',
};

/** Lines, and things that happen between them. */
type Step = string | ((scripted: Scripted) => void);

async function converse(
  steps: readonly Step[],
  { overrides = {}, ...more }: Partial<LineOptions> & { overrides?: Partial<Client> } = {},
): Promise<{ output: string; code: number; scripted: Scripted }> {
  const scripted = scriptedClient(overrides);
  let output = '';
  async function* input(): AsyncGenerator<Uint8Array> {
    for (const step of steps) {
      if (typeof step === 'string') yield Buffer.from(`${step}\n`);
      else {
        // Events come while nothing is being done.
        for (let turns = 0; turns < 5; turns++) await turn();
        step(scripted);
        for (let turns = 0; turns < 5; turns++) await turn();
      }
    }
  }
  const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
  const code = await runLineMode(scripted.client, screen, { ...options, ...more });
  return { output, code, scripted };
}

const login = ['!login', 'alice', 'correct horse'] as const;
const refusing = (code: Code) => () => Promise.reject(new SecureChatError(code));

test('registering asks for user name, password and invite, one line each, and shows the recovery words', async () => {
  const { output, code, scripted } = await converse(['!register', 'alice', 'correct horse', 'CODE']);
  assert.equal(
    output,
    'Username: \nPassword: \nInvite: \nRegistered and logged in as alice.\n' +
      'Recovery words: one two three four five six seven eight nine ten eleven twelve\n' +
      'They are shown once and bring the account back on a new device. Keep them safe.\n',
  );
  assert.deepEqual(scripted.of('register'), [[{ username: 'alice', password: 'correct horse', invite: 'CODE' }]]);
  assert.equal(code, 0);
});

test('an open server asks for no invite', async () => {
  const { output, scripted } = await converse(['!register', 'alice', 'correct horse'], {
    overrides: { registration: () => Promise.resolve('open') },
  });
  assert.doesNotMatch(output, /Invite/);
  assert.deepEqual(scripted.of('register'), [[{ username: 'alice', password: 'correct horse' }]]);
});

test('with --invite it begins with choosing a name, and asks for no invite', async () => {
  const { output, scripted } = await converse(['alice', 'correct horse'], { invite: 'CODE' });
  assert.match(output, /^Username: \nPassword: \nRegistered/);
  assert.deepEqual(scripted.of('register'), [[{ username: 'alice', password: 'correct horse', invite: 'CODE' }]]);
});

test('an invite link is taken for its code', async () => {
  const { scripted } = await converse([
    '!register',
    'alice',
    'correct horse',
    'securechat:ws://h:1#sha256:x?invite=CODE',
  ]);
  assert.equal((scripted.of('register')[0]?.[0] as { invite: string } | undefined)?.invite, 'CODE');
});

test('logging in on an empty profile asks for the recovery words', async () => {
  const { output, scripted } = await converse([...login, 'one two three'], {
    overrides: { hasProfile: () => Promise.resolve(false) },
  });
  assert.match(output, /^Username: \nPassword: \nRecovery words: \nLogged in as alice\.\n/);
  assert.deepEqual(scripted.of('login'), [
    [{ username: 'alice', password: 'correct horse', recoveryWords: 'one two three' }],
  ]);
});

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

for (const [code, sentence, exitCode] of [
  ['AUTH_FAILED', /^Wrong password, or no such user\./m, 3],
  ['UNREACHABLE', /^The server cannot be reached\./m, 4],
  ['RECOVERY_WORDS_WRONG', /^These are not the recovery words/m, 3],
  ['SERVER_KEY_CHANGED', /another key than the one pinned here\. Nothing was sent\./m, 4],
] as const) {
  test(`a login refused with ${code} says so, and a pipe ends with ${exitCode}`, async () => {
    const { output, code: ended } = await converse([...login], { overrides: { login: refusing(code) } });
    assert.match(output, sentence);
    assert.equal(ended, exitCode);
  });
}

test('a login that works makes an earlier failure good', async () => {
  let tries = 0;
  const { code } = await converse([...login, ...login], {
    overrides: {
      login: () =>
        tries++ === 0
          ? Promise.reject(new SecureChatError('AUTH_FAILED'))
          : Promise.resolve({ account: 'a', device: 'd', username: 'alice', unread: [] }),
    },
  });
  assert.equal(code, 0);
});

test('a script that is not logged in, or stops in the middle of it, does not end with 0', async () => {
  for (const lines of [
    ['@bob hi'],
    ['!login', 'alice'],
    ['!login', 'alice', ''],
    ['!register', 'alice', 'correct horse', ''],
  ])
    assert.equal((await converse(lines)).code, 3, lines.join());
  const words = await converse([...login], { overrides: { hasProfile: () => Promise.resolve(false) } });
  assert.equal(words.code, 3);
});

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

test('a taken name is said, and nobody is logged in as its owner', async () => {
  const { output, scripted } = await converse(['!register', 'alice', 'correct horse', 'CODE', '@bob hi'], {
    overrides: { register: refusing('NAME_TAKEN') },
  });
  assert.match(output, /^This user name is taken\./m);
  assert.match(output, /^You are not logged in\./m);
  assert.deepEqual(scripted.of('send'), []);
});

test('another session: the original sentence, and exit code 5', async () => {
  const { output, code } = await converse([
    ...login,
    ({ emit }) => emit({ kind: 'loggedOut', code: 'SESSION_REPLACED', reason: '' }),
    '@bob hi',
  ]);
  assert.match(output, /^Another session started with this account\./m);
  assert.match(output, /^You are not logged in\./m);
  assert.equal(code, 5);
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

test('a file offer is asked, and y accepts it', async () => {
  const offer = { kind: 'fileOffer', id: 'f9', from: 'bob', name: 'a\u202eb.pdf', bytes: 1_234_567 } as const;
  const { output, scripted } = await converse([...login, ({ emit }) => emit(offer), 'y', 'y']);
  assert.match(output, /^@bob offers ab\.pdf \(1\.2 MB\)\. Accept\? y\/n$/m);
  assert.deepEqual(scripted.of('acceptFile'), [['f9']]);
  assert.match(output, /To whom\?/, 'the second y is no answer any more');
});

test('n declines, and other lines leave the offer waiting', async () => {
  const offer = { kind: 'fileOffer', id: 'f9', from: 'bob', name: 'a.pdf', bytes: 10 } as const;
  const { scripted } = await converse([...login, ({ emit }) => emit(offer), '@bob what is it?', 'NO']);
  assert.deepEqual(scripted.of('send').length, 1);
  assert.deepEqual(scripted.of('declineFile'), [['f9']]);
});

test('with several offers, !accept user picks one and the question is asked again', async () => {
  const offer = (id: string, from: string) => ({ kind: 'fileOffer', id, from, name: `${id}.txt`, bytes: 1 }) as const;
  const { output, scripted } = await converse([
    ...login,
    ({ emit }) => (emit(offer('f1', 'bob')), emit(offer('f2', 'carol'))),
    '!accept carol',
    'n',
    '!accept',
  ]);
  assert.deepEqual(scripted.of('acceptFile'), [['f2']]);
  assert.deepEqual(scripted.of('declineFile'), [['f1']]);
  assert.equal(output.match(/@bob offers f1\.txt/g)?.length, 2);
  assert.match(output, /There is no such file offer\./);
});

test('one offer is asked about at a time, and the next one when the first is answered or gone', async () => {
  const offer = (id: string) => ({ kind: 'fileOffer', id, from: 'bob', name: `${id}.txt`, bytes: 1 }) as const;
  const { output, scripted } = await converse([
    ...login,
    ({ emit }) => (emit(offer('f1')), emit(offer('f2')), emit(offer('f3'))),
    'y',
    ({ emit }) => emit({ kind: 'fileFailed', id: 'f2', user: 'bob', name: 'f2.txt', code: 'EXPIRED' }),
    'n',
  ]);
  assert.deepEqual(output.match(/^@bob offers .*$/gm), [
    '@bob offers f1.txt (1 B). Accept? y/n',
    '@bob offers f2.txt (1 B) as well. Answer the other one first.',
    '@bob offers f3.txt (1 B) as well. Answer the other one first.',
    '@bob offers f2.txt (1 B). Accept? y/n',
    '@bob offers f3.txt (1 B). Accept? y/n',
  ]);
  assert.deepEqual([scripted.of('acceptFile'), scripted.of('declineFile')], [[['f1']], [['f3']]]);
});

test('an offer that cannot be written here stays, and is asked about again', async () => {
  const offer = { kind: 'fileOffer', id: 'f1', from: 'bob', name: 'a.txt', bytes: 1 } as const;
  let full = true;
  const { output } = await converse([...login, ({ emit }) => emit(offer), 'y', () => (full = false), 'y'], {
    overrides: {
      acceptFile: () => (full ? Promise.reject(new SecureChatError('FILE_UNWRITABLE')) : Promise.resolve()),
    },
  });
  assert.match(
    output,
    /^The file cannot be written here\..*\n@bob offers a\.txt \(1 B\)\. Accept\? y\/n\nAccepted: a\.txt/m,
  );
});

test('a file of ours that did not arrive does not ask us to ask ourselves', async () => {
  const { output } = await converse([
    ...login,
    '!file bob /tmp/a.txt',
    ({ emit }) => emit({ kind: 'fileFailed', id: 'f1', user: 'bob', name: 'a.txt', code: 'FILE_DAMAGED' }),
  ]);
  assert.match(
    output,
    /^a\.txt \(bob\): They could not take it: it came damaged, or cannot be written there\. Offer it again\.$/m,
  );
});

test('an invite beyond what the server makes says so', async () => {
  const { output } = await converse([...login, '!invite 101'], { overrides: { invite: refusing('TOO_LARGE') } });
  assert.match(output, /^This server makes no invites for so many registrations or so many hours\./m);
});

test('!file takes the rest of the line as the path', async () => {
  const { scripted } = await converse([...login, '!file @bob ~/My Documents/a b.pdf', "!file bob '/tmp/x y'"]);
  assert.deepEqual(scripted.of('sendFile'), [
    ['@bob', '/people/alice/My Documents/a b.pdf'],
    ['@bob', '/tmp/x y'],
  ]);
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

test('an invite that was refused is asked for again', async () => {
  let tries = 0;
  const register: Client['register'] = () =>
    tries++ === 0
      ? Promise.reject(new SecureChatError('INVITE_INVALID'))
      : Promise.resolve({ account: 'a', device: 'd', fingerprint: 'sha256:x' as never, recoveryWords: 'one two' });
  const steps = ['alice', 'correct horse', '!register', 'alice', 'correct horse', 'GOOD'];
  const { output, scripted } = await converse(steps, { invite: 'BAD', overrides: { register } });
  const given = scripted.of('register').map(([account]) => (account as { invite?: string }).invite);
  assert.deepEqual(given, ['BAD', 'GOOD']);
  assert.match(output, /^This invite is unknown/m);
  assert.match(output, /^Invite: \nRegistered/m);
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
    assert.equal(await runLineMode(scripted.client, screen, options), 7);
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
  await runLineMode(scripted.client, screen, options);
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

test('a password in the line is refused, and asked for instead', async () => {
  const { output, scripted } = await converse(['!login alice secret']);
  assert.match(output, /A password is never part of the line/);
  assert.deepEqual(scripted.of('login'), []);
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
  assert.equal(await runLineMode(scripted.client, screen, options), 0);
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
  assert.equal(await runLineMode(scripted.client, screen, { ...options, drainMs: 60_000 }), 0);
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
  assert.equal(await runLineMode(scripted.client, screen, options), 130);
});
