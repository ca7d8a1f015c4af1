// Goal: registering, logging in and being logged out, over a pipe, in the sentences of the documents.
// Method: the real line mode and the real pipe screen in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Client } from '@securechat/client';
import { converse, login, refusing } from './line-stand.ts';

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

test('an invite beyond what the server makes says so', async () => {
  const { output } = await converse([...login, '!invite 101'], { overrides: { invite: refusing('TOO_LARGE') } });
  assert.match(output, /^This server makes no invites for so many registrations or so many hours\./m);
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

test('a password in the line is refused, and asked for instead', async () => {
  const { output, scripted } = await converse(['!login alice secret']);
  assert.match(output, /A password is never part of the line/);
  assert.deepEqual(scripted.of('login'), []);
});
