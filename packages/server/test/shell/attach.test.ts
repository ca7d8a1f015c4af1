/** Goal: who may attach, who is fenced by whom, and what a resumption is good for. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { codeOf, idBytes, presences } from '@securechat/wire';
import { adminDisable, adminEnable } from '@securechat/server';
import type { TestClient } from '../client.ts';
import { Outbox } from '../client.ts';
import type { Person } from '../people.ts';
import { newDevice, onNewDevice, rsa } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand, until } from '../stand.ts';
import { unwrapSecret, wrapSecret } from '../../src/shell/link/wrapped-secret.ts';

let stand: Stand;
let anna: Person;
let bob: Person;
before(async () => {
  // Waiting for a condition asks often.
  stand = await makeStand({ limits: { framesBurst: 100_000 } });
  anna = await stand.register('anna');
  bob = await stand.register('bob');
});
after(() => stand.stop());

/** The code of the LoggedOut event, after which the connection ends. */
async function loggedOut(client: TestClient): Promise<string> {
  const event = await client.events.next();
  await client.wire.closed;
  return event?.body?.$case === 'loggedOut' ? codeOf(event.body.value.code) : 'closed without a word';
}

test('a device attaches with its keys alone, without a password, and each attach has a higher generation', async () => {
  const first = await stand.connect();
  const { generation } = await first.attach(anna);
  first.close();
  const second = await stand.connect('ws');
  assert.equal((await second.attach(anna)).generation, generation + 1);
  second.close();
});

test('a wrong signature, device or account is not authenticated; both device keys are needed', async () => {
  const stranger = { ...anna, device: newDevice() };
  const wrongKey = { ...anna, device: { ...anna.device, signing: newDevice().signing } };
  const wrongAccount = { ...anna, account: bob.account };
  for (const bad of [stranger, wrongKey, wrongAccount]) {
    const client = await stand.connect();
    await assert.rejects(client.attach(bad), coded('NOT_AUTHENTICATED'));
    // It may try again on the same session.
    await client.attach(anna);
    client.close();
  }
  const wrongSealing = { ...anna, device: { ...anna.device, sealing: rsa.otherSealing } };
  const thief = await stand.connect();
  await assert.rejects(thief.attach(wrongSealing), coded('CONNECTION_LOST'));
});

test('a signature of another session is void', async () => {
  const [one, other] = [await stand.connect(), await stand.connect()];
  // Signed over the transcript of the one, sent over the other.
  Object.defineProperty(other.session, 'transcript', { get: () => one.session.transcript });
  await assert.rejects(other.attach(anna), coded('NOT_AUTHENTICATED'));
  one.close();
  other.close();
});

test('a second connection of the device ends the first with SESSION_REPLACED; rows not acknowledged go to the second', async () => {
  const first = await stand.attach(bob, 'ws');
  const sender = await stand.attach(anna);
  const outbox = new Outbox();
  const founding = outbox.found(anna, bob);
  sender.submit(founding);
  await sender.accepted.next();
  assert.equal((await first.delivered.next())?.kind, 'invitation');
  const second = await stand.attach(bob, 'tcp');
  assert.equal(await loggedOut(first), 'SESSION_REPLACED');
  assert.equal((await second.delivered.next())?.kind, 'invitation');
  assert.equal((await second.delivered.next())?.kind, 'message');
  // The first half of an attach fences nobody.
  const third = await stand.connect();
  await third.proveDevice(bob);
  sender.submit(outbox.message(founding.group, new Uint8Array([1])));
  assert.equal((await second.delivered.next())?.seq, 3);
  second.ack(3);
  for (const client of [sender, second, third]) client.close();
});

test('what a killed process still had on its way does not end its successor', async () => {
  const killed = await stand.connect();
  await killed.proveDevice(bob);
  const successor = await stand.attach(bob, 'ws');
  // Its last frame arrives only now.
  await assert.rejects(killed.confirm(), coded('CONNECTION_LOST'));
  assert.equal(
    (await successor.ask('getPresence', { account: idBytes(bob.account) }, 'presence')).presence,
    presences.online,
  );
  assert.equal(successor.events.length, 0);
  successor.close();
});

test('a connection that ends while its attach is stored leaves nobody online', async () => {
  const watcher = await stand.attach(anna);
  const seesOffline = async (): Promise<boolean> => {
    const { presence } = await watcher.ask('getPresence', { account: idBytes(bob.account) }, 'presence');
    return presence === presences.offline;
  };
  assert.ok(await until(seesOffline));
  const gone = await stand.connect();
  await gone.proveDevice(bob);
  gone.confirm().catch(() => undefined);
  gone.close();
  await gone.wire.closed;
  // By the time of these answers the store has taken the attach as well.
  for (let asked = 0; asked < 20; asked += 1) await seesOffline();
  assert.ok(await until(seesOffline));
  watcher.close();
});

test('between the halves of an attach nothing else is answered', async () => {
  const client = await stand.connect();
  await client.proveDevice(anna);
  await assert.rejects(client.request('challenge', {}), coded('CONNECTION_LOST'));
});

test('a resumption saves the RSA part once; the second use falls back to a full handshake', async () => {
  const first = await stand.connect('ws');
  const { resumptionHandle: handle, resumptionSecret: secret } = await first.attach(anna);
  first.close();
  const second = await stand.connect('tcp', { resumption: { handle, secret } });
  assert.equal(second.resumed, true);
  const next = await second.attach(anna);
  assert.notDeepEqual(next.resumptionHandle, handle);
  second.close();
  const third = await stand.connect('tcp', { resumption: { handle, secret } });
  assert.equal(third.resumed, false);
  await third.attach(anna);
  third.close();
});

test('a resumption secret does not lie in the database, whose thief would be the server for that device', async () => {
  const first = await stand.connect();
  const { resumptionHandle: handle, resumptionSecret: secret } = await first.attach(anna);
  first.close();
  const files = readdirSync(stand.data).filter((name) => /db|wal/.test(name));
  const bytes = Buffer.concat(files.map((name) => readFileSync(join(stand.data, name))));
  const forms = (value: Uint8Array) => [Buffer.from(value), Buffer.from(Buffer.from(value).toString('base64url'))];
  assert.ok(
    forms(handle).some((form) => bytes.includes(form)),
    'the row is there',
  );
  assert.ok(!forms(secret).some((form) => bytes.includes(form)));
});

test('a wrapped secret opens in its place alone', () => {
  const key = new Uint8Array(32).fill(1);
  const secret = new Uint8Array(32).fill(2);
  const handle = Buffer.alloc(16, 3).toString('base64url');
  const place = { handle, account: anna.account, device: anna.device.device };
  const entropy = (count: number) => new Uint8Array(count).fill(4);
  const wrapped = wrapSecret(key, secret, place, entropy);
  assert.deepEqual(unwrapSecret(key, wrapped, place), secret);
  const elsewhere = Buffer.alloc(16, 5).toString('base64url');
  assert.equal(unwrapSecret(key, wrapped, { ...place, handle: elsewhere }), undefined);
  assert.equal(unwrapSecret(key, wrapped, { ...place, account: bob.account }), undefined);
  assert.equal(unwrapSecret(key, wrapped, { ...place, device: bob.device.device }), undefined);
  assert.equal(unwrapSecret(new Uint8Array(32), wrapped, place), undefined);
  assert.equal(unwrapSecret(key, '', place), undefined);
  assert.equal(unwrapSecret(key, Buffer.from(secret).toString('base64url'), place), undefined);
});

test('a resumption serves its own device alone, and only when the session stands on it', async () => {
  const first = await stand.connect();
  const { resumptionHandle: handle, resumptionSecret: secret } = await first.attach(anna);
  first.close();
  const other = await stand.connect('tcp', { resumption: { handle, secret } });
  await assert.rejects(other.attach(bob), coded('NOT_AUTHENTICATED'));
  other.close();
  const plain = await stand.connect();
  await assert.rejects(plain.attach(anna, { claimResumed: true }), coded('NOT_AUTHENTICATED'));
  plain.close();
  const wrong = await stand.connect('tcp', { resumption: { handle, secret: new Uint8Array(32) } });
  assert.equal(wrong.resumed, false);
  wrong.close();
});

test('detach makes the resumption void and ends the connection', async () => {
  const client = await stand.connect();
  const { resumptionHandle: handle, resumptionSecret: secret } = await client.attach(anna);
  await client.ask('detach', {}, 'done');
  await client.wire.closed;
  const again = await stand.connect('tcp', { resumption: { handle, secret } });
  assert.equal(again.resumed, false);
  again.close();
});

test('disabling an account ends its connection and its resumption at once', async () => {
  const client = await stand.connect();
  const { resumptionHandle: handle, resumptionSecret: secret } = await client.attach(bob);
  await adminDisable(stand.data, 'bob');
  assert.equal(await loggedOut(client), 'ACCOUNT_DISABLED');
  const again = await stand.connect('tcp', { resumption: { handle, secret } });
  assert.equal(again.resumed, false);
  again.close();
  await adminEnable(stand.data, 'bob');
});

test('disabling an account ends a connection half way into an attach as well', async () => {
  const halfway = await stand.connect();
  await halfway.proveDevice(bob);
  await adminDisable(stand.data, 'bob');
  await assert.rejects(halfway.confirm(), coded('CONNECTION_LOST'));
  await adminEnable(stand.data, 'bob');
});

test('coming back on a new device: the old one is told DEVICE_REVOKED, its mail bounces, and it stays out', async () => {
  const carol = await stand.register('carol');
  const sender = await stand.attach(anna);
  const founding = new Outbox(100).found(anna, carol);
  sender.submit(founding);
  await sender.accepted.next();
  const old = await stand.connect();
  const { resumptionHandle: handle, resumptionSecret: secret } = await old.attach(carol, { storedUpTo: 1 });

  const next = await onNewDevice(carol, stand.server.ready.fingerprint);
  const fresh = await stand.connect('ws');
  await fresh.login('carol', carol.password);
  await fresh.ask('publishDevices', { deviceJws: next.deviceJws, listJws: next.listJws }, 'done');
  assert.equal(await loggedOut(old), 'DEVICE_REVOKED');
  assert.equal((await sender.delivered.next())?.kind, 'bounce');
  // Repeated after a lost answer: answered the same.
  await fresh.ask('publishDevices', { deviceJws: next.deviceJws, listJws: next.listJws }, 'done');
  assert.equal((await fresh.attach(next)).listVersion, 2);

  const revoked = await stand.connect('tcp', { resumption: { handle, secret } });
  assert.equal(revoked.resumed, false);
  await assert.rejects(revoked.attach(carol), coded('DEVICE_REVOKED'));
  for (const client of [sender, fresh, revoked]) client.close();
});
