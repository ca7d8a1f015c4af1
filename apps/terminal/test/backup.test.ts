// Goal: a backup is taken while people talk, is verified, and comes back as a server or a profile that everybody notices
// to be older: nothing that was said is shown twice, and what is gone is seen to be gone. Method: real processes.
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, start, startRpc, startServer } from './processes.ts';
import type { Rpc } from './processes.ts';

const password = 'a drawer of old maps';
const folder = makeFolder('backup');
after(() => folder.remove());

interface Said {
  readonly text: string;
  readonly own: boolean;
  readonly state?: string;
  readonly code?: string;
}

async function run(
  args: readonly string[],
  home = 'operator',
): Promise<{ code: number | null; out: string; err: string }> {
  const started = start(folder, args, { home });
  const code = await started.exit;
  return { code, ...started.printed };
}

async function enter(server: string, name: string, invite?: string): Promise<Rpc> {
  const rpc = startRpc(folder, server, { home: name });
  const account = { username: name, password };
  await (invite === undefined ? rpc.call('login', account) : rpc.call('register', { ...account, invite }));
  return rpc;
}

async function said(rpc: Rpc, peer: string): Promise<readonly Said[]> {
  return (await rpc.call('history', { with: `@${peer}`, limit: 100 }))['messages'] as readonly Said[];
}

const received = async (rpc: Rpc, peer: string): Promise<readonly string[]> =>
  (await said(rpc, peer)).filter(({ own }) => !own).map(({ text }) => text);

async function say(rpc: Rpc, to: string, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await rpc.call('send', { to: `@${to}`, text });
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}

const texts = (word: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${word} ${index}`);

test('a server that is put back to a backup shows nothing twice, and what is gone is seen to be gone', async () => {
  let server = await startServer(folder);
  const ports = ['--listen', new URL(server.ws).host, '--listen-tcp', new URL(server.tcp).host];
  const { ws, invite } = server;
  const anna = await enter(ws, 'anna', invite);
  let bert = await enter(ws, 'bert', invite);
  let carl = await enter(ws, 'carl', invite);
  await say(anna, 'bert', ...texts('before', 3));
  await say(bert, 'anna', ...texts('answer', 3));
  await say(anna, 'carl', ...texts('for carl', 6));
  await until(
    'all of it',
    async () => (await received(bert, 'anna')).length === 3 && (await received(carl, 'anna')).length === 6,
  );
  await bert.end();
  await carl.end();
  await say(anna, 'bert', 'in the mailbox');

  // While the server runs and is written to.
  const copy = join(folder.path, 'copy');
  const made = await run(['backup', copy]);
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /sound. 3 accounts, [1-9]\d* undelivered rows/);
  assert.equal((await run(['backup', '--verify', copy])).code, 0);
  assert.deepEqual(readdirSync(copy).toSorted(), [
    'blobs',
    'identity.pem',
    'manifest.json',
    'opaque.setup',
    'securechat.db',
    'slot.key',
  ]);
  for (const name of readdirSync(copy)) assert.equal(statSync(join(copy, name)).mode & 0o077, 0, name);
  assert.match((await run(['backup', copy])).err, /there already/);

  // The same as one file under a pass phrase.
  const [phrase, sealed] = [join(folder.path, 'phrase'), join(folder.path, 'sealed')];
  writeFileSync(phrase, 'six words from a hat, or so\nnot this line\n', { mode: 0o600 });
  const under = ['--passphrase-file', phrase];
  assert.match((await run(['backup', ...under, sealed])).out, /sound[^]*nothing without its pass phrase/);
  assert.equal((await run(['backup', ...under, '--verify', sealed])).code, 0);
  assert.match((await run(['backup', '--verify', sealed])).err, /--passphrase-file/);
  assert.equal((await run(['restore', ...under, sealed, '--data', join(folder.path, 'unsealed')])).code, 0);

  // What the backup does not know of.
  bert = await enter(ws, 'bert');
  await say(anna, 'bert', ...texts('since', 3));
  await say(bert, 'anna', ...texts('reply since', 2));
  await until('since', async () => (await received(bert, 'anna')).length === 7);
  await until(
    'receipts',
    async () => (await said(anna, 'bert')).filter(({ own, state }) => own && state === 'delivered').length === 7,
  );
  await bert.end();
  await say(anna, 'bert', 'lost with the server');
  server.child.kill('SIGKILL');
  await server.exit;

  const data = join(folder.path, 'back');
  assert.match((await run(['restore', copy, '--data', copy])).err, /not empty/);
  const back = await run(['restore', copy, '--data', data]);
  assert.equal(back.code, 0, back.err);
  server = await startServer(folder, [...ports, '--data', data]);
  assert.equal(server.ws, ws);

  const restored = (params: Readonly<Record<string, unknown>>): boolean => params['code'] === 'SERVER_RESTORED';
  await anna.told('gap', restored);
  const failed = (await said(anna, 'bert')).filter(({ state }) => state === 'failed');
  assert.deepEqual(
    failed.map(({ text, code }) => [text, code]),
    [['lost with the server', 'EXPIRED']],
  );
  // As many to a device that is away as it had read before: their numbers meet.
  await say(anna, 'carl', ...texts('late for carl', 6));
  bert = await enter(ws, 'bert');
  await bert.told('gap', restored);
  await say(anna, 'bert', ...texts('after', 3));
  await say(bert, 'anna', ...texts('reply after', 3));
  const whole = [...texts('before', 3), 'in the mailbox', ...texts('since', 3), ...texts('after', 3)];
  await until('after', async () => (await received(bert, 'anna')).includes('after 2'));
  assert.deepEqual(await received(bert, 'anna'), whole);
  await until('reply after', async () => (await received(anna, 'bert')).includes('reply after 2'));
  assert.deepEqual(await received(anna, 'bert'), [
    ...texts('answer', 3),
    ...texts('reply since', 2),
    ...texts('reply after', 3),
  ]);
  carl = await enter(ws, 'carl');
  await carl.told('gap', restored);
  await until('late for carl', async () => (await received(carl, 'anna')).length >= 12);
  assert.deepEqual(await received(carl, 'anna'), [...texts('for carl', 6), ...texts('late for carl', 6)]);
  // An invite that was used up since could be used again: it is void.
  const dora = startRpc(folder, ws, { home: 'dora' });
  await assert.rejects(dora.call('register', { username: 'dora', password, invite }), /INVITE_INVALID/);

  for (const name of ['securechat.db', 'slot.key', 'manifest.json']) {
    const broken = join(folder.path, 'broken');
    cpSync(copy, broken, { recursive: true });
    appendFileSync(join(broken, name), 'x');
    assert.notEqual((await run(['backup', '--verify', broken])).code, 0, name);
    assert.notEqual((await run(['restore', broken, '--data', join(folder.path, 'never')])).code, 0, name);
    rmSync(broken, { recursive: true });
  }
  await Promise.all([anna.end(), bert.end(), carl.end(), dora.end()]);
  assert.equal(await server.end(), 0);
});

test('a profile that is put back to a backup goes on, shows nothing twice and says what is missing', async () => {
  const server = await startServer(folder, ['--data', join(folder.path, 'second')]);
  const eva = await enter(server.ws, 'eva', server.invite);
  let finn = await enter(server.ws, 'finn', server.invite);
  await say(eva, 'finn', ...texts('before', 3));
  await say(finn, 'eva', ...texts('answer', 2));
  await until('before', async () => (await received(finn, 'eva')).length === 3);

  const copy = join(folder.path, 'finn-copy');
  const held = await run(['backup', copy, '--profile', 'default'], 'finn');
  assert.match(held.err, /open in another SecureChat/);
  await finn.end();
  const made = await run(['backup', copy, '--profile', 'default'], 'finn');
  assert.equal(made.code, 0, made.err);
  assert.equal((await run(['backup', '--verify', copy], 'finn')).code, 0);

  finn = await enter(server.ws, 'finn');
  await say(eva, 'finn', ...texts('since', 3));
  await say(finn, 'eva', ...texts('reply since', 3));
  await until('since', async () => (await received(finn, 'eva')).length === 6);
  await finn.end();
  await say(eva, 'finn', 'waits');

  const profile = join(folder.path, 'finn', 'default');
  assert.match((await run(['restore', copy, '--profile', 'default'], 'finn')).err, /not empty/);
  rmSync(profile, { recursive: true });
  assert.equal((await run(['restore', copy, '--profile', 'default'], 'finn')).code, 0);
  finn = await enter(server.ws, 'finn');
  await finn.told('gap');
  await say(finn, 'eva', ...texts('reply after', 2));
  await say(eva, 'finn', ...texts('after', 2));
  await until('reply after', async () => (await received(eva, 'finn')).includes('reply after 1'));
  assert.deepEqual(await received(eva, 'finn'), [
    ...texts('answer', 2),
    ...texts('reply since', 3),
    ...texts('reply after', 2),
  ]);
  await until('after', async () => (await received(finn, 'eva')).includes('after 1'));
  assert.deepEqual((await received(finn, 'eva')).slice(0, 3), texts('before', 3));
  assert.deepEqual((await received(finn, 'eva')).slice(-2), texts('after', 2));
  await Promise.all([eva.end(), finn.end()]);
  assert.equal(await server.end(), 0);
});
