/** Goal: settings are read from flag, environment and file, in that order, and what makes no sense is refused in one sentence. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { configRows, limitRows, loadConfig } from '@securechat/server';
import type { GivenFlags } from '@securechat/server';
import { limits } from '@securechat/wire';
import { startError } from './start-error.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'securechat-config-'));
});
after(() => rmSync(folder, { recursive: true }));

const load = (flags: GivenFlags = {}, env: Record<string, string> = {}, configFile?: string) =>
  loadConfig({ flags, env, home: '/people/anna', configFile });

test('configuration: flag over environment over file over default', () => {
  const file = join(folder, 'config.json');
  writeFileSync(
    file,
    JSON.stringify({ listen: '127.0.0.1:1', registration: 'open', limit: { connectionsMax: 5 }, rsaBits: 2048 }),
  );
  assert.deepEqual(load().listen, { host: '127.0.0.1', port: 4200 });
  assert.deepEqual(load().listenTcp, { host: '127.0.0.1', port: 4201 });
  assert.equal(load().data, '/people/anna/.local/share/securechat/server');
  assert.equal(load({}, { SECURECHAT_HOME: '/srv' }).data, '/srv/server');
  assert.equal(load({}, { XDG_DATA_HOME: '/x' }).data, '/x/securechat/server');
  assert.equal(load({}, {}, file).listen.port, 1);
  assert.equal(load({}, { SECURECHAT_CONFIG: file }).registration, 'open');
  assert.equal(load({}, { SECURECHAT_LISTEN: '127.0.0.1:2' }, file).listen.port, 2);
  assert.equal(load({ listen: '127.0.0.1:3' }, { SECURECHAT_LISTEN: '127.0.0.1:2' }, file).listen.port, 3);
  assert.equal(load({}, {}, file).limits.connectionsMax, 5);
  assert.equal(load({ limit: ['pingMs=7', 'deadMs=9'] }, {}, file).limits.pingMs, 7);
  assert.equal(load({}, { SECURECHAT_LIMIT: 'pingMs=7, deadMs=9' }).limits.deadMs, 9);
  assert.equal(load({}, {}, file).rsaBits, 2048);
  writeFileSync(join(folder, 'secret'), 'embedded\n');
  assert.equal(load({}, { SECURECHAT_DATABASE_FILE: join(folder, 'secret') }).registration, 'invite');
});

const refusedConfig: readonly [string, GivenFlags, RegExp][] = [
  ['an unknown name', { colour: 'red' }, /no setting named "colour"/],
  ['a bad address', { listen: 'nowhere' }, /--listen cannot be used/],
  ['a port out of range', { listen: '127.0.0.1:70000' }, /--listen/],
  ['an unknown mode', { registration: 'maybe' }, /invite, open, closed/],
  ['a small key', { rsaBits: '1024' }, /--rsa-bits/],
  ['an unknown limit', { limit: ['nothing=1'] }, /no limit named "nothing"/],
  ['a limit of the protocol', { limit: ['frameBytesMax=1'] }, /part of the protocol/],
  ['a limit without a number', { limit: ['pingMs=x'] }, /the value of pingMs must be a whole number/],
  ['no room for a row in a commit', { limit: ['commitRowsMax=0'] }, /commitRowsMax must be a whole number from 1 to/],
  ['no time to log in', { limit: ['authDeadlineMs=0'] }, /from 1 to 2147483647/],
  ['a deadline longer than a timer takes', { limit: ['authDeadlineMs=2147483648'] }, /from 1 to 2147483647/],
  ['a wait longer than a timer takes', { limit: ['loginDelayMsMax=2147483648'] }, /from 0 to 2147483647/],
  ['another database', { database: 'postgres://x' }, /embedded database/],
  ['a certificate without a key', { tlsCert: 'x' }, /both --tls-cert and --tls-key/],
  ['a public address with a fingerprint', { publicAddress: `wss://a#sha256:${'A'.repeat(43)}` }, /fingerprint/],
  ['a bad proxy', { behindProxy: ['10.0.0.0/99'] }, /--behind-proxy/],
  ['plain text beyond loopback', { listen: '0.0.0.0:0' }, /without TLS is refused/],
  ['plain TCP beyond loopback', { listenTcp: '[::]:0' }, /without TLS is refused/],
];
for (const [what, flags, text] of refusedConfig)
  test(`configuration with ${what} is refused in one sentence`, () => {
    assert.throws(() => load(flags), startError(2, text));
  });

test('a limit may have the least and the most that its timer takes', () => {
  const { limits: set } = load({ limit: ['commitRowsMax=1', 'authDeadlineMs=2147483647', 'registrationsPerDay=0'] });
  assert.deepEqual([set.commitRowsMax, set.authDeadlineMs, set.registrationsPerDay], [1, 2 ** 31 - 1, 0]);
});

test('a configuration file that is absent, no JSON, or has an unknown key is refused', () => {
  assert.throws(() => load({}, {}, join(folder, 'none')), startError(2, /cannot be read/));
  const file = join(folder, 'bad.json');
  writeFileSync(file, '{');
  assert.throws(() => load({}, {}, file), startError(2, /is not JSON/));
  writeFileSync(file, '{"colour": 1}');
  assert.throws(() => load({}, {}, file), startError(2, /unknown setting "colour"/));
  writeFileSync(file, '{"listen": {}}');
  assert.throws(() => load({}, {}, file), startError(2, /wrong kind/));
});

test('beyond loopback a proxy, TLS or an explicit word allow the listener', () => {
  const flags = { listen: '0.0.0.0:0', listenTcp: '0.0.0.0:0' };
  assert.ok(load({ ...flags, insecureListen: true }).insecureListen);
  assert.equal(load({ ...flags, behindProxy: ['10.0.0.0/8', '::1'] }).behindProxy.length, 2);
  assert.ok(load({ ...flags, tlsCert: 'a', tlsKey: 'b' }).tls);
});

test('the table serves help: every row has flag, environment name and help; every limit of a server is listed', () => {
  for (const row of configRows) {
    assert.match(row.flag, /^[a-z-]+$/);
    assert.equal(row.env, `SECURECHAT_${row.flag.toUpperCase().replaceAll('-', '_')}`);
    assert.ok(row.help.length > 10);
  }
  const names = limitRows().map(({ name }) => name);
  assert.ok(names.includes('messagesPerSecond') && !names.includes('frameBytesMax'));
  assert.equal(names.length, Object.values(limits).filter(({ scope }) => scope === 'server').length);
});
