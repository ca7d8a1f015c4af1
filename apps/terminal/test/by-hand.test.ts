// Goal: a person who mistypes something at a terminal is asked for that again, and every hint on the screen leads on.
// Method: the real line mode behind a screen and in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Client, Code } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { lineOptions } from './line-options.ts';
import { scriptedClient } from './scripted-client.ts';
import type { Scripted } from './scripted-client.ts';
import { scriptedScreen } from './scripted-screen.ts';

interface Played {
  readonly shown: readonly string[];
  readonly prompt: string;
  readonly scripted: Scripted;
}

async function typing(lines: readonly string[], overrides: Partial<Client> = {}): Promise<Played> {
  const scripted = scriptedClient(overrides);
  const { screen, shown, prompt } = scriptedScreen(lines);
  await runLineMode(scripted.client, screen, lineOptions);
  return { shown, prompt: prompt(), scripted };
}

/** Refuses with these, one call after the other, and then does what it always does. */
function refusingFirst<K extends 'login' | 'register' | 'send'>(
  name: K,
  ...failures: readonly Code[]
): Pick<Client, K> {
  const left = [...failures];
  const works = scriptedClient().client[name] as (...args: unknown[]) => Promise<unknown>;
  const answer = (...args: unknown[]): Promise<unknown> => {
    const code = left.shift();
    return code === undefined ? works(...args) : Promise.reject(new SecureChatError(code));
  };
  return { [name]: answer } as unknown as Pick<Client, K>;
}

const words = 'one two three four five six seven eight nine ten eleven twelve';

test('a wrong password is asked for again, at most twice', async () => {
  const { shown, prompt, scripted } = await typing(
    ['!login', 'alice', 'wrng', 'right'],
    refusingFirst('login', 'AUTH_FAILED'),
  );
  assert.equal(prompt, 'alice> ');
  assert.equal(shown.filter((line) => line === 'Password:').length, 2);
  assert.deepEqual(
    scripted.of('login').map(([given]) => (given as { password: string }).password),
    ['wrng', 'right'],
  );
  const often = await typing(
    ['!login', 'alice', 'a', 'b', 'c', 'd'],
    refusingFirst('login', 'AUTH_FAILED', 'AUTH_FAILED', 'AUTH_FAILED'),
  );
  assert.equal(often.scripted.of('login').length, 3);
});

test('whoever is asked again may begin anew: a command is no password', async () => {
  const { prompt, scripted } = await typing(
    ['!login', 'alice', 'wrng', '!login bob', 'right'],
    refusingFirst('login', 'AUTH_FAILED'),
  );
  assert.equal(prompt, 'bob> ');
  assert.deepEqual(
    scripted.of('login').map(([given]) => (given as { password: string }).password),
    ['wrng', 'right'],
  );
  // At the first question it may be one.
  const first = await typing(['!login', 'alice', '!help']);
  assert.deepEqual(
    first.scripted.of('login').map(([given]) => (given as { password: string }).password),
    ['!help'],
  );
});

test('the recovery words are asked for only behind a password that is right', async () => {
  const { shown, scripted } = await typing(
    ['!login', 'alice', 'wrng', 'right', words],
    refusingFirst('login', 'AUTH_FAILED', 'RECOVERY_WORDS_REQUIRED'),
  );
  assert.deepEqual(
    shown.filter((line) => line.endsWith(':')),
    ['Username:', 'Password:', 'Password:', 'Recovery words:'],
  );
  assert.deepEqual(scripted.of('login').at(-1), [{ username: 'alice', password: 'right', recoveryWords: words }]);
  assert.ok(
    shown.some((line) => line.includes('the device that has it now is logged out')),
    shown.join('\n'),
  );
});

test('a device that was replaced asks for the recovery words that its sentence names', async () => {
  const { shown, prompt, scripted } = await typing(
    ['!login', 'alice', 'right', words],
    refusingFirst('login', 'DEVICE_REVOKED'),
  );
  const hint = shown.findIndex((line) => line.includes('Log in with the recovery words to use the account here.'));
  assert.equal(shown[hint + 1], 'Recovery words:');
  assert.deepEqual(scripted.of('login').at(-1), [{ username: 'alice', password: 'right', recoveryWords: words }]);
  assert.equal(prompt, 'alice> ');
});

test('recovery words with a slip are asked for again, without the password', async () => {
  const { shown, prompt } = await typing(
    ['!login', 'alice', 'right', 'one two', words],
    refusingFirst('login', 'RECOVERY_WORDS_REQUIRED', 'RECOVERY_WORDS_WRONG'),
  );
  assert.equal(shown.filter((line) => line === 'Password:').length, 1);
  assert.equal(shown.filter((line) => line === 'Recovery words:').length, 2);
  assert.equal(prompt, 'alice> ');
});

test('a password that cannot be used is said before it is typed twice, and asked for again', async () => {
  const { shown, scripted } = await typing([
    '!register',
    'alice',
    'password',
    'long enough',
    'lnog enough',
    'long enough',
    'long enough',
    'CODE',
  ]);
  assert.deepEqual(shown.slice(1, 9), [
    'Username:',
    'Password:',
    'This password cannot be used: it is one of the commonest, which are tried first.',
    'Password:',
    'Password again:',
    'The two passwords differ.',
    'Password:',
    'Password again:',
  ]);
  assert.deepEqual(scripted.of('register'), [[{ username: 'alice', password: 'long enough', invite: 'CODE' }]]);
});

test('a taken name is asked for again, the password and the invite are not', async () => {
  const { shown, scripted } = await typing(
    ['!register', 'alice', 'long enough', 'long enough', 'CODE', 'alice2'],
    refusingFirst('register', 'NAME_TAKEN'),
  );
  assert.deepEqual(scripted.of('register').at(-1), [{ username: 'alice2', password: 'long enough', invite: 'CODE' }]);
  assert.equal(shown.filter((line) => line === 'Invite:').length, 1);
});

test('an invite that is refused is asked for again, the name and the password are not', async () => {
  const { shown, scripted } = await typing(
    ['!register', 'alice', 'long enough', 'long enough', 'OLD', 'NEW'],
    refusingFirst('register', 'INVITE_INVALID'),
  );
  assert.deepEqual(scripted.of('register').at(-1), [{ username: 'alice', password: 'long enough', invite: 'NEW' }]);
  assert.equal(shown.filter((line) => line === 'Username:').length, 1);
});

test('an empty answer ends the questions', async () => {
  const { shown, scripted } = await typing(['!login', 'alice', 'wrong', ''], refusingFirst('login', 'AUTH_FAILED'));
  assert.equal(shown.at(-1), 'No password, nothing done.');
  assert.equal(scripted.of('login').length, 1);
});

test('nobody stays the one written to who does not exist', async () => {
  const { shown, prompt, scripted } = await typing(
    ['!login', 'alice', 'right', '@bbo hi', 'y', 'more for bbo'],
    refusingFirst('send', 'NO_SUCH_USER'),
  );
  assert.equal(prompt, 'alice> ');
  assert.equal(scripted.of('send').length, 1);
  assert.match(shown.at(-1) ?? '', /^To whom\?/);
});

test('oneself is not asked about as somebody new', async () => {
  const { shown } = await typing(['!login', 'alice', 'right', '@alice note'], refusingFirst('send', 'SELF'));
  assert.ok(!shown.some((line) => line.includes('You have not written')), shown.join('\n'));
});

test('after the recovery words it says what comes next', async () => {
  const { shown } = await typing(['!register', 'alice', 'long enough', 'long enough', 'CODE']);
  assert.match(shown.at(-1) ?? '', /@name message/);
});
