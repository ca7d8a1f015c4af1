import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { client, ready } from '@serenity-kit/opaque';
import type { Limits } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { OpaqueServer } from '../../src/opaque/index.ts';
import { openOpaque, openOpaqueSetup, staticPublicKey } from '../../src/opaque/index.ts';

// The weakest stretching the library takes: the tests are about the server.
const keyStretching = { 'argon2id-custom': { iterations: 1, memory: 8, parallelism: 1 } };
const KE2_CHARS = 427;

let folder: string;
let setup: string;
let opaque: OpaqueServer;
let record: string;

before(async () => {
  await ready;
  folder = mkdtempSync(join(tmpdir(), 'securechat-opaque-'));
  setup = await openOpaqueSetup(join(folder, 'opaque.setup'));
  opaque = openOpaque({ setup, queuedMax: 100, threads: 1 });
  record = await register(opaque, 'anna', 'a long password');
});

after(async () => {
  await opaque.close();
  rmSync(folder, { recursive: true });
});

async function register(server: OpaqueServer, userIdentifier: string, password: string): Promise<string> {
  const { clientRegistrationState, registrationRequest } = client.startRegistration({ password });
  const registrationResponse = await server.createRegistrationAnswer({ userIdentifier, request: registrationRequest });
  return client.finishRegistration({ clientRegistrationState, registrationResponse, password, keyStretching })
    .registrationRecord;
}

async function start(userIdentifier: string, stored: string | undefined, password: string) {
  const { clientLoginState, startLoginRequest } = client.startLogin({ password });
  const { answer, state } = await opaque.startLogin({ userIdentifier, record: stored, request: startLoginRequest });
  const finish = client.finishLogin({ clientLoginState, loginResponse: answer, password, keyStretching });
  return { answer, state, finish };
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SecureChatError && error.code === code;
}

test('the right password gives both sides the same 64-byte session key, and the pinned static key', async () => {
  const { state, finish } = await start('anna', record, 'a long password');
  assert.ok(finish);
  const key = await opaque.finishLogin({ state, request: finish.finishLoginRequest });
  assert.equal(key?.length, 64);
  assert.equal(Buffer.from(key).toString('base64url'), finish.sessionKey);
  assert.equal(finish.serverStaticPublicKey, staticPublicKey(setup));
});

test('wrong password and unknown user get an answer of the same length and are refused alike, at the end', async () => {
  const wrong = await start('anna', record, 'another password');
  const unknown = await start('nobody', undefined, 'a long password');
  assert.equal(wrong.answer.length, KE2_CHARS);
  assert.equal(unknown.answer.length, KE2_CHARS);
  assert.equal(wrong.state.length, unknown.state.length);
  // The client cannot even make a KE3; whatever it sends instead is refused without a reason.
  assert.equal(wrong.finish, undefined);
  assert.equal(unknown.finish, undefined);
  const right = await start('anna', record, 'a long password');
  const foreign = right.finish?.finishLoginRequest ?? '';
  for (const { state } of [wrong, unknown])
    for (const request of [foreign, 'A'.repeat(foreign.length), '', '!', 'A'])
      assert.equal(await opaque.finishLogin({ state, request }), undefined);
});

test('the fake answer for one name keeps its unchanging part, as a real one does', async () => {
  // The evaluated element of one blinded request depends on name and setup only: asking twice must not show a fake.
  const { startLoginRequest: request } = client.startLogin({ password: 'x' });
  const parts = await Promise.all(
    [record, record, undefined, undefined].map(async (stored) =>
      (await opaque.startLogin({ userIdentifier: 'anna', record: stored, request })).answer.slice(0, 42),
    ),
  );
  assert.equal(new Set(parts).size, 1);
});

test('known and unknown users cost the same time', async () => {
  const { startLoginRequest: request } = client.startLogin({ password: 'x' });
  const login = (known: boolean) =>
    opaque.startLogin({ userIdentifier: 'anna', record: known ? record : undefined, request });
  // Processor time, so that nobody else's work counts. A difference that is there is there in every attempt.
  let ratio = 0;
  for (let attempt = 0; attempt < 5 && (ratio < 0.67 || ratio > 1.5); attempt += 1) {
    const spent = { known: 0, unknown: 0 };
    for (let round = 0; round < 30; round += 1)
      for (const kind of ['known', 'unknown'] as const) {
        const from = process.cpuUsage();
        await login(kind === 'known');
        const { user, system } = process.cpuUsage(from);
        spent[kind] += user + system;
      }
    ratio = spent.known / spent.unknown;
  }
  assert.ok(ratio >= 0.67 && ratio <= 1.5, `known/unknown ${ratio.toFixed(2)}`);
});

test('any bytes in place of a request are MALFORMED, and the thread goes on', async () => {
  for (const request of ['', 'A', '!!', 'A'.repeat(128), 'A'.repeat(8000), '\u0000']) {
    await assert.rejects(opaque.startLogin({ userIdentifier: 'anna', record, request }), hasCode('MALFORMED'));
    await assert.rejects(opaque.createRegistrationAnswer({ userIdentifier: 'anna', request }), hasCode('MALFORMED'));
  }
  assert.ok((await start('anna', record, 'a long password')).finish);
});

test('a damaged record is an INTERNAL failure, not the fault of the person', async () => {
  const { startLoginRequest: request } = client.startLogin({ password: 'x' });
  await assert.rejects(opaque.startLogin({ userIdentifier: 'anna', record: 'xx', request }), hasCode('INTERNAL'));
});

test('opaqueQueuedMax steps wait, one past them is BUSY, and the rest is served', async () => {
  const { opaqueQueuedMax }: Pick<Limits, 'opaqueQueuedMax'> = { opaqueQueuedMax: 3 };
  const small = openOpaque({ setup, queuedMax: opaqueQueuedMax, threads: 1 });
  const { registrationRequest: request } = client.startRegistration({ password: 'x' });
  // One runs, three wait.
  const served = Array.from({ length: 1 + opaqueQueuedMax }, () =>
    small.createRegistrationAnswer({ userIdentifier: 'bert', request }),
  );
  await assert.rejects(small.createRegistrationAnswer({ userIdentifier: 'bert', request }), hasCode('BUSY'));
  assert.equal((await Promise.all(served)).length, 4);
  await small.createRegistrationAnswer({ userIdentifier: 'bert', request });
  const open = small.createRegistrationAnswer({ userIdentifier: 'bert', request });
  const refused = assert.rejects(open, hasCode('SHUTTING_DOWN'));
  await small.close();
  await refused;
  await assert.rejects(small.createRegistrationAnswer({ userIdentifier: 'bert', request }), hasCode('SHUTTING_DOWN'));
});

test('the setup is made once, private to its owner, and refused when open to others or damaged', async () => {
  const path = join(folder, 'opaque.setup');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(await openOpaqueSetup(path), setup);
  const open = join(folder, 'open.setup');
  writeFileSync(open, setup);
  chmodSync(open, 0o644);
  await assert.rejects(openOpaqueSetup(open), /can be used by others/);
  const damaged = join(folder, 'damaged.setup');
  writeFileSync(damaged, setup.slice(0, 100), { mode: 0o600 });
  await assert.rejects(openOpaqueSetup(damaged), /damaged/);
});
