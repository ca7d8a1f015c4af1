/**
 * `npm test`: types, rules, lint, unused code and format, then every test; `--unit` runs the unit tests alone. All of it
 * runs to the end whatever fails, and closes with one table in the form of Node's own.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { readsVectors } from './bans.ts';
import { tallyRows } from './reporter.ts';
import type { Tally } from './reporter.ts';
import { readSources, repositoryFiles } from './source.ts';
import { vectorFaults } from './vectors.ts';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules/.bin');
const scratch = mkdtempSync(join(tmpdir(), 'securechat-test-'));
/** Some hundred processes of the same program: each compiles only what none before it has. */
const compileCache = join(root, 'node_modules/.cache/compile');
const unitOnly = process.argv.includes('--unit');

const rules: readonly Step[] = [
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'rules', command: ['node', 'tools/check.ts'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'unused code', command: ['knip'] },
  { name: 'format', command: ['prettier', '--check', '--cache', '--log-level=warn', '.'] },
];

/** Fast: three processes side by side, so that one works while another waits for a socket or a clock. */
const unitTests = globSync(['packages/*/test/**/*.test.ts', 'tools/test/**/*.test.ts'], { cwd: root })
  .filter((path) => !path.includes('/long/'))
  .sort();
const unitGroups = Object.entries(
  Object.groupBy(unitTests, (path) => {
    const [, name = ''] = /^packages\/(client|server)\//.exec(path) ?? [];
    return `unit tests ${name}`.trimEnd();
  }),
);
/** Thousands of seeds, scripts and damaged inputs: a process per file, two at a time. */
const longTests = ['packages/*/test/long/**/*.test.ts'];
/** Real servers, clients and terminals: a process per file, two at a time. */
const integrationTests = ['apps/*/test/**/*.test.ts'];
const perFile = ['--test-concurrency=2', '--test-timeout=480000'];

/** A test that leaves something open would keep its process alive for ever. */
const RUN_MS_MAX = 20 * 60_000;

const started = performance.now();
const totals = new Map<string, number>(tallyRows.map((row) => [row, 0]));
const files: Tally['files'] = {};

if (!unitOnly) await Promise.all(rules.map(runRule));
await Promise.all(
  unitGroups.map(([name, files = []]) => runTests(name, ['--test-isolation=none', ...files], { collect: true })),
);
if (!unitOnly) await runTests('long tests', [...perFile, ...longTests], { collect: false });
if (!unitOnly) await runTests('integration tests', [...perFile, ...integrationTests], { collect: false });
if (process.env['SECURECHAT_VECTORS'] !== undefined)
  settle('third-party vectors ran', 0, vectorFaults(vectorFiles(), files));
rmSync(scratch, { recursive: true });
closingTable();

async function runRule({ name, command }: Step): Promise<void> {
  const from = performance.now();
  const { code, output } = await run(command, { collect: true });
  settle(name, performance.now() - from, code === 0 ? [] : [output]);
}

/** What runs beside something else is collected, and shown when it has ended. */
async function runTests(
  name: string,
  options: readonly string[],
  { collect }: { readonly collect: boolean },
): Promise<void> {
  const path = join(scratch, `${name}.json`);
  const reporter = `--test-reporter=${join(import.meta.dirname, 'reporter.ts')}`;
  const { code, output } = await run(['node', '--test', reporter, ...options], { collect, tally: path });
  process.stdout.write(output);
  const tally = readTally(path);
  for (const row of tallyRows) add(row, tally?.rows[row] ?? 0);
  Object.assign(files, tally?.files);
  const counted = (tally?.rows['fail'] ?? 0) + (tally?.rows['cancelled'] ?? 0) > 0;
  if (code !== 0 && !counted) settle(name, 0, [`ended with ${code ?? 'a signal, or after too long'}`]);
  if (tally?.rows['tests'] === 0) settle(name, 0, ['no test was found']);
  if (code !== 0) process.exitCode = 1;
}

/** One row for a check that is not a test of Node's runner; each fault is a text for people. */
function settle(name: string, ms: number, faults: readonly string[]): void {
  const failed = faults.length > 0;
  process.stdout.write(`${failed ? '✖' : '✔'} ${name} (${ms.toFixed(0)}ms)\n`);
  for (const fault of faults) process.stdout.write(`${fault.trimEnd().replace(/^/gm, '  ')}\n`);
  add('tests', 1);
  add(failed ? 'fail' : 'pass', 1);
  if (failed) process.exitCode = 1;
}

function closingTable(): void {
  totals.set('duration_ms', Math.round(performance.now() - started));
  for (const [row, value] of totals) process.stdout.write(`ℹ ${row} ${value}\n`);
}

function add(row: string, count: number): void {
  totals.set(row, (totals.get(row) ?? 0) + count);
}

function readTally(path: string): Tally | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Tally;
  } catch {
    return undefined; // the run ended before it could write one
  }
}

/** Test files that read third-party vectors, as absolute paths. */
function vectorFiles(): string[] {
  const tests = repositoryFiles(root).filter((path) => /^(packages|apps)\/.*\.test\.ts$/.test(path));
  return readSources(root, tests)
    .filter(readsVectors)
    .map(({ path }) => join(root, path));
}

interface RunOptions {
  /** Kept instead of shown. */
  readonly collect: boolean;
  readonly tally?: string;
}

function run(command: readonly string[], options: RunOptions): Promise<{ code: number | null; output: string }> {
  const [program = '', ...args] = command;
  const child = spawn(program === 'node' ? process.execPath : join(bin, program), args, {
    cwd: root,
    stdio: options.collect ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      PATH: `${bin}${delimiter}${process.env['PATH']}`,
      ...(options.tally === undefined ? {} : { SECURECHAT_TEST_TALLY: options.tally }),
    },
    timeout: RUN_MS_MAX,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (piece: Buffer) => (output += piece.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`cannot run ${relative(root, program)}`, { cause })));
    child.on('close', (code) => resolve({ code, output }));
  });
}
