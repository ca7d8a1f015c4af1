/** Goal: vault, key reset and deletion of an account, and what others see of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ed25519, sha256, signIdentityRotation } from '@securechat/crypto';
import { codeOf, control, idBytes } from '@securechat/wire';
import type { TestClient } from '../client.ts';
import { Outbox } from '../client.ts';
import type { Person } from '../people.ts';
import { withNewKeys } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand } from '../stand.ts';

let stand: Stand;
before(async () => {
  stand = await makeStand();
});
after(() => stand.stop());

const nothing = new Uint8Array(0);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Both write to each other: contacts. */
async function acquaint(a: TestClient, one: Person, b: TestClient, other: Person) {
  const [outA, outB] = [new Outbox(), new Outbox()];
  const founding = outA.found(one, other);
  a.submit(founding);
  await a.accepted.next();
  b.submit(outB.message(founding.group, utf8('answer')));
  await b.accepted.next();
  return { founding, outA, outB };
}

function resetOf(next: Person, change: Partial<control.ResetKeys> = {}): control.ResetKeys {
  return {
    accountJws: next.accountJws,
    deviceJws: next.deviceJws,
    listJws: next.listJws,
    vault: utf8('new vault'),
    vaultVersion: 0,
    rotationJws: '',
    recoverySignature: nothing,
    ...change,
  };
}

test('the vault: first one after a login, later ones after attach, each replacing the version it names', async () => {
  const vera = await stand.register('vera');
  const client = await stand.connect();
  await client.login('vera', vera.password);
  // 32 KiB at most, over several records before attach.
  await client.ask('putVault', { vault: new Uint8Array(32 * 1024).fill(7), version: 0 }, 'done');
  assert.equal((await client.ask('getVault', {}, 'vault')).vault.length, 32 * 1024);
  await assert.rejects(client.request('putVault', { vault: utf8('b'), version: 1 }), coded('NOT_AUTHENTICATED'));
  await assert.rejects(client.request('putVault', { vault: utf8('b'), version: 0 }), coded('VERSION_CONFLICT'));
  const attached = await client.attach(vera);
  assert.equal(attached.vaultVersion, 1);
  await client.ask('putVault', { vault: utf8('b'), version: 1 }, 'done');
  await assert.rejects(client.request('putVault', { vault: utf8('c'), version: 1 }), coded('VERSION_CONFLICT'));
  const vault = await client.ask('getVault', {}, 'vault');
  assert.deepEqual([vault.version, new TextDecoder().decode(vault.vault)], [2, 'b']);
  client.close();
});

test('a key reset: contacts are told, the old device is out, name and password stay, mail goes back', async () => {
  const [rita, sam] = [await stand.register('rita'), await stand.register('sam')];
  const [r, s] = [await stand.attach(rita), await stand.attach(sam)];
  const { founding, outB } = await acquaint(r, rita, s, sam);
  // Rita does not acknowledge: what waits for her old device goes back.
  s.submit(outB.message(founding.group, utf8('too late')));
  await s.accepted.next();

  const next = await withNewKeys(rita, stand.server.ready.fingerprint);
  const rotationJws = await signIdentityRotation(rita.identity, {
    account: rita.account,
    sequence: 2,
    new: next.identity.public.fingerprint,
    issuedAtMs: Date.now(),
  });
  const signed = sha256(utf8(next.accountJws));
  const recoverySignature = ed25519.sign(rita.recovery.privateKey, signed);
  const bad = ed25519.sign(next.device.signing.privateKey, signed);
  const other = await signIdentityRotation(next.identity, {
    account: rita.account,
    sequence: 2,
    new: next.identity.public.fingerprint,
    issuedAtMs: 0,
  });
  for (const change of [{ recoverySignature: bad }, { rotationJws: other }, { rotationJws: 'x.y.z' }])
    await assert.rejects(r.request('resetKeys', resetOf(next, change)), coded('CERTIFICATE_REJECTED'));
  await assert.rejects(r.request('resetKeys', resetOf(next, { vaultVersion: 5 })), coded('VERSION_CONFLICT'));
  await assert.rejects(r.request('resetKeys', resetOf(rita)), coded('VERSION_CONFLICT'));

  await r.ask('resetKeys', resetOf(next, { rotationJws, recoverySignature }), 'done');
  // The one who asked is closed without being told that somebody else did it.
  await r.wire.closed;
  assert.equal(r.events.length, 0);
  const bounced = await s.delivered.next();
  const rows = [bounced, await s.delivered.next(), await s.delivered.next(), await s.delivered.next()];
  const bounce = rows.find((row) => row?.kind === 'bounce');
  assert.equal(codeOf(control.Bounce.decode(bounce?.payload ?? nothing).code), 'RECIPIENT_RESET');
  const event = await s.events.next();
  assert.ok(event?.body?.$case === 'keysChanged');
  assert.deepEqual(event.body.value.account, idBytes(rita.account));
  const seen = await s.ask('lookup', { who: { $case: 'username', value: 'rita' } }, 'lookup');
  assert.equal(seen.accountJws, next.accountJws);

  const back = await stand.connect('ws');
  const done = await back.login('rita', rita.password);
  assert.equal(done.accountJws, next.accountJws);
  await back.attach(next);
  const revoked = await stand.connect();
  await assert.rejects(revoked.attach(rita), coded('DEVICE_REVOKED'));
  for (const client of [s, back, revoked]) client.close();
});

test('a reset for another account, or without its recovery keys, is refused', async () => {
  const [uma, vic] = [await stand.register('uma'), await stand.register('vic')];
  const client = await stand.attach(uma);
  const foreign = await withNewKeys(vic, stand.server.ready.fingerprint);
  await assert.rejects(client.request('resetKeys', resetOf(foreign)), coded('CERTIFICATE_REJECTED'));
  const recovery = ed25519.generate((bytes) => new Uint8Array(bytes).fill(3));
  const lost = await withNewKeys({ ...uma, recovery }, stand.server.ready.fingerprint);
  await assert.rejects(client.request('resetKeys', resetOf(lost)), coded('CERTIFICATE_REJECTED'));
  client.close();
});

test('deleting an account takes its name typed again; contacts are told, the name stays taken, the keys are gone', async () => {
  const [dora, emil] = [await stand.register('dora'), await stand.register('emil')];
  const [d, e] = [await stand.attach(dora), await stand.attach(emil)];
  await acquaint(d, dora, e, emil);
  await assert.rejects(d.request('deleteAccount', { username: 'emil' }), coded('NO_SUCH_USER'));
  await d.ask('deleteAccount', { username: 'dora' }, 'done');
  await d.wire.closed;
  assert.equal((await e.events.next())?.body?.$case, 'keysChanged');
  await assert.rejects(e.request('lookup', { who: { $case: 'username', value: 'dora' } }), coded('NO_SUCH_USER'));
  const again = await stand.connect();
  await assert.rejects(again.attach(dora), coded('NOT_AUTHENTICATED'));
  await assert.rejects(again.login('dora', dora.password), coded('AUTH_FAILED'));
  again.close();
  await assert.rejects(stand.register('dora'), coded('NAME_TAKEN'));
  e.close();
});
