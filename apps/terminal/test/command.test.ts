// Goal: the command line says what it can do, refuses what it cannot in one sentence, and ends with the documented codes.
// Method: the real command with an empty home of its own; once as a process.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rememberServer } from '../src/last-server.ts';
import { placesOf } from '../src/places.ts';
import { readSettings } from '../src/settings.ts';
import { openCommands } from './commands.ts';
import type { Ran } from './commands.ts';

const home = mkdtempSync(join(tmpdir(), 'securechat-command-'));
after(() => rmSync(home, { recursive: true }));

const commands = openCommands();
after(() => commands.close());
const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  commands.run(args, { HOME: home, SECURECHAT_HOME: join(home, 'own'), ...env });

test('--version works on every form', async () => {
  for (const form of [[], ['send'], ['listen'], ['rpc'], ['server'], ['admin'], ['admin', 'invite'], ['completion']]) {
    const { out, code } = await run([...form, '--version']);
    assert.match(out, /^securechat \d+\.\d+\.\d+\n$/, form.join(' '));
    assert.equal(code, 0);
  }
});

test('--help begins with examples, and names the exit codes', async () => {
  const { out, code } = await run(['--help']);
  assert.match(out, /^Examples:\n {2}securechat server\n/);
  assert.match(out, /130 +interrupted$/m);
  assert.doesNotMatch(out, /--password \[/);
  assert.equal(code, 0);
  for (const name of ['send', 'listen', 'rpc', 'server', 'admin', 'completion']) {
    assert.match((await run([name, '--help'])).out, /^Examples:\n {2}/, name);
  }
});

test('no line of --help is wider than a terminal', async () => {
  const { out } = await run(['--help']);
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
});

test('a sub-command lists the flags that it uses, and takes the others', async () => {
  for (const [name, unused, used] of [
    ['send', '--no-bell', '--online-only'],
    ['listen', '--invite', '--timeout'],
    ['rpc', '--password-file', '--downloads'],
    ['doctor', '--rsa-bits', '--user'],
  ] as const) {
    const { out } = await run([name, '--help']);
    assert.ok(!out.includes(unused), `${name} ${unused}`);
    assert.ok(out.includes(used), `${name} ${used}`);
  }
  const { err, code } = await run(['rpc', '--color', 'never', '--password-stdin']);
  assert.match(err, /^Every line of rpc is JSON: the password goes into its method login\.\n$/);
  assert.equal(code, 2);
});

test('help names what it can tell, and help COMMAND is COMMAND --help', async () => {
  assert.deepEqual(await run(['help']), await run(['--help']));
  assert.deepEqual(await run(['help', 'send']), await run(['send', '--help']));
});

test('migrate makes no server where there is none', async () => {
  const nowhere = await run(['migrate', '--data', join(home, 'nowhere')]);
  assert.match(nowhere.err, /^There is no server in the data folder [^\n]+\n$/);
  assert.equal(nowhere.code, 2);
});

test('server --help limits lists every limit with its reason', async () => {
  const { out, code } = await run(['server', '--help', 'limits']);
  assert.match(out, /^ {2}messagesPerSecond=10 +per device; a person types slower$/m);
  assert.equal(code, 0);
});

for (const [what, args, sentence] of [
  ['an unknown command', ['sned'], /unknown command 'sned'\. Did you mean send\?/],
  ['an unknown option', ['send', '--timout', '3'], /unknown option '--timout'\n\(Did you mean --timeout\?\)/],
  [
    'a password on the command line',
    ['--password', 'secret'],
    /readable by everybody on this machine: use --password-file/,
  ],
  [
    'a password on the command line of send',
    ['send', '--password=x', '@bob', 'hi'],
    /--password-file or --password-stdin/,
  ],
  ['a server address of another kind', ['--server', 'http://x:1'], /The server address is not valid/],
  ['a profile that leaves its folder', ['--profile', '../x'], /A profile name is/],
  ['a profile named like the server folder', ['--profile', 'server'], /A profile name is/],
  ['RSA keys that are too small', ['--rsa-bits', '1024'], /--rsa-bits must be a multiple of 8 from 2048 to 4096/],
  ['a certificate file that is not there', ['--tls-ca', '/no/such.pem'], /--tls-ca names cannot be read/],
  ['a colour that is none', ['--color', 'blue'], /--color must be auto, always or never/],
  ['send without saying who', ['send', '@bob', 'hi'], /Who are you\? Give --user NAME/],
  ['send without a password', ['send', '@bob', 'hi', '--user', 'alice'], /A password is needed: --password-file/],
  ['a password file that is not there', ['send', '@b', 'x', '--user', 'a', '--password-file', '/no'], /cannot be read/],
  ['an empty password', ['send', '@b', 'x', '--user', 'a', '--password-stdin'], /The password that was given is empty/],
  ['a timeout that is no number', ['listen', '--timeout', 'soon'], /It must be a number of seconds/],
  ['a client option on the server', ['server', '--server', 'x'], /unknown option '--server'/],
  ['an unknown limit', ['server', '--limit', 'nothing=1'], /no limit named "nothing"/],
  ['a plain listener beyond loopback', ['server', '--listen', '0.0.0.0:0'], /without TLS is refused/],
  ['a shell that is none', ['completion', 'cmd.exe'], /Allowed choices are bash, zsh, fish/],
] as const) {
  test(`${what} is refused in one sentence with exit code 2`, async () => {
    const { out, err, code } = await run(args);
    assert.match(err, sentence);
    assert.equal(out, '');
    assert.equal(code, 2);
    assert.doesNotMatch(err, /\n\s+at /, 'no stack');
  });
}

test('--check-config reads and ends', async () => {
  assert.deepEqual(await run(['server', '--check-config']), { out: 'The configuration is valid.\n', err: '', code: 0 });
  const { err, code } = await run(['server', '--check-config'], { SECURECHAT_REGISTRATION: 'sometimes' });
  assert.match(err, /SECURECHAT_REGISTRATION cannot be used/);
  assert.equal(code, 2);
});

test('completion scripts name the commands and flags, and shells can read them', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { out, code } = await run(['completion', shell]);
    assert.equal(code, 0);
    for (const name of ['listen', 'admin', 'invite', 'migrate', 'tls-ca', 'listen-tcp'])
      assert.ok(out.includes(name), `${shell} ${name}`);
  }
  const script = (await run(['completion', 'bash'])).out;
  const complete = (words: readonly string[]): string[] => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const ask = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _securechat; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const done = spawnSync('bash', ['-c', ask], { encoding: 'utf8' });
    assert.equal(done.stderr, '');
    return done.stdout.trim().split('\n');
  };
  assert.deepEqual(complete(['securechat', 'li']), ['listen']);
  assert.deepEqual(complete(['securechat', 'admin', 'us']), ['users']);
  assert.deepEqual(complete(['securechat', 'server', '--listen-']), ['--listen-tcp']);
  assert.deepEqual(complete(['securechat', 'send', '--online']), ['--online-only']);
});

const settings = (flags: Record<string, string | boolean>, env: Record<string, string> = {}) =>
  readSettings({ flags, env: { SECURECHAT_HOME: join(home, 'settings'), ...env }, home });

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  mkdirSync(join(home, 'settings'), { recursive: true });
  const file = join(home, 'settings', 'client.json');
  assert.equal(settings({}).server, 'ws://127.0.0.1:4200');
  mkdirSync(join(home, 'settings', 'default'));
  rememberServer(join(home, 'settings', 'default'), 'tcp://last:9');
  assert.equal(settings({}).server, 'tcp://last:9');
  assert.equal(settings({ profile: 'other' }).server, 'ws://127.0.0.1:4200');
  writeFileSync(join(home, 'settings', 'default', 'last-server'), 'garbage');
  assert.equal(settings({}).server, 'ws://127.0.0.1:4200');
  writeFileSync(file, JSON.stringify({ server: 'tcp://file:1', onlineOnly: true }));
  assert.equal(settings({}).server, 'tcp://file:1');
  assert.equal(settings({}).onlineOnly, true);
  assert.equal(settings({}, { SECURECHAT_SERVER: 'tcp://env:2' }).server, 'tcp://env:2');
  assert.equal(settings({ server: 'tcp://flag:3' }, { SECURECHAT_SERVER: 'tcp://env:2' }).server, 'tcp://flag:3');
  for (const [text, sentence] of [
    ['{"sevrer":"x"}', /unknown setting "sevrer"/],
    ['{"passwordStdin":true}', /unknown setting/],
    ['{"server":["x"]}', /wrong kind/],
    ['[]', /one JSON object/],
    ['{', /is not JSON/],
  ] as const) {
    writeFileSync(file, text);
    assert.throws(() => settings({}), sentence);
  }
  rmSync(file);
});

test('everything lies under SECURECHAT_HOME, or in the XDG folders', () => {
  assert.deepEqual(placesOf({ SECURECHAT_HOME: '/own' }, '/people/a', 'work'), {
    profileDirectory: '/own/work',
    downloadDirectory: '/own/work/downloads',
    settingsFile: '/own/client.json',
  });
  assert.deepEqual(placesOf({ XDG_DATA_HOME: '/data', XDG_CONFIG_HOME: 'relative' }, '/people/a', 'default'), {
    profileDirectory: '/data/securechat/default',
    downloadDirectory: '/people/a/Downloads/securechat',
    settingsFile: '/people/a/.config/securechat/client.json',
  });
  mkdirSync(join(home, '.config'), { recursive: true });
  writeFileSync(join(home, '.config', 'user-dirs.dirs'), '# made by a desktop\nXDG_DOWNLOAD_DIR="$HOME/Geladen"\n');
  assert.equal(placesOf({}, home, 'default').downloadDirectory, join(home, 'Geladen', 'securechat'));
});

test('nothing of all this has written anything', () => {
  assert.ok(!existsSync(join(home, 'own', 'default')));
  assert.ok(!existsSync(join(home, 'own', 'server')));
});
