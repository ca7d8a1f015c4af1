/**
 * Goal: nobody types a password for a server whose key they did not agree to, and whoever's device nears the end of its
 * certificate reads what to do. Method: the real line mode behind a screen and in front of a client whose answers the test
 * writes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Client, ClientEvent } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { lineOptions } from './line-options.ts';
import type { Scripted } from './scripted-client.ts';
import { scriptedClient } from './scripted-client.ts';
import { scriptedScreen } from './scripted-screen.ts';

async function typing(lines: readonly string[], scripted: Scripted): Promise<readonly string[]> {
  const { screen, shown } = scriptedScreen(lines);
  await runLineMode(scripted.client, screen, lineOptions);
  return shown;
}

/** A server that this profile has not met. */
function stranger(registration: Client['registration']): Scripted {
  const known = scriptedClient();
  return scriptedClient({
    status: async () => ({ ...(await known.client.status()), serverFingerprint: null }),
    registration,
  });
}

test('whoever does not trust the key of a server is asked for no name and no password', async () => {
  for (const command of ['!login', '!register', '!login alice']) {
    const scripted = stranger(() => Promise.reject(new SecureChatError('SERVER_KEY_UNCONFIRMED')));
    const shown = await typing([command, 'alice', 'password'], scripted);
    assert.equal(scripted.of('registration').length, 1);
    assert.deepEqual([scripted.of('login'), scripted.of('register')], [[], []]);
    assert.ok(
      shown.every((line) => line !== 'Username:' && line !== 'Password:'),
      shown.join('\n'),
    );
  }
});

test('a server that is not known is looked at before a login, one that is need not be there', async () => {
  const met = stranger(() => Promise.resolve('invite'));
  await typing(['!login', 'alice', 'password'], met);
  const order = met.calls
    .map(({ method }) => method)
    .filter((method) => method === 'registration' || method === 'login');
  assert.deepEqual(order, ['registration', 'login']);
  const known = scriptedClient({ registration: () => Promise.reject(new SecureChatError('UNREACHABLE')) });
  await typing(['!login', 'alice', 'password'], known);
  assert.equal(known.of('login').length, 1);
});

test('a certificate that nears its end is told with what to do, in the daily line and in the status', async () => {
  const at = '2027-01-15T08:00:00.000Z';
  for (const [renewable, todo] of [
    [true, /!logout, then !login while the server can be reached/],
    [false, /recovery words in a new profile, or take new keys: !resetkeys/],
  ] as const) {
    const event: ClientEvent = { kind: 'deviceEnds', at, renewable };
    const scripted: Scripted = scriptedClient({
      contacts: () => {
        scripted.emit(event);
        return Promise.resolve([]);
      },
    });
    const shown = (await typing(['!login', 'alice', 'password', '!users', '!status', '!status'], scripted)).join('\n');
    assert.match(shown, /This device is certified until 2027-01-15; from then on others refuse its keys\./);
    assert.match(shown, todo);
  }
  const { client } = scriptedClient();
  const ends = async (ms: number) => {
    const deviceEnds = new Date(Date.now() + ms).toISOString();
    const scripted = scriptedClient({ status: async () => ({ ...(await client.status()), deviceEnds }) });
    return (await typing(['!login', 'alice', 'password', '!status'], scripted)).join('\n');
  };
  const day = 24 * 60 * 60 * 1000;
  assert.match(await ends(59 * day), /Certified until: \d{4}-\d\d-\d\d \(then others refuse it/);
  assert.match(await ends(61 * day), /Certified until: \d{4}-\d\d-\d\d$/m);
});
