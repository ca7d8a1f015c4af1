// Goal: a server that cannot start says why in one sentence, ends with the documented code, and leaves everything as it
// was: what is put right works again. Method: the real command against real files, real ports, real certificates.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { openCommands } from './commands.ts';
import type { Ran } from './commands.ts';
import { command, makeFolder, startServer, surroundings } from './processes.ts';
import type { RunningServer } from './processes.ts';

const folder = makeFolder('start');
const at = (...names: string[]): string => join(folder.path, ...names);
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const ifOpenssl = hasOpenssl ? {} : { skip: 'openssl is not installed' };
let running: RunningServer;
after(() => folder.remove());

/** A data folder with keys and a database, as a server left it. */
const template = at('template');
before(async () => {
  running = await startServer(folder);
  const made = await startServer(folder, ['--data', template]);
  assert.equal(await made.end(), 0);
});

let copies = 0;
function copyOfData(): string {
  const copy = at(`data-${++copies}`);
  cpSync(template, copy, { recursive: true });
  chmodSync(copy, 0o700);
  return copy;
}

const commands = openCommands();
after(() => commands.close());

const anywhere = ['--listen', '127.0.0.1:0', '--listen-tcp', '127.0.0.1:0'];
const settings = { HOME: folder.path, SECURECHAT_HOME: at('unused'), SECURECHAT_RSA_BITS: '2048' };

function argsOf(flags: readonly string[]): string[] {
  const rest = anywhere.filter((_, index, all) => !flags.includes(all[index - (index % 2)] ?? ''));
  return ['server', '--json', ...rest, ...flags];
}

const run = (flags: readonly string[]): Promise<Ran> => commands.run(argsOf(flags), settings);

/** As somebody else, in a process of its own. */
function runAs(uid: number, flags: readonly string[]): Ran {
  const env = { ...surroundings, ...settings, NODE_COMPILE_CACHE: '' };
  const done = spawnSync(process.execPath, [command, ...argsOf(flags)], { env, encoding: 'utf8', uid, gid: uid });
  return { out: done.stdout, err: done.stderr, code: done.status };
}

function refused({ out, err, code }: Ran, expected: number, sentence: RegExp): void {
  assert.match(err, sentence);
  assert.match(err, /^[A-Z"-][^\n]*\n$/, 'one line, and no stack');
  assert.equal(out, '');
  assert.equal(code, expected);
}

/** Started, said `ready`, and ended by TERM with 0. */
async function startsWith(flags: readonly string[]): Promise<void> {
  const server = await startServer(folder, flags);
  assert.equal(await server.end(), 0);
}

test('a port in use is named, with exit code 4, on either listener; who has it goes on', async () => {
  const taken = createServer().listen(0, '127.0.0.1').unref();
  await once(taken, 'listening');
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  for (const flag of ['--listen', '--listen-tcp']) {
    refused(await run(['--data', at('fresh'), flag, address]), 4, new RegExp(`^The address ${address} is in use`));
  }
  taken.close();
  const { port } = new URL(running.ws.replace('#', '/#'));
  refused(await run(['--data', at('fresh'), '--listen', `127.0.0.1:${port}`]), 4, /is in use by another program/);
  assert.equal(running.child.exitCode, null);
  await startsWith(['--data', at('fresh')]);
});

test('an address of another machine, and a name that is none', async () => {
  refused(
    await run(['--data', at('fresh'), '--listen', '192.0.2.1:0', '--insecure-listen']),
    4,
    /192\.0\.2\.1:0 is none of this machine/,
  );
});

test('one data folder serves one server at a time', async () => {
  refused(await run(['--data', running.data]), 2, /is in use by another SecureChat server/);
  assert.equal(running.child.exitCode, null);
});

test('a data folder that is none, cannot be made, or is open to others', async () => {
  writeFileSync(at('file'), 'precious');
  refused(await run(['--data', at('file')]), 2, /file/);
  refused(await run(['--data', at('file', 'below')]), 2, /data folder .* cannot be made/);
  // A file system that says ENOENT although the folder above is there.
  if (process.platform === 'linux') refused(await run(['--data', '/proc/x/y']), 2, /data folder .* cannot be made/);
  assert.equal(readFileSync(at('file'), 'utf8'), 'precious');
  const data = copyOfData();
  chmodSync(data, 0o755);
  refused(await run(['--data', data]), 2, /can be used by others \(mode 755\); make it private with: chmod go= /);
  chmodSync(data, 0o700);
  await startsWith(['--data', data]);
});

for (const name of ['identity.pem', 'sealing.pem', 'slot.key', 'opaque.setup']) {
  test(`${name}: open to others, or damaged, it is refused and stays as it is; put right, it works`, async () => {
    const data = copyOfData();
    const path = join(data, name);
    const whole = readFileSync(path);
    chmodSync(path, 0o644);
    refused(await run(['--data', data]), 2, /can be used by others \(mode 644\)|is open to other users/);
    chmodSync(path, 0o600);
    for (const damaged of ['', whole.subarray(0, Math.floor(whole.length / 2))]) {
      writeFileSync(path, damaged);
      refused(await run(['--data', data]), 2, /damaged|does not belong/);
      assert.deepEqual(readFileSync(path), Buffer.from(damaged));
    }
    writeFileSync(path, whole);
    await startsWith(['--data', data]);
  });
}

test('an unreadable key file is named', async (t) => {
  const data = copyOfData();
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  if (nobody !== undefined) {
    // Root reads everything; somebody else has to try.
    chmodSync(folder.path, 0o755);
    chownSync(data, nobody, nobody);
    for (const name of readdirSync(data)) chownSync(join(data, name), nobody, nobody);
    if (runAs(nobody, ['--check-config']).code !== 0) return t.skip('another user cannot run the program from here');
  }
  chmodSync(join(data, 'identity.pem'), 0);
  const start = nobody === undefined ? run : (flags: readonly string[]) => runAs(nobody, flags);
  refused(await start(['--data', data]), 2, /The key file .*identity\.pem cannot be read\.$/m);
  chmodSync(join(data, 'securechat.db'), 0);
  refused(await start(['--data', data]), 2, /The database in .* cannot be opened; check permissions/);
});

test('the keys of another server beside the database of this one do not start', async () => {
  const data = copyOfData();
  copyFileSync(join(running.data, 'sealing.pem'), join(data, 'sealing.pem'));
  refused(await run(['--data', data]), 2, /sealing\.pem does not belong to the identity beside it\.$/m);
});

for (const [what, damage] of [
  ['no database', Buffer.from('this is no database at all, and never was')],
  ['a database whose middle is gone', undefined],
] as const) {
  test(`${what}: said, not touched; the copy put back starts`, async () => {
    const data = copyOfData();
    const path = join(data, 'securechat.db');
    const whole = readFileSync(path);
    const damaged = damage ?? Buffer.concat([whole.subarray(0, 200), Buffer.alloc(whole.length - 200, 0x5a)]);
    writeFileSync(path, damaged);
    refused(await run(['--data', data]), 2, /The database in .* is damaged; put back a copy/);
    assert.ok(readFileSync(path).equals(damaged));
    writeFileSync(path, whole);
    await startsWith(['--data', data]);
  });
}

test('a database of a newer version is refused and stays what it is', async () => {
  const data = copyOfData();
  const path = join(data, 'securechat.db');
  const db = new DatabaseSync(path);
  const version = Number(db.prepare('SELECT version FROM schema_version').get()?.['version']);
  db.exec('UPDATE schema_version SET version = 9999');
  db.close();
  refused(await run(['--data', data]), 2, /was written by a newer SecureChat; update this one\.$/m);
  const again = new DatabaseSync(path);
  assert.equal(again.prepare('SELECT version FROM schema_version').get()?.['version'], 9999);
  again.exec(`UPDATE schema_version SET version = ${version}`);
  again.close();
  await startsWith(['--data', data]);
});

test('a configuration file that cannot be used says what and where', async () => {
  const file = at('config.json');
  const withFile = (text: string): Promise<Ran> => {
    writeFileSync(file, text);
    return run(['--config', file, '--check-config']);
  };
  assert.equal((await withFile('{"registration":"open","limit":{"messagesPerSecond":20}}')).code, 0);
  for (const [text, sentence] of [
    ['{ registration: open }', /^The configuration file .* is not JSON\.$/m],
    ['', /is not JSON/],
    ['[]', /must hold one JSON object/],
    ['"text"', /must hold one JSON object/],
    ['{"registrations":"open"}', /unknown setting "registrations"/],
    ['{"__proto__":{"json":true}}', /unknown setting "__proto__"/],
    ['{"registration":"sometimes"}', /"registration" in the configuration file cannot be used: it must be one of/],
    ['{"registration":null}', /"registration" in the configuration file has a value of the wrong kind/],
    ['{"listen":["127.0.0.1:1","127.0.0.1:2"]}', /wrong kind/],
    ['{"limit":{"textBytesMax":1}}', /textBytesMax is part of the protocol/],
    ['{"limit":{"messagesPerSecond":"-1"}}', /must be a whole number/],
  ] as const) {
    refused(await withFile(text), 2, sentence);
  }
  refused(await run(['--config', at('nowhere.json')]), 2, /The configuration file .*nowhere\.json cannot be read/);
});

for (const [what, flags, sentence] of [
  ['no port', ['--listen', 'localhost'], /--listen cannot be used: it must be HOST:PORT/],
  ['a port beyond 65535', ['--listen-tcp', '127.0.0.1:70000'], /--listen-tcp cannot be used/],
  [
    'a mode of registration that is none',
    ['--registration', 'maybe'],
    /--registration cannot be used: it must be one of invite, open, closed/,
  ],
  ['keys that are too small', ['--rsa-bits', '1024'], /--rsa-bits cannot be used: it must be a whole number from 2048/],
  [
    'a database that is not built in',
    ['--database', 'postgres://localhost/x'],
    /this version has only the embedded database/,
  ],
  [
    'a raw listener beyond loopback',
    ['--listen-tcp', '[::]:0'],
    /Listening on :: without TLS is refused: give --tls-cert/,
  ],
  ['a public address that is no address', ['--public-address', 'chat.example.org'], /--public-address cannot be used/],
  ['a proxy that is no range', ['--behind-proxy', 'nginx'], /--behind-proxy cannot be used/],
  ['one half of TLS', ['--tls-cert', '/etc/hostname'], /TLS needs both --tls-cert and --tls-key/],
  [
    'a certificate that is not there',
    ['--tls-cert', '/no/cert.pem', '--tls-key', '/no/key.pem'],
    /TLS certificate \/no\/cert\.pem cannot be read/,
  ],
] as const) {
  test(`${what} is refused with exit code 2, and nothing is made`, async () => {
    refused(await run(['--data', at('never-made'), ...flags]), 2, sentence);
    assert.ok(!readdirSync(folder.path).includes('never-made'));
  });
}

test('certificate and key: of different pairs, garbage, or open to everybody; then right', ifOpenssl, async () => {
  const make = (name: string): readonly [string, string] => {
    const [cert, key] = [at(`${name}.cert`), at(`${name}.key`)];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return [cert, key];
  };
  const [cert, key] = make('one');
  const [, otherKey] = make('two');
  const tls = (c: string, k: string): string[] => ['--data', at('tls'), '--tls-cert', c, '--tls-key', k];
  refused(await run(tls(cert, otherKey)), 2, /certificate and private key cannot be used together/);
  writeFileSync(at('garbage'), 'garbage', { mode: 0o600 });
  refused(await run(tls(at('garbage'), key)), 2, /cannot be used together/);
  chmodSync(key, 0o644);
  refused(await run(tls(cert, key)), 2, /private key .* can be read by everybody; run: chmod o= /);
  chmodSync(key, 0o600);
  await startsWith([...tls(cert, key), '--listen', '0.0.0.0:0', '--listen-tcp', '0.0.0.0:0']);
});

test('admin: nobody of that name, numbers out of range, and a folder without a server, which stays as it is', async () => {
  const admin = (...args: string[]): Promise<Ran> => commands.run(['admin', ...args], settings);
  refused(await admin('disable', 'nobody-here', '--data', running.data), 1, /No such user/);
  refused(await admin('invite', '--uses', '0', '--data', running.data), 2, /uses/);
  refused(await admin('users', '--data', at('typo')), 2, /There is no server in the data folder .*typo.* --data/);
  assert.equal(existsSync(at('typo')), false);
});
