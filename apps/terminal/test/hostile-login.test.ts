/** Login and registration over real sockets against the real server that lies: typed refusals, and nothing is published. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import { joining, PASSWORD } from './client-stand.ts';
import { changed, one, withLiar } from './lying-server.ts';

test('coming back with the words: a wrong vault or certificate publishes nothing', () =>
  withLiar(async (liar) => {
    const { stand } = liar;
    const alice = await stand.client('alice');
    const account = { username: 'alice', password: PASSWORD };
    const { recoveryWords } = await alice.client.register({ ...account, invite: stand.invite });
    const bob = await joining(stand, 'bob');
    await alice.client.close();
    await bob.client.close();
    const server = liar.parts();
    const record = async (name: string) => {
      const found = (await server.store.get('name', [name])).get(name);
      return (JSON.parse(new TextDecoder().decode(found?.value)) as { account: string }).account;
    };
    const foreign = (await server.store.get('vault', [await record('bob')])).get(await record('bob'))?.value;
    assert.ok(foreign !== undefined && foreign.length > 100);

    const elsewhere = await stand.client('elsewhere');
    const enter = () => elsewhere.client.login({ ...account, recoveryWords });
    for (const vault of [foreign, new Uint8Array(0), new Uint8Array(500).fill(1), new Uint8Array([9, 9, 9])]) {
      liar.lie('getVault', (honest) => changed(honest, { vault }));
      await assert.rejects(enter(), one('RECOVERY_WORDS_WRONG', 'SCHEMA_NEWER', 'MALFORMED', 'CERTIFICATE_REJECTED'));
    }
    liar.lie('getVault', (honest) => {
      const { vault } = honest.value as { vault: Uint8Array };
      const damaged = vault.slice();
      damaged[vault.length - 5] = (damaged[vault.length - 5] ?? 0) ^ 1;
      return changed(honest, { vault: damaged });
    });
    await assert.rejects(enter(), one('RECOVERY_WORDS_WRONG', 'MALFORMED', 'CERTIFICATE_REJECTED', 'PROFILE_DAMAGED'));
    liar.honest();

    const bobs = JSON.parse(
      new TextDecoder().decode(
        (await server.store.get('account', [await record('bob')])).get(await record('bob'))?.value,
      ),
    ) as { accountJws: string; listJws: string };
    for (const lie of [
      { accountJws: bobs.accountJws },
      { listJws: bobs.listJws },
      { accountJws: 'x'.repeat(5000) },
      { deviceJws: [] },
      { account: new Uint8Array(16) },
    ]) {
      liar.lie('loginFinish', (honest) => changed(honest, lie));
      await assert.rejects(enter(), one('CERTIFICATE_REJECTED', 'MALFORMED', 'TOO_LARGE'));
    }
    assert.equal(liar.requests.includes('publishDevices'), false);
    liar.honest();
    assert.equal((await enter()).username, 'alice');
  }));

test('another OPAQUE setup at a known server is refused, and nothing but the first message is sent', () =>
  withLiar(async ({ stand, requests }) => {
    const alice = await stand.client('alice');
    const account = { username: 'alice', password: PASSWORD };
    const { recoveryWords } = await alice.client.register({ ...account, invite: stand.invite });
    await alice.client.close();
    // The account's folder is lost; what is remembered of the server is not.
    const accounts = join(stand.folder, 'alice');
    for (const name of readdirSync(accounts))
      if (statSync(join(accounts, name)).isDirectory()) rmSync(join(accounts, name), { recursive: true });
    await stand.stop();
    rmSync(join(stand.folder, 'server', 'opaque.setup'));
    await stand.start();
    requests.length = 0;
    const again = await stand.client('alice');
    await assert.rejects(again.client.login({ ...account, recoveryWords }), one('SERVER_KEY_CHANGED', 'AUTH_FAILED'));
    assert.deepEqual(
      requests.filter((kind) => kind !== 'loginStart'),
      [],
    );
  }));

test('a registration that asks for impossible work, and an invite that is none, are refused', () =>
  withLiar(async (liar) => {
    const { stand } = liar;
    const alice = await joining(stand, 'alice');
    for (const code of ['\u001b[2Jxxxxxxxxxxxxxxxxxx', '', 'a'.repeat(5000), `${'a'.repeat(21)}&`]) {
      liar.lie('createInvite', (honest) => changed(honest, { code }));
      await assert.rejects(alice.client.invite(), one('MALFORMED'));
    }
    liar.lie('createInvite', (honest) => changed(honest, { expiresMs: 2 ** 53 - 1 }));
    await assert.rejects(alice.client.invite(), one('MALFORMED'));
    const carol = await stand.client('carol');
    for (const lie of [
      { registration: 'open', powBits: 25 },
      { registration: 'open', powBits: 200 },
      { registration: 'open', powBits: 1, challenge: new Uint8Array(100_000) },
    ]) {
      liar.lie('challenge', (honest) => changed(honest, lie));
      await assert.rejects(carol.client.register({ username: 'carol', password: PASSWORD }), one('POW_INVALID'));
    }
    liar.lie('challenge', (honest) => changed(honest, { registration: '\u001b]0;x\u0007' }));
    await assert.rejects(carol.client.registration(), one('MALFORMED'));
  }));

test('the answer to a registration is lost: the words are shown all the same, and they work', () =>
  withLiar(async (liar) => {
    const { stand } = liar;
    const account = { username: 'dora', password: PASSWORD };
    liar.lie('registerFinish', (_honest, _request, link) => void link.finish());
    // At the first look the account is not there yet.
    let looks = 0;
    liar.lie('loginStart', () => (looks++ === 0 ? new SecureChatError('AUTH_FAILED') : undefined));
    const dora = await stand.client('dora');
    const { recoveryWords } = await dora.client.register({ ...account, invite: stand.invite });
    assert.equal(looks, 2);
    liar.honest();
    await dora.client.close();
    const elsewhere = await stand.client('elsewhere');
    await assert.rejects(elsewhere.client.login(account), one('RECOVERY_WORDS_REQUIRED'));
    assert.equal((await elsewhere.client.login({ ...account, recoveryWords })).username, 'dora');
  }));

test('the last message of a registration never arrives: it can be repeated', () =>
  withLiar(async (liar) => {
    const { stand } = liar;
    const account = { username: 'emil', password: PASSWORD, invite: stand.invite };
    liar.lie('registerStart', (_honest, _request, link) => {
      // What the client sends next meets a closed door.
      setImmediate(() => link.finish());
      return undefined;
    });
    const emil = await stand.client('emil');
    await assert.rejects(emil.client.register(account), one('CONNECTION_LOST'));
    liar.honest();
    assert.ok((await emil.client.register(account)).recoveryWords);
  }));
