/** What a link is asked before it is attached: registration, login, and an attach that is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal, proofOfWork, systemEntropy } from '@securechat/crypto';
import { runServer } from './link-server.ts';
import { noPin, keys, known, open, attaching } from './link-stand.ts';

test('registration and login by OPAQUE, wrong password and unknown user alike, keys bound', async (t) => {
  const server = await runServer(t, { keys, device: known });
  const { link } = await open(t, server.ws);
  const jws = { accountJws: 'a', deviceJws: 'd', listJws: 'l' };
  const registered = await link.register({ username: 'bob', password: 'Grüße', certificates: async () => jws });
  const login = await link.login('bob', 'Gru\u0308ße');
  assert.equal(login.done.accountJws.length, 9_000);
  assert.deepEqual(login.exportKey, registered.exportKey);
  assert.equal(login.exportKey.length, 64);
  assert.equal(login.opaqueKey, registered.opaqueKey);
  await link.attach(attaching());
  for (const [username, password] of [
    ['bob', 'wrong'],
    ['nobody', 'Grüße'],
  ] as const) {
    const { link: another } = await open(t, server.tcp);
    await assert.rejects(another.login(username, password), { code: 'AUTH_FAILED' });
  }
  const pin = { ...noPin, fingerprint: keys.fingerprint, opaqueKey: 'another key' };
  const { link: pinned } = await open(t, server.tcp, { pin });
  await assert.rejects(pinned.login('bob', 'Grüße'), { code: 'SERVER_KEY_CHANGED' });
});

test('a login that is asked for work does it once; work that takes too long, or a second refusal, ends it', async (t) => {
  const challenge = systemEntropy(32);
  let powBits = 6;
  let refusing = false;
  const server = await runServer(t, {
    keys,
    intercept: (peer, { body }, number) => {
      if (body?.$case === 'challenge') {
        assert.equal(body.value.login, true);
        peer.respond(number, { $case: 'challenge', value: { registration: 'invite', challenge, powBits } });
        return true;
      }
      if (body?.$case !== 'loginStart') return false;
      const { challenge: given = new Uint8Array(0), powNonce = new Uint8Array(0) } = body.value;
      if (!refusing && equal(given, challenge) && proofOfWork.check(challenge, powNonce, powBits)) return false;
      peer.refuse(number, 'POW_INVALID');
      return true;
    },
  });
  const { link } = await open(t, server.tcp);
  const jws = { accountJws: 'a', deviceJws: 'd', listJws: 'l' };
  await link.register({ username: 'bob', password: 'secret word', certificates: async () => jws });
  assert.equal((await link.login('bob', 'secret word')).done.accountJws.length, 9_000);
  for (const change of [() => (powBits = 25), () => ((powBits = 6), (refusing = true))]) {
    change();
    const { link: another } = await open(t, server.tcp);
    await assert.rejects(another.login('bob', 'secret word'), { code: 'POW_INVALID' });
  }
});

test('a refused attach says why and leaves the session usable', async (t) => {
  const server = await runServer(t, {
    keys,
    onRequest: (peer, _request, number) => peer.respond(number, { $case: 'done', value: {} }),
  });
  const { link } = await open(t, server.ws);
  await assert.rejects(link.attach(attaching()), { code: 'NOT_AUTHENTICATED' });
  assert.equal((await link.request('detach', {})).$case, 'done');
});
