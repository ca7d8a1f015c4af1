/**
 * `npm test`: types, rules, lint, unused code and format, then every test; `--unit` runs the unit tests alone, `--rules`
 * everything but tests. All of it runs to the end whatever fails, and closes with what failed, once more, and one table
 * in the form of Node's own.
 */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readsVectors } from './bans.ts';
import { run, runJobs } from './jobs.ts';
import type { Job } from './jobs.ts';
import { tallyRows } from './reporter.ts';
import type { Tally } from './reporter.ts';
import { readSources, repositoryFiles } from './source.ts';
import { vectorFaults } from './vectors.ts';

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'securechat-test-'));
const only = ['--unit', '--rules'].find((flag) => process.argv.includes(flag));

const rules: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['types', ['tsc', '-b']],
  ['rules', ['node', 'tools/check.ts']],
  ['lint', ['oxlint', '--type-aware']],
  ['unused code', ['knip']],
  ['format', ['prettier', '--check', '--cache', '--log-level=warn', '.']],
];

const filesOf = (patterns: readonly string[]): string[] => globSync(patterns, { cwd: root }).sort();
/** Fast: a process for many files, and four of them, two of which wait for sockets and clocks now and then. */
const unitTests = filesOf(['packages/*/test/**/*.test.ts', 'tools/test/**/*.test.ts']).filter(
  (path) => !path.includes('/long/'),
);
const unitGroups = Object.entries(
  Object.groupBy(unitTests, (path) => {
    const [, name = ''] = /^packages\/(client|server\/test\/shell|server)\//.exec(path) ?? [];
    return `unit tests ${name}`.trimEnd();
  }),
);
/** Thousands of seeds, scripts and damaged inputs: a process per file. */
const longTests = filesOf(['{packages,apps}/*/test/long/**/*.test.ts']);
const inTerminal = (names: string): string[] => names.split(' ').map((name) => `apps/terminal/test/${name}.test.ts`);
/** They wait more than they work: for a full disk, for a deadline, for what a screen shows. */
const waiting = inTerminal('full-disk terminal any-bytes hostile-server launcher terminal-real');
/** They take longest, the longest first: in the end nobody waits for one of them alone. */
const longest = inTerminal('one-shot bad-input hostile-login backup client-pair rpc-pair years canary');
/** Real servers, clients and terminals: a process per file. */
const realPrograms = [...waiting, ...longest, ...filesOf(['apps/*/test/*.test.ts'])];

/** One more than there are: while a test waits for a socket or a clock, another one works. */
const THREADS_MAX = availableParallelism() + 1;
/** The simulator has a thread for every core. The rest has one that matters, or works half of the time. */
function threadsOf(path: string): number {
  if (path.startsWith('packages/sim/')) return THREADS_MAX - 1;
  return waiting.includes(path) ? 1 / 2 : 1;
}
/** A test that hangs. On a machine with nothing else to do the longest takes 150 s. */
const TEST_MS_MAX = 20 * 60_000;
/** How many lines of what a run printed are told again, when no test of it is known to have failed. */
const PRINTED_LINES_MAX = 40;

const started = performance.now();
const totals = new Map<string, number>(tallyRows.map((row) => [row, 0]));
const files: Tally['files'] = {};
const failures: string[] = [];

const ruleJobs: Job[] = rules.map(([name, command]) => ({ threads: 1, run: () => runRule(name, command) }));
const unitJobs: Job[] = unitGroups.map(([name, paths = []]) => ({
  threads: 1,
  run: () => runTests(name, ['--test-isolation=none', ...paths]),
}));
/**
 * Those with many threads first: they wait for room, and nothing should wait with them in the end. Beside the first there
 * is no room for the next: two that wait fill it.
 */
const wide = longTests.filter((path) => threadsOf(path) > 1);
const inOrder = [...wide.slice(0, 1), ...waiting.slice(0, 2), ...wide, ...waiting, ...longTests, ...realPrograms];
const fileJobs: Job[] = [...new Set(inOrder)].map((path) => ({
  threads: threadsOf(path),
  run: () => runTests(path, [path]),
}));

if (only === '--rules') await runJobs(ruleJobs, ruleJobs.length);
else if (only === '--unit') await runJobs(unitJobs, unitJobs.length);
else await runJobs([...ruleJobs, ...unitJobs, ...fileJobs], THREADS_MAX);
if (process.env['SECURECHAT_VECTORS'] !== undefined && only !== '--rules')
  settle('third-party vectors ran', 0, vectorFaults(vectorFiles(), files));
rmSync(scratch, { recursive: true });
closing();

async function runRule(name: string, command: readonly string[]): Promise<void> {
  const from = performance.now();
  const { code, output } = await run(command);
  settle(name, performance.now() - from, code === 0 ? [] : [output]);
}

/** What runs beside something else is shown when it has ended. */
async function runTests(name: string, options: readonly string[]): Promise<void> {
  const from = performance.now();
  const path = join(scratch, `${name.replaceAll('/', ' ')}.json`);
  const reporter = `--test-reporter=${join(import.meta.dirname, 'reporter.ts')}`;
  const { code, output } = await run(['node', '--test', reporter, `--test-timeout=${TEST_MS_MAX}`, ...options], {
    SECURECHAT_TEST_TALLY: path,
  });
  process.stdout.write(`▶ ${name} (${((performance.now() - from) / 1000).toFixed(0)} s)\n${output}`);
  const tally = readTally(path);
  for (const row of tallyRows) add(row, tally?.rows[row] ?? 0);
  Object.assign(files, tally?.files);
  if (tally?.rows['tests'] === 0) settle(name, 0, ['no test was found']);
  if (code === 0) return;
  process.exitCode = 1;
  const counted = (tally?.rows['fail'] ?? 0) + (tally?.rows['cancelled'] ?? 0) > 0;
  const printed = output.split('\n').slice(0, PRINTED_LINES_MAX).join('\n');
  if (!counted) settle(name, 0, [`ended with ${code ?? 'a signal'}`, printed]);
  else failures.push(`${name}\n${(tally?.failures.join('\n') || printed).replace(/^/gm, '  ')}`);
}

/** One row for a check that is not a test of Node's runner; each fault is a text for people. */
function settle(name: string, ms: number, faults: readonly string[]): void {
  const failed = faults.length > 0;
  const said = faults.map((fault) => fault.trimEnd().replace(/^/gm, '  '));
  process.stdout.write(`${[`${failed ? '✖' : '✔'} ${name} (${ms.toFixed(0)}ms)`, ...said].join('\n')}\n`);
  add('tests', 1);
  add(failed ? 'fail' : 'pass', 1);
  if (!failed) return;
  failures.push([name, ...said].join('\n'));
  process.exitCode = 1;
}

/** Failures stand last, where whoever sees the end of a long log alone finds them. */
function closing(): void {
  totals.set('duration_ms', Math.round(performance.now() - started));
  if (failures.length > 0) process.stdout.write(`\n✖ what failed:\n\n${failures.join('\n\n')}\n\n`);
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
