// Goal: each ban can fail, and does not fail on what merely looks like it. Method: planted violations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBans, checkNames, checkPlaces } from '../bans.ts';
import { parseSource } from '../source.ts';

function check(path: string, text: string): string[] {
  return checkBans([parseSource(path, text)]).map((violation) => violation.text);
}
const library = 'packages/wire/src/a.ts';
const testFile = 'packages/wire/test/a.test.ts';

test('any, thrown strings, export default and export * are violations', () => {
  assert.deepEqual(check(library, 'const a = b as any;'), ['any']);
  assert.deepEqual(check(library, 'function f(a: readonly any[]) {}'), ['any']);
  assert.deepEqual(check(library, "throw 'no';"), ['a thrown string']);
  assert.deepEqual(check(library, 'export default 1;'), ['export default']);
  assert.deepEqual(check(library, "export * from './b.ts';"), ['export * from ./b.ts']);
  assert.deepEqual(check(library, "export * as b from './b.ts'; const any = 'any';"), []);
});

test('leftovers in comments are violations, the same words in strings are not', () => {
  for (const word of ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', '@ts-' + 'ignore', '@ts-' + 'nocheck']) {
    assert.equal(check(library, `// ${word}: later`).length, 1, word);
    assert.equal(check(library, `const a = '${word}';`).length, 0, word);
  }
});

test('@ts-expect-error is for tests of types', () => {
  assert.equal(check(library, '// @ts-expect-error\nf(1);').length, 1);
  assert.equal(check(testFile, '// @ts-expect-error\nf(1);').length, 0);
});

test('only, todo and unlisted skips are violations in tests', () => {
  assert.deepEqual(check(testFile, "test.only('a', f);"), ['only in a test']);
  assert.deepEqual(check(testFile, "test('a', { only: true }, f);"), ['only in a test']);
  assert.deepEqual(check(testFile, "test.todo('a');"), ['todo in a test']);
  assert.equal(check(testFile, "test.skip('a', f);").length, 1);
  assert.equal(check(testFile, "test('a', { skip: true }, f);").length, 1);
  assert.equal(check(testFile, "test('a', (t) => t.skip('why'));").length, 1);
  assert.deepEqual(check(library, 'reader.skip(4);'), []);
});

test('a file that reads third-party vectors may skip when they are absent', () => {
  const text = "const path = process.env['SECURECHAT_VECTORS']; test('a', { skip: path === undefined }, f);";
  assert.deepEqual(check(testFile, text), []);
});

test('packages print nothing and read no environment', () => {
  assert.equal(check(library, "console.log('a');").length, 1);
  assert.equal(check(library, 'const a = process.env.A;').length, 1);
  assert.equal(check('packages/server/src/main.ts', 'const a = process.env.A;').length, 0);
  assert.equal(check('apps/terminal/src/main.ts', "console.log('a');").length, 0);
});

test('names that say nothing are violations, as folders and as files', () => {
  const paths = ['packages/wire/src/utils/a.ts', 'packages/wire/src/helpers.ts', 'packages/wire/test/common.test.ts'];
  assert.equal(checkNames(paths).length, 3);
  assert.equal(checkNames(['packages/wire/src/bytes.ts', 'docs/shared-secrets.md']).length, 0);
});

test('paths of one machine and registries are violations', () => {
  const check = (text: string): number => checkPlaces([{ path: 'a.md', text }]).length;
  assert.equal(check(`see /${'root'}/x`), 1);
  assert.equal(check(`'/${'work'}/main'`), 1);
  assert.equal(check(`https://registry.${'npmjs'}.org/ws`), 1);
  assert.equal(check('docs/work/x.md and ./root/x and https://example.org/work/x'), 0);
});
