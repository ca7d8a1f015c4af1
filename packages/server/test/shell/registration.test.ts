/** Goal: every way into a server, and every refusal on it, over a real connection. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { client as opaque } from '@serenity-kit/opaque';
import { proofOfWork } from '@securechat/crypto';
import { adminInvite } from '@securechat/server';
import type { TestClient } from '../client.ts';
import { makePerson, rsa } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand } from '../stand.ts';

let invited: Stand;
let open: Stand;
before(async () => {
  invited = await makeStand();
  open = await makeStand({
    flags: { registration: 'open', registrationPowBits: '4' },
    limits: { registrationsPerAddressPerHour: 2, registrationsPerDay: 3 },
  });
});
after(async () => {
  await invited.stop();
  await open.stop();
});

const request = opaque.startRegistration({ password: 'x' }).registrationRequest;
const nothing = new Uint8Array(0);
const startWith = (change: object) => ({
  username: 'someone',
  opaque: request,
  invite: '',
  challenge: nothing,
  powNonce: nothing,
  ...change,
});

test('the challenge names the mode, and carries work in open mode alone', async () => {
  const here = await (await invited.connect()).ask('challenge', {}, 'challenge');
  assert.deepEqual({ ...here }, { registration: 'invite', challenge: nothing, powBits: 0 });
  const there = await (await open.connect()).ask('challenge', {}, 'challenge');
  assert.equal(there.registration, 'open');
  assert.equal(there.powBits, 4);
  assert.equal(there.challenge.length, 32);
});

test('without an invite, with a wrong one, with a bad or taken name: each has its code, and the connection lives on', async () => {
  const anna = await invited.register('anna');
  const { code } = await adminInvite(invited.data);
  const client = await invited.connect('ws');
  await assert.rejects(client.request('registerStart', startWith({})), coded('INVITE_REQUIRED'));
  for (const bad of ['x', 'A'.repeat(22), '../../../etc'])
    await assert.rejects(client.request('registerStart', startWith({ invite: bad })), coded('INVITE_INVALID'));
  const withInvite = (username: string) => client.request('registerStart', startWith({ invite: code, username }));
  for (const bad of ['ab', 'with space', 'a'.repeat(33), 'аdmin-mix', ''])
    await assert.rejects(withInvite(bad), coded('NAME_INVALID'), bad);
  await assert.rejects(withInvite(anna.username), coded('NAME_TAKEN'));
  await assert.rejects(withInvite('ANNA'), coded('NAME_TAKEN'));
  await assert.rejects(
    client.request('registerStart', startWith({ invite: code, opaque: 'not opaque' })),
    coded('MALFORMED'),
  );
  assert.equal((await withInvite('fresh.name')).$case, 'registerStart');
  client.close();
});

test('a name that people would take for the operator is taken for everybody, however it is spelled', async () => {
  const { code } = await adminInvite(invited.data);
  const client = await invited.connect();
  const start = (username: string) => client.request('registerStart', startWith({ invite: code, username }));
  for (const reserved of ['admin', 'root', 'securechat', 'server', 'support', 'system', 'ADMIN', 'adm1n', 'r00t'])
    await assert.rejects(start(reserved), coded('NAME_TAKEN'), reserved);
  for (const free of ['administrator', 'servers', 'my.admin', 'rooted'])
    assert.equal((await start(free)).$case, 'registerStart', free);
  client.close();
});

test('an invite serves its uses and no more', async () => {
  const { code } = await adminInvite(invited.data, { uses: 2 });
  const join = async (username: string): Promise<void> => {
    const client = await invited.connect();
    const person = await makePerson({ username, server: client.fingerprint });
    await client.register(person, { invite: code });
    client.close();
  };
  await join('first.guest');
  await join('second.guest');
  await assert.rejects(join('third.guest'), coded('INVITE_INVALID'));
});

test('of two that race for one name or one invite use, exactly one wins', async () => {
  const race = async (names: readonly string[], codes: readonly string[]): Promise<string[]> => {
    const clients: TestClient[] = await Promise.all(names.map(() => invited.connect()));
    return Promise.all(
      clients.map(async (client, index) => {
        const person = await makePerson({ username: names[index] ?? '', server: client.fingerprint });
        try {
          await client.register(person, { invite: codes[index] ?? '' });
          return 'registered';
        } catch (error) {
          return (error as { code: string }).code;
        } finally {
          client.close();
        }
      }),
    );
  };
  const two = await adminInvite(invited.data, { uses: 2 });
  assert.deepEqual((await race(['racer', 'racer'], [two.code, two.code])).sort(), ['NAME_TAKEN', 'registered']);
  // The loser used nothing: one use is left.
  assert.deepEqual((await race(['next.one', 'other.one'], [two.code, two.code])).sort(), [
    'INVITE_INVALID',
    'registered',
  ]);
});

test('certificates for another name, server or key are refused, and nothing of the account stays', async () => {
  const { code } = await adminInvite(invited.data, { uses: 3 });
  const client = await invited.connect();
  const good = await makePerson({ username: 'careful', server: client.fingerprint });
  const otherName = await makePerson({ username: 'somebody', server: client.fingerprint });
  const otherServer = await makePerson({ username: 'careful', server: rsa.otherIdentity.public.fingerprint });
  const otherKey = await makePerson({ username: 'careful', server: client.fingerprint, identity: rsa.otherIdentity });
  for (const bad of [
    { ...good, accountJws: otherName.accountJws },
    { ...good, accountJws: otherServer.accountJws },
    { ...good, listJws: otherKey.listJws },
    { ...good, deviceJws: otherKey.deviceJws },
    { ...good, deviceJws: 'x'.repeat(100) },
  ])
    await assert.rejects(client.register(bad, { invite: code }), coded('CERTIFICATE_REJECTED'));
  await client.register(good, { invite: code });
  await client.login('careful', good.password);
  client.close();
});

test('a device or account id in use is refused', async () => {
  const owner = await invited.register('owner');
  const { code } = await adminInvite(invited.data, { uses: 2 });
  const client = await invited.connect();
  const sameDevice = await makePerson({ username: 'thief.one', server: client.fingerprint, device: owner.device });
  await assert.rejects(client.register(sameDevice, { invite: code }), coded('VERSION_CONFLICT'));
  const sameAccount = await makePerson({ username: 'thief.two', server: client.fingerprint, account: owner.account });
  await assert.rejects(client.register(sameAccount, { invite: code }), coded('VERSION_CONFLICT'));
  client.close();
});

test('RegisterFinish without RegisterStart is refused', async () => {
  const client = await invited.connect();
  const value = { opaque: 'x', accountJws: '', deviceJws: '', listJws: '' };
  await assert.rejects(client.request('registerFinish', value), coded('NOT_AUTHENTICATED'));
  client.close();
});

test('open registration: work is wanted, counted once, and limited per address and day', async () => {
  const client = await open.connect();
  const solve = async () => {
    const { challenge, powBits } = await client.ask('challenge', {}, 'challenge');
    return { challenge, powNonce: await proofOfWork.solve(challenge, powBits) };
  };
  await assert.rejects(client.request('registerStart', startWith({})), coded('POW_INVALID'));
  const work = await solve();
  const other = { ...work, challenge: new Uint8Array(32) };
  await assert.rejects(client.request('registerStart', startWith(other)), coded('POW_INVALID'));
  await client.request('registerStart', startWith(work));
  await assert.rejects(client.request('registerStart', startWith(work)), coded('POW_INVALID'));
  const join = async (username: string): Promise<void> =>
    client.register(await makePerson({ username, server: client.fingerprint }), await solve());
  // registrationsPerAddressPerHour is 2 here.
  await join('walk.in.one');
  const early = await client.ask('challenge', {}, 'challenge');
  await join('walk.in.two');
  // Two of registrationsPerDay (3) are gone: one bit more. Who was asked for less a moment ago owes no more than that.
  assert.equal((await client.ask('challenge', {}, 'challenge')).powBits, 5);
  assert.equal(early.powBits, 4);
  const powNonce = await proofOfWork.solve(early.challenge, early.powBits);
  await assert.rejects(
    client.request('registerStart', startWith({ challenge: early.challenge, powNonce, username: 'walk.in.two' })),
    coded('NAME_TAKEN'),
  );
  await assert.rejects(join('walk.in.three'), coded('RATE_LIMITED'));
  // An invite passes by the limits of strangers.
  const { code } = await adminInvite(open.data);
  await client.register(await makePerson({ username: 'guest', server: client.fingerprint }), { invite: code });
  client.close();
});

test('a closed server takes nobody, not even with an invite', async () => {
  const { code } = await adminInvite(invited.data);
  await invited.restart({ registration: 'closed' });
  try {
    const client = await invited.connect();
    assert.equal((await client.ask('challenge', {}, 'challenge')).registration, 'closed');
    await assert.rejects(client.request('registerStart', startWith({ invite: code })), coded('REGISTRATION_CLOSED'));
    client.close();
  } finally {
    await invited.restart();
  }
});
