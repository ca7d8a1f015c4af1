/** Goal: password logins: unknown users and wrong passwords look alike, guessing gets slow, nobody is locked out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { client as opaque } from '@serenity-kit/opaque';
import { proofOfWork, systemEntropy } from '@securechat/crypto';
import { adminDisable, adminEnable, adminInvite } from '@securechat/server';
import { SecureChatError } from '@securechat/wire';
import type { Value } from '../client.ts';
import type { Person } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand } from '../stand.ts';

let stand: Stand;
let anna: Person;
let nowMs = 0;
before(async () => {
  stand = await makeStand({
    limits: { loginsPerAddressBurst: 40, loginsPerAddressPerMinute: 60 },
    // It stands still between tests' steps: a slow machine does not wait out what a login has to wait.
    surroundings: { clock: { wallMs: () => Date.now(), monotonicMs: () => nowMs } },
  });
  anna = await stand.register('anna');
});
after(() => stand.stop());

const ke1 = () => opaque.startLogin({ password: 'whatever' }).startLoginRequest;

test('unknown user and wrong password get answers of one shape and length, and fail at the same place', async () => {
  const client = await stand.connect();
  const known = await client.ask('loginStart', { username: 'anna', opaque: ke1() }, 'loginStart');
  const unknown = await client.ask('loginStart', { username: 'nobody', opaque: ke1() }, 'loginStart');
  const noName = await client.ask('loginStart', { username: '  ', opaque: ke1() }, 'loginStart');
  assert.equal(known.opaque.length, unknown.opaque.length);
  assert.equal(known.opaque.length, noName.opaque.length);
  for (const username of ['anna', 'nobody'])
    await assert.rejects(client.login(username, 'wrong password'), coded('AUTH_FAILED'));
  // The same connection may go on with the right one.
  const done = await client.login('anna', anna.password);
  assert.deepEqual([done.accountJws, done.listJws, done.deviceJws], [anna.accountJws, anna.listJws, [anna.deviceJws]]);
  client.close();
});

test('a wrong KE3 ends the connection without a word, as for an unknown user', async () => {
  for (const username of ['anna', 'nobody']) {
    const client = await stand.connect();
    await client.ask('loginStart', { username, opaque: ke1() }, 'loginStart');
    await assert.rejects(client.request('loginFinish', { opaque: 'A'.repeat(86) }), coded('CONNECTION_LOST'));
  }
  const client = await stand.connect();
  await assert.rejects(client.request('loginFinish', { opaque: 'A'.repeat(86) }), coded('NOT_AUTHENTICATED'));
  client.close();
});

test('after loginFailuresFree failures each try has to wait, for unknown names too; the right password clears it', async () => {
  const client = await stand.connect();
  for (const username of ['bob', 'nobody.else']) {
    if (username === 'bob') await stand.register('bob');
    for (let tries = 0; tries < stand.config.limits.loginFailuresFree; tries += 1)
      await assert.rejects(client.login(username, 'wrong'), coded('AUTH_FAILED'));
    await assert.rejects(client.login(username, 'wrong'), (error) => {
      assert.ok(error instanceof SecureChatError && error.code === 'RATE_LIMITED');
      assert.ok(error.detail.retryAfterMs === 1000);
      return true;
    });
  }
  nowMs += 1000;
  await client.login('bob', 'correct horse battery');
  // Cleared: the free tries are there again.
  await client.login('bob', 'correct horse battery');
  client.close();
});

test('loginsPerAddressBurst logins may start from one address, one more has to wait', async () => {
  nowMs += 3_600_000;
  const client = await stand.connect();
  const { loginsPerAddressBurst } = stand.config.limits;
  for (let count = 0; count < loginsPerAddressBurst; count += 1)
    await client.ask('loginStart', { username: `user${count}`, opaque: ke1() }, 'loginStart');
  await assert.rejects(client.request('loginStart', { username: 'last', opaque: ke1() }), coded('RATE_LIMITED'));
  nowMs += 1000;
  await client.ask('loginStart', { username: 'last', opaque: ke1() }, 'loginStart');
  nowMs += 3_600_000;
  client.close();
});

test('beyond loginsPerNamePerHour a login needs a proof of work, for unknown names too, and nobody is locked out', async () => {
  let atMs = 0;
  const some = await makeStand({
    limits: { loginsPerNamePerHour: 3, loginPowBits: 8, loginFailuresFree: 100 },
    surroundings: { clock: { wallMs: () => Date.now(), monotonicMs: () => atMs } },
  });
  try {
    const bob = await some.register('bob');
    const client = await some.connect();
    const start = (username: string, pow: Partial<Value<'loginStart'>> = {}) =>
      client.request('loginStart', { username, opaque: ke1(), ...pow });
    const work = async (): Promise<Partial<Value<'loginStart'>>> => {
      const { challenge, powBits } = await client.ask('challenge', { login: true }, 'challenge');
      assert.equal(powBits, 8);
      return { challenge, powNonce: await proofOfWork.solve(challenge, powBits) };
    };
    for (const username of ['bob', 'nobody']) {
      for (let tries = 0; tries < 3; tries += 1) await start(username);
      await assert.rejects(start(username), coded('POW_INVALID'));
      await assert.rejects(
        start(username, { challenge: systemEntropy(32), powNonce: new Uint8Array(8) }),
        coded('POW_INVALID'),
      );
      const pow = await work();
      await start(username, pow);
      await assert.rejects(start(username, pow), coded('POW_INVALID'), 'a challenge is good once');
    }
    // The owner comes in with it, and without it when an hour has passed.
    await client.login('bob', bob.password, await work());
    atMs += 3_600_000;
    await client.login('bob', bob.password);
    client.close();
  } finally {
    await some.stop();
  }
});

test('asking whether names are taken counts like a login: a valid invite is no licence to enumerate', async () => {
  nowMs += 3_600_000;
  const client = await stand.connect();
  const { code } = await adminInvite(stand.data);
  const { registrationRequest } = opaque.startRegistration({ password: 'x' });
  const ask = (username: string) =>
    client.request('registerStart', {
      username,
      opaque: registrationRequest,
      invite: code,
      challenge: new Uint8Array(0),
      powNonce: new Uint8Array(0),
    });
  for (let count = 0; count < stand.config.limits.loginsPerAddressBurst; count += 1)
    await assert.rejects(ask('anna'), coded('NAME_TAKEN'));
  await assert.rejects(ask('anna'), coded('RATE_LIMITED'));
  nowMs += 3_600_000;
  client.close();
});

test('a disabled account proves its password and is told; enabled again it comes in', async () => {
  await adminDisable(stand.data, 'anna');
  const client = await stand.connect();
  await assert.rejects(client.login('anna', anna.password), coded('ACCOUNT_DISABLED'));
  await assert.rejects(client.request('getVault', {}), coded('NOT_AUTHENTICATED'));
  client.close();
  const again = await stand.connect();
  await assert.rejects(again.attach(anna), coded('ACCOUNT_DISABLED'));
  again.close();
  await adminEnable(stand.data, 'anna');
  const back = await stand.connect();
  await back.login('anna', anna.password);
  back.close();
});

test('what needs a login or an attach is refused before it', async () => {
  const client = await stand.connect();
  const account = new Uint8Array(16);
  for (const [kind, value] of [
    ['getVault', {}],
    ['publishDevices', { listJws: '', deviceJws: '' }],
    ['lookup', { who: { $case: 'username', value: 'anna' } }],
    ['getPresence', { account }],
    ['blobGet', { blob: account, offset: 0, length: 1 }],
    ['detach', {}],
    ['attachConfirm', { storedUpTo: 0, submitNumberHighest: 0 }],
  ] as const)
    await assert.rejects(client.request(kind, value), coded('NOT_AUTHENTICATED'), kind);
  await client.login('anna', anna.password);
  await assert.rejects(client.request('getPresence', { account }), coded('NOT_AUTHENTICATED'));
  assert.equal((await client.ask('getVault', {}, 'vault')).version, 0);
  client.close();
});
