// Goal: a row of the tables that nothing uses is seen. Method: planted rows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSource } from '../source.ts';
import { checkTables } from '../tables.ts';

const source = parseSource('packages/a/src/a.ts', "fail('BUSY'); if (n > limits.rowsMax) stop();");
const witness = parseSource('packages/a/test/a.test.ts', 'f(defaultLimits.rowsMax + 1);');
const check = (codes: string[], limits: string[]): string[] =>
  checkTables([source, witness], { codes, limits }).map(({ text }) => text);

test('rows in use pass', () => {
  assert.deepEqual(check(['BUSY'], ['rowsMax']), []);
});

test('a code raised nowhere, a limit checked nowhere and a limit without a test are violations', () => {
  assert.deepEqual(check(['LONELY'], []), ['LONELY is raised nowhere']);
  assert.deepEqual(check([], ['bytesMax']), ['bytesMax is checked nowhere', 'bytesMax is named in no test']);
});

test('the tables themselves do not count as use', () => {
  const table = parseSource('packages/wire/src/limits.ts', 'export const limits = { bytesMax: 1 };');
  assert.equal(checkTables([table], { codes: [], limits: ['bytesMax'] }).length, 2);
});
