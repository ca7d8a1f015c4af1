// Goal: whatever Node starts `securechat`, the program runs on a Node at or above the floor, and nothing about the
// hand-over can be noticed from outside: exit codes, signals, kill -9, standard streams.
// Method: the real launcher in a folder of its own, in front of a small program that plays the parts.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const repository = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'securechat-launcher-'));
const launcher = join(folder, 'bin/securechat.js');
after(() => rmSync(folder, { recursive: true, force: true }));

mkdirSync(join(folder, 'bin'));
mkdirSync(join(folder, 'src'));
copyFileSync(join(repository, 'apps/terminal/bin/securechat.js'), launcher);
symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
writeFileSync(
  join(folder, 'src/main.ts'),
  `export async function main(args: readonly string[]): Promise<number> {
    const [part, value] = args;
    if (part === 'code') return Number(value);
    if (part === 'about') {
      console.log(JSON.stringify({ node: process.versions.node, args, marker: 'SECURECHAT_LAUNCHER' in process.env }));
      return 0;
    }
    if (part === 'echo') {
      for await (const piece of process.stdin) process.stdout.write(piece);
      return 0;
    }
    if (part === 'drain') {
      const received: string[] = [];
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
        process.on(signal, () => received.push(signal));
      }
      console.log(process.pid);
      while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => setTimeout(resolve, 100));
      console.log(received.join());
      return 7;
    }
    console.log(process.pid);
    await new Promise((resolve) => setTimeout(resolve, 600_000));
    return 1;
  }`,
);

/** A Node of the system below the floor, which the launcher has to replace. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  if (!existsSync(path)) return false;
  const [major = 0, minor = 0] = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' })
    .split('.')
    .map(Number);
  return major < 24 || (major === 24 && minor < 7);
});
const withoutOldNode = oldNode === undefined ? { skip: 'the system has no Node below the floor' } : {};

function start(node: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const environment = { ...process.env, SECURECHAT_HOME: join(folder, 'home') };
  return spawn(node, [launcher, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: environment, ...options });
}

async function finish(child: ChildProcess): Promise<{ output: string; code: number | null; signal: string | null }> {
  let output = '';
  child.stdout?.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => (output += piece.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { output, code, signal };
}

async function firstLine(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  return line;
}

for (const [name, node] of [
  ['a Node at the floor', process.execPath],
  ['a Node below the floor', oldNode],
] as const) {
  const options = node === undefined ? withoutOldNode : {};
  const command = node ?? '';

  test(`${name}: the program runs on Node 24.7 or newer with its arguments, and sees no marker`, options, async () => {
    const { output, code } = await finish(start(command, ['about', '--flag', 'two words']));
    const about = JSON.parse(output) as { node: string; args: string[]; marker: boolean };
    const [major = 0, minor = 0] = about.node.split('.').map(Number);
    assert.ok(major > 24 || (major === 24 && minor >= 7), about.node);
    assert.deepEqual(about.args, ['about', '--flag', 'two words']);
    assert.equal(about.marker, false);
    assert.equal(code, 0);
  });

  test(`${name}: the exit code is the program's`, options, async () => {
    for (const expected of [0, 3, 130]) {
      assert.equal((await finish(start(command, ['code', String(expected)]))).code, expected);
    }
  });

  test(`${name}: standard input reaches the program until its end`, options, async () => {
    const child = start(command, ['echo']);
    child.stdin?.end('line one\nline two');
    assert.deepEqual(await finish(child), { output: 'line one\nline two', code: 0, signal: null });
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
    test(`${name}: ${signal} reaches the program once, which ends in its own time`, options, async () => {
      const child = start(command, ['drain']);
      await firstLine(child);
      const end = finish(child);
      child.kill(signal);
      const { output, code } = await end;
      assert.equal(output.trim().split('\n').at(-1), signal);
      assert.equal(code, 7);
    });
  }

  test(`${name}: a program that does not handle TERM ends by TERM, and so does the command`, options, async () => {
    const child = start(command, ['wait']);
    await firstLine(child);
    const end = finish(child);
    child.kill('SIGTERM');
    assert.equal((await end).signal, 'SIGTERM');
  });
}

test('kill -9 on the launcher takes the program with it', withoutOldNode, async () => {
  const child = start(oldNode ?? '', ['wait']);
  const pid = Number(await firstLine(child));
  assert.notEqual(pid, child.pid, 'the launcher handed over');
  child.kill('SIGKILL');
  // The output closes when its last holder is gone, which the program itself is.
  const ended = await Promise.race([once(child, 'close').then(() => true), sleep(60_000, false, { ref: false })]);
  if (!ended) process.kill(pid, 'SIGKILL');
  assert.equal(ended, true);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`${signal} on npx, which passes nothing on, takes the program with it`, async () => {
    // `exec` keeps npm's own shape: npx, then a shell of it, then the program.
    const child = spawn('npm', ['exec', '-c', `"${process.execPath}" "${launcher}" wait; true`], {
      cwd: repository,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, SECURECHAT_HOME: join(folder, 'home') },
    });
    const pid = Number(await firstLine(child));
    assert.notEqual(pid, child.pid);
    child.kill(signal);
    const ended = await Promise.race([once(child, 'close').then(() => true), sleep(60_000, false, { ref: false })]);
    if (!ended) process.kill(pid, 'SIGKILL');
    assert.equal(ended, true);
  });
}

test('kill -9 on the program is not taken for success', withoutOldNode, async () => {
  const child = start(oldNode ?? '', ['wait']);
  const pid = Number(await firstLine(child));
  const end = finish(child);
  process.kill(pid, 'SIGKILL');
  assert.equal((await end).signal, 'SIGKILL');
});

test('without a packaged Node, one sentence and exit code 2', withoutOldNode, async () => {
  const bare = mkdtempSync(join(tmpdir(), 'securechat-bare-'));
  try {
    writeFileSync(join(bare, 'package.json'), '{ "type": "module" }');
    copyFileSync(launcher, join(bare, 'securechat.js'));
    const child = spawn(oldNode ?? '', [join(bare, 'securechat.js')], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { output, code } = await finish(child);
    assert.equal(code, 2);
    assert.match(output, /^SecureChat needs Node 24\.7 or newer: this is [\d.]+, and no newer one .*\.\n$/);
  } finally {
    rmSync(bare, { recursive: true });
  }
});

test('compiled code is kept in a folder of the user alone, and not in one that others may write', async () => {
  const home = join(folder, 'cache-home');
  const environment = { ...process.env, SECURECHAT_HOME: home, TMPDIR: join(folder, 'no-such-folder', 'x') };
  const run = (directory = ''): Promise<unknown> =>
    finish(start(process.execPath, ['code', '0'], { env: { ...environment, NODE_COMPILE_CACHE: directory } }));
  await run(join(folder, 'named'));
  assert.ok(readdirSync(join(folder, 'named')).length > 0, "Node's own variable names another place");
  assert.ok(!existsSync(join(home, 'cache')));

  await run();
  assert.ok(readdirSync(join(home, 'cache')).length > 0, 'written in the first run');

  rmSync(join(home, 'cache'), { recursive: true });
  mkdirSync(join(home, 'cache'));
  chmodSync(join(home, 'cache'), 0o777);
  await run();
  assert.deepEqual(readdirSync(join(home, 'cache')), []);
});

const onLinux = process.platform === 'linux' ? {} : { skip: 'there is no /proc here' };

test('a home below /proc, where nothing can be made, keeps nobody from running', onLinux, async () => {
  const env = { ...process.env, SECURECHAT_HOME: '/proc/x', TMPDIR: join(folder, 'no-such-folder') };
  assert.equal((await finish(start(process.execPath, ['code', '7'], { env }))).code, 7);
});
