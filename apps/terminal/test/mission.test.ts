// Goal: each row of the original system that lives on here, 1 to 15, is shown by the real programs. The conversations of
// rows 8 to 11 are played word for word in original.test.ts; here every row has one short proof.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { CanarySearch } from './canary-search.ts';
import { makeFolder, startChat, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';
import { readProfile, rsaKeysIn } from './profile-reader.ts';
import { startRecordingProxy } from './recording-proxy.ts';
import type { RecordingProxy } from './recording-proxy.ts';

const folder = makeFolder('mission');
const password = 'walnut sofa thunder';
const secret = 'Meet me by the crooked weathervane at a quarter past nine.';
let server: RunningServer;
let wires: { readonly ws: RecordingProxy; readonly tcp: RecordingProxy };
let alice: Rpc;
let bob: Rpc;
let fingerprints: readonly string[] = [];
before(async () => {
  server = await startServer(folder);
  wires = { ws: await startRecordingProxy(server.ws), tcp: await startRecordingProxy(server.tcp) };
  alice = startRpc(folder, wires.ws.address, { home: 'alice' });
  bob = startRpc(folder, wires.tcp.address, { home: 'bob' });
  const made = await Promise.all(
    Object.entries({ alice, bob }).map(([username, rpc]) =>
      rpc.call('register', { username, password, invite: server.invite }),
    ),
  );
  fingerprints = made.map(({ fingerprint }) => String(fingerprint));
  await alice.call('send', { to: '@bob', text: secret });
  await bob.told('message', ({ text }) => text === secret);
});
after(async () => {
  await folder.remove();
  await Promise.all([wires.ws.close(), wires.tcp.close()]);
});

const rowsOf = (sql: string): readonly Record<string, unknown>[] => {
  const db = new DatabaseSync(join(server.data, 'securechat.db'), { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
};

test('row 1: RSA key pairs of at least 2048 bits are made on the first launch, of server and client, and kept', async () => {
  for (const name of ['identity.pem', 'sealing.pem']) {
    const path = join(server.data, name);
    const [pem = ''] =
      /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(readFileSync(path, 'utf8')) ?? [];
    const key = createPrivateKey(pem);
    assert.equal(key.asymmetricKeyType, 'rsa');
    assert.ok((key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }
  assert.match(fingerprints[0] ?? '', /^sha256:/);
  assert.notEqual(fingerprints[0], fingerprints[1]);
});

test('row 2: over plain TCP as over WebSocket, with the same frames', () => {
  const [tcp] = wires.tcp.connections;
  const [ws] = wires.ws.connections;
  const hello = Buffer.concat(tcp?.down ?? []);
  const frame = hello.subarray(4, 4 + hello.readUInt32BE(0));
  // The identity, the first thing that both say of themselves, stands in either hello.
  assert.ok(Buffer.concat(ws?.down ?? []).includes(frame.subarray(0, 300)));
});

test('row 3: on connect the server shows its public keys; everything after is encrypted', () => {
  for (const { connections } of Object.values(wires)) {
    const down = Buffer.concat(connections[0]?.down ?? []);
    const rsaEncryption = Buffer.from('2a864886f70d010101', 'hex');
    assert.ok(down.subarray(0, 3000).includes(rsaEncryption), 'a public key in the clear');
    const rest = Buffer.concat([down.subarray(3000), ...(connections[0]?.up ?? [])]);
    assert.ok(!rest.includes(rsaEncryption), 'and no other');
  }
});

test('row 4: the server has the public half of the key of an attached device, the device alone the private one', async () => {
  assert.equal((await alice.call('status'))['connection'], 'online');
  // The account is open: a copy is read.
  cpSync(join(folder.path, 'alice'), join(folder.path, 'copy'), {
    recursive: true,
    filter: (path) => !path.endsWith('sock'),
  });
  const keys = rsaKeysIn(readProfile(join(folder.path, 'copy', 'default'), password));
  const spkis = keys.map((key) =>
    createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({ format: 'der', type: 'spki' }),
  );
  const held = Buffer.concat(
    ['securechat.db', 'securechat.db-wal'].map((name) => readFileSync(join(server.data, name))),
  );
  // From its middle: the modulus, not what all keys begin with.
  const search = new CanarySearch(spkis.map((spki, at) => ({ name: `key ${at}`, secret: spki.subarray(60, 220) })));
  assert.ok(search.in(held).length > 0, 'the public half is there');
  const halves = new CanarySearch(keys.map((key, at) => ({ name: `key ${at}`, secret: key.subarray(key.length / 2) })));
  assert.deepEqual(halves.in(held), [], 'the private one is not');
});

test("row 5: the sender gets the receiver's public keys from the server, and both see one safety number", async () => {
  const [one, two] = await Promise.all([
    alice.call('safetyNumber', { user: 'bob' }),
    bob.call('safetyNumber', { user: 'alice' }),
  ]);
  assert.equal(one['safetyNumber'], two['safetyNumber']);
});

test('rows 6 and 7: in two envelopes: neither the wire nor the server shows the text, and it arrives', async () => {
  const search = new CanarySearch([{ name: 'text', secret }]);
  assert.deepEqual(search.in(wires.ws.wire()), []);
  assert.deepEqual(search.in(wires.tcp.wire()), []);
  const files = ['securechat.db', 'securechat.db-wal'].map((name) => readFileSync(join(server.data, name)));
  assert.deepEqual(search.in(Buffer.concat(files)), []);
  const { messages } = await bob.call('history', { with: '@alice' });
  assert.deepEqual(
    (messages as { readonly from: string; readonly text: string }[]).map(({ from, text }) => [from, text]),
    [['alice', secret]],
  );
});

test('row 8: every command of the original is there, and as /command', async () => {
  const chat = startChat(folder, ['--server', server.ws], { home: 'reader' });
  for (const name of ['help', 'register', 'login', 'logout', 'exit', 'resetkeys', 'file', 'block', 'unblock']) {
    chat.say(`/help ${name}`);
    await chat.until(new RegExp(`^!${name}\\b`, 'm'));
  }
  chat.say('/exit');
  assert.equal(await chat.exit, 0);
});

test('row 9: a file is offered, answered, and only then sent', async () => {
  const path = join(folder.path, 'plan.txt');
  writeFileSync(path, 'turn left at the well');
  await alice.call('sendFile', { to: '@bob', path });
  const offer = await bob.told('fileOffer');
  assert.deepEqual([offer['from'], offer['name'], offer['bytes']], ['alice', 'plan.txt', 21]);
  await bob.call('acceptFile', { id: offer['id'] });
  assert.equal(readFileSync(String((await bob.told('fileReceived'))['path']), 'utf8'), 'turn left at the well');
});

test('row 10: plain answers, each with its code', async () => {
  await assert.rejects(alice.call('send', { to: '@nobody-here', text: 'x' }), /^Error: NO_SUCH_USER$/);
  await bob.call('block', { user: 'alice' });
  await assert.rejects(alice.call('send', { to: '@bob', text: 'x' }), /^Error: BLOCKED$/);
  await bob.call('unblock', { user: 'alice' });
  const stranger = startRpc(folder, server.ws, { home: 'stranger' });
  const taken = { username: 'alice', password, invite: server.invite };
  await assert.rejects(stranger.call('register', taken), /^Error: NAME_TAKEN$/);
  await assert.rejects(stranger.call('login', { username: 'alice', password: 'a wild guess' }), /^Error: AUTH_FAILED$/);
  assert.equal(await stranger.end(), 0);
});

test('row 11: a second session of the account ends the first, with a notice', async () => {
  const second = startRpc(folder, wires.ws.address, { home: 'alice' });
  await second.call('login', { username: 'alice', password });
  assert.equal((await alice.told('loggedOut'))['code'], 'SESSION_REPLACED');
  await alice.end();
  alice = second;
});

test('row 12: delivery is immediate', async () => {
  const from = performance.now();
  await alice.call('send', { to: '@bob', text: 'now' });
  await bob.told('message', ({ text }) => text === 'now');
  // The clients look for mail once a minute when nobody wakes them.
  assert.ok(performance.now() - from < 20_000);
});

test('row 13: accounts in SQLite, without anything a password could be tried on', () => {
  assert.ok(rowsOf("SELECT name FROM sqlite_schema WHERE type = 'table'").length > 5);
  const search = new CanarySearch([{ name: 'password', secret: password }]);
  assert.deepEqual(search.in(readFileSync(join(server.data, 'securechat.db'))), []);
  assert.deepEqual(search.in(readFileSync(join(server.data, 'securechat.db-wal'))), []);
});

test('row 14: whether the other one is there is known before one starts', async () => {
  assert.deepEqual(await alice.call('presence', { user: 'bob' }), { user: 'bob', online: true });
  await bob.call('logout');
  assert.deepEqual(await alice.call('presence', { user: 'bob' }), { user: 'bob', online: false });
});

test('row 15: no private key of anybody is at the server', async () => {
  await alice.end();
  const keys = rsaKeysIn(readProfile(join(folder.path, 'alice', 'default'), password));
  assert.ok(keys.length > 0);
  const search = new CanarySearch(keys.map((key, at) => ({ name: `key ${at}`, secret: key.subarray(key.length / 2) })));
  for (const name of ['securechat.db', 'securechat.db-wal'])
    assert.deepEqual(search.in(readFileSync(join(server.data, name))), []);
});
