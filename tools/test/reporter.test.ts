// Goal: what failed can be told again in the end, by name and with what was wrong. Method: a file whose tests fail.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../jobs.ts';
import type { Tally } from '../reporter.ts';

const folder = mkdtempSync(join(tmpdir(), 'securechat-reporter-'));
after(() => rmSync(folder, { recursive: true }));
const reporter = `--test-reporter=${join(import.meta.dirname, '../reporter.ts')}`;

async function tallyOf(text: string): Promise<{ tally: Tally; output: string }> {
  const [path, tally] = [join(folder, 'planted.test.mjs'), join(folder, 'tally.json')];
  writeFileSync(path, `import { test } from 'node:test';\n${text}`);
  // Node runs no test files inside of a test, unless it does not know.
  const env = { SECURECHAT_TEST_TALLY: tally, NODE_TEST_CONTEXT: undefined };
  const { code, output } = await run(['node', '--test', '--test-timeout=20000', reporter, path], env);
  assert.equal(code, 1, output);
  return { tally: JSON.parse(readFileSync(tally, 'utf8')) as Tally, output };
}

test('a failure is kept with the first lines of its error, one inside another test once', async () => {
  const { tally } = await tallyOf(`
    test('good', () => {});
    test('outer', async (t) => {
      await t.test('inner', () => { throw new Error('the reason'); });
    });`);
  assert.equal(tally.failures.length, 1);
  assert.match(tally.failures[0] ?? '', /^✖ inner\n {2}Error: the reason\n {6}at /);
  assert.ok((tally.failures[0] ?? '').split('\n').length <= 11);
  assert.deepEqual([tally.rows['pass'], tally.rows['fail']], [1, 2]);
});

test('a file that does not load has no failure of its own: what it printed says why', async () => {
  const { tally, output } = await tallyOf("import './nowhere.mjs';");
  assert.deepEqual(tally.failures, []);
  assert.equal(tally.rows['fail'], 1);
  assert.match(output, /Cannot find module .*nowhere/);
});
