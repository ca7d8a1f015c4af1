/** What `tools/test.ts` runs: programs of the lockfile, as many side by side as the machine has work for. */
import { spawn } from 'node:child_process';
import { delimiter, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules/.bin');
/** Some hundred processes of the same program: each compiles only what none before it has. */
const compileCache = join(root, 'node_modules/.cache/compile');

/** A test that leaves something open would keep its process alive for ever. With nothing else to do none takes 3 minutes. */
const RUN_MS_MAX = 30 * 60_000;
/** Between asking to end, upon which Node names the tests that hang, and ending. */
const GRACE_MS = 5000;

export interface Job {
  /** Threads that it keeps busy; a half for one that waits more than it works. */
  readonly threads: number;
  run(): Promise<void>;
}

/** Starts jobs in their order, each as soon as there is room for all its threads. */
export async function runJobs(jobs: readonly Job[], threadsMax: number): Promise<void> {
  const running = new Set<Promise<void>>();
  let free = threadsMax;
  for (const job of jobs) {
    const wanted = Math.min(job.threads, threadsMax);
    while (free < wanted) await Promise.race(running);
    free -= wanted;
    const ended: Promise<void> = job.run().finally(() => {
      free += wanted;
      running.delete(ended);
    });
    running.add(ended);
  }
  await Promise.all(running);
}

/** Runs a program of the lockfile to its end. `code` is null after a signal. */
export function run(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ code: number | null; output: string }> {
  const [program = '', ...args] = command;
  const child = spawn(program === 'node' ? process.execPath : join(bin, program), args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      PATH: `${bin}${delimiter}${process.env['PATH']}`,
      ...env,
    },
  });
  const late = setTimeout(() => {
    child.kill();
    setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
  }, RUN_MS_MAX);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`cannot run ${relative(root, program)}`, { cause })));
    child.on('close', (code) => {
      clearTimeout(late);
      resolve({ code, output });
    });
  });
}
