// Goal: the checkers see code as a parser sees it; what stands in strings and comments is not code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globalUses, parseSource } from '../source.ts';

const imports = (text: string): string[] => parseSource('a.ts', text).imports.map((found) => found.specifier);
const globals = (text: string): string[] => [...globalUses(parseSource('a.ts', text))].map((use) => use.name);

test('every form of import is seen', () => {
  assert.deepEqual(imports("import { a } from 'one';"), ['one']);
  assert.deepEqual(imports("import type { A } from 'one';"), ['one']);
  assert.deepEqual(imports("import 'one';"), ['one']);
  assert.deepEqual(imports("export { a } from 'one';"), ['one']);
  assert.deepEqual(imports("export * from 'one';"), ['one']);
  assert.deepEqual(imports("export * as a from 'one';"), ['one']);
  assert.deepEqual(imports("const a = await import('one');"), ['one']);
  assert.deepEqual(imports("type A = import('one').A;"), ['one']);
  assert.deepEqual(imports("const a = createRequire(import.meta.url)('one');"), ['one']);
  assert.deepEqual(imports("const a = require('one');"), ['one']);
});

test('imports in strings and comments are not imports', () => {
  assert.deepEqual(imports("// import { a } from 'one';\nconst a = \"import 'one'\"; /* import('two') */"), []);
});

test('uses of globals are seen by name and member', () => {
  assert.deepEqual(globals('const now = Date.now;'), ['Date.now']);
  assert.deepEqual(globals('f(setTimeout);'), ['f', 'setTimeout']);
  assert.deepEqual(globals("process['env'];"), ['process.env']);
  assert.deepEqual(globals('const { env } = process;'), ['process']);
});

test('properties, keys, types and names of the file itself are not globals', () => {
  assert.deepEqual(globals('const a = { process: 1 }; a.process; a.Date.now();'), []);
  assert.deepEqual(globals('function f(process: number) { return process; }'), []);
  assert.deepEqual(globals('const { a: { process = 1 } } = {}; process;'), []);
  assert.deepEqual(globals('interface A { process: Date; crypto(): void }'), []);
});

test('a file that does not parse is an error, never a pass', () => {
  assert.throws(() => parseSource('a.ts', 'const = ;'), SyntaxError);
});
