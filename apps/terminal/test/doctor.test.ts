// Goal: the doctor says of a sound server and profile that they are, and of each thing that is wrong what it is and what
// to do, with the exact cause of failures of the past. Method: real processes; one fault after the other.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openCommands } from './commands.ts';
import { makeFolder, startRpc, startServer } from './processes.ts';
import type { RunningServer } from './processes.ts';

const password = 'a jar of buttons';
const folder = makeFolder('doctor');
const passwordFile = join(folder.path, 'password');
writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
after(() => folder.remove());
const commands = openCommands();
after(() => commands.close());

interface Finding {
  readonly level: string;
  readonly text: string;
  readonly todo?: string;
  readonly failure?: { readonly user: string; readonly code: string; readonly id: string };
}

/** What is found, and whether that is something to be done; text and JSON have to agree. */
async function doctor(
  args: readonly string[],
  home: string,
): Promise<{ healthy: boolean; findings: readonly Finding[] }> {
  // One after the other: each looks into a store that nobody else has open.
  const env = { HOME: folder.path, SECURECHAT_HOME: join(folder.path, home) };
  const json = await commands.run(['doctor', '--json', ...args], env);
  const text = await commands.run(['doctor', ...args], env);
  assert.equal(text.code, json.code, json.err);
  const said = JSON.parse(json.out) as { healthy: boolean; findings: readonly Finding[] };
  assert.equal(json.code, said.healthy ? 0 : 1);
  for (const finding of said.findings)
    if (finding.level === 'finding') assert.ok(finding.todo !== undefined && text.out.includes(finding.todo), text.out);
  return said;
}

const wrong = ({ findings }: { findings: readonly Finding[] }): readonly string[] =>
  findings.filter(({ level }) => level === 'finding').map(({ text }) => text);

test('a server folder is judged with and without a server on it', async (t) => {
  const server = await startServer(folder);
  const at = ['--data', server.data];
  const sound = await doctor(at, 'operator');
  assert.deepEqual(wrong(sound), []);
  assert.ok(sound.findings.some(({ text }) => text === 'A server runs on it.'));
  await server.end();
  assert.deepEqual(wrong(await doctor(at, 'operator')), []);

  const identity = join(server.data, 'identity.pem');
  chmodSync(identity, 0o644);
  assert.match(wrong(await doctor(at, 'operator')).join(), /identity.pem is open to other users/);
  chmodSync(identity, 0o600);
  const setup = join(server.data, 'opaque.setup');
  renameSync(setup, `${setup}.away`);
  assert.match(wrong(await doctor(at, 'operator')).join(), /no password can be checked/);
  renameSync(`${setup}.away`, setup);
  const late = new Date(Date.now() + 86_400_000);
  utimesSync(setup, late, late);
  assert.match(wrong(await doctor(at, 'operator')).join(), /clock is behind/);
  utimesSync(setup, new Date(), new Date());
  const database = join(server.data, 'securechat.db');
  const whole = readFileSync(database);
  const torn = Buffer.from(whole).fill(0x55, 4096, 3 * 4096);
  writeFileSync(database, torn);
  assert.match(wrong(await doctor(at, 'operator')).join(), /damaged/);
  writeFileSync(database, whole);
  assert.deepEqual(wrong(await doctor(at, 'operator')), []);
  rmSync(join(server.data, 'ballast'));
  assert.match(wrong(await doctor(at, 'operator')).join(), /the disk was full/);
  // As a backup is put back: the next start makes both.
  rmSync(join(server.data, 'sealing.pem'));
  assert.deepEqual(wrong(await doctor(at, 'operator')), []);
  assert.match(wrong(await doctor(['--data', join(folder.path, 'nowhere')], 'operator')).join(), /no server/);

  await t.test('the end of a TLS certificate is near', (inner) => {
    const certificate = join(folder.path, 'tls.pem');
    const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3'];
    const files = ['-subj', '/CN=x', '-keyout', join(folder.path, 'tls.key'), '-out', certificate];
    const made = spawnSync('openssl', [...what, ...files]);
    if (made.error !== undefined) return inner.skip('needs openssl');
    assert.equal(made.status, 0, made.stderr.toString());
    return doctor([...at, '--tls-cert', certificate], 'operator').then((said) =>
      assert.match(wrong(said).join(), /holds for [23] more days/),
    );
  });
});

async function pair(server: RunningServer) {
  const anna = startRpc(folder, server.ws, { home: 'anna' });
  const bert = startRpc(folder, server.ws, { home: 'bert' });
  for (const [rpc, username] of [
    [anna, 'anna'],
    [bert, 'bert'],
  ] as const)
    await rpc.call('register', { username, password, invite: server.invite });
  return { anna, bert };
}

test('a profile tells what waits and why something failed', async () => {
  const server = await startServer(folder, ['--data', join(folder.path, 'second')]);
  const { anna, bert } = await pair(server);
  await anna.call('send', { to: '@bert', text: 'hello' });
  await bert.told('message');
  const open = await doctor([], 'anna');
  assert.ok(open.findings.some(({ text }) => /is open in process \d+/.test(text)));
  await bert.call('block', { user: 'anna' });
  await assert.rejects(anna.call('send', { to: '@bert', text: 'a secret that the doctor must not tell' }), /BLOCKED/);
  server.child.kill('SIGKILL');
  await server.exit;
  assert.equal((await anna.call('send', { to: '@bert', text: 'later' }))['state'], 'queued');
  await Promise.all([anna.end(), bert.end()]);

  const inside = ['--server', server.ws, '--user', 'anna', '--password-file', passwordFile];
  const said = await doctor(inside, 'anna');
  assert.deepEqual(wrong(said), []);
  const failure = said.findings.find(({ failure }) => failure !== undefined);
  assert.deepEqual([failure?.failure?.user, failure?.failure?.code], ['bert', 'BLOCKED']);
  assert.match(failure?.text ?? '', /^\d{4}-\d\d-\d\dT.* a message with bert failed: BLOCKED\./);
  assert.ok(said.findings.some(({ text }) => /^1 wait to be sent/.test(text)));
  assert.ok(!JSON.stringify(said).includes('secret'));
  // Without the password only the files are looked at.
  assert.ok(!JSON.stringify(await doctor([], 'anna')).includes('bert'));

  const [account = ''] = readdirSync(join(folder.path, 'anna', 'default', 'accounts'));
  const store = join(folder.path, 'anna', 'default', 'accounts', account, 'store.db');
  chmodSync(store, 0o640);
  assert.match(wrong(await doctor([], 'anna')).join(), /store.db is open to other users/);
  chmodSync(store, 0o600);
  const pins = join(folder.path, 'anna', 'default', 'servers.json');
  writeFileSync(pins, '{');
  assert.match(wrong(await doctor([], 'anna')).join(), /servers.json is damaged/);
  truncateSync(store, 5000);
  assert.match(wrong(await doctor([], 'anna')).join(), /store.db is damaged/);
  assert.match(wrong(await doctor([], 'nobody')).join(), /no profile/);
});
