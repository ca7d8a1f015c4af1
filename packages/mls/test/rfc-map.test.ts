/**
 * Goal: docs/rfc9420.md points at what is there. Method: every file it names exists, and every piece of a test's name
 * stands in the test file before it, or in one of the files of a folder of that name.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const map = readFileSync(join(root, 'docs', 'rfc9420.md'), 'utf8');
const rows = map
  .split('\n')
  .filter((line) => /^\| [\d.]/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

/** The test file of that name, or all of the folder. */
const sourceOf = (name: string): string =>
  globSync([`${name}.test.ts`, `${name}/*.test.ts`], { cwd: import.meta.dirname })
    .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
    .join('\n');

test('every rule of the map has a place and a test that are there, or is the caller’s', () => {
  assert.ok(rows.length > 80);
  for (const [, section, rule, where = '', tests = ''] of rows) {
    const name = `§${section} ${rule}`;
    const files = [...where.matchAll(/`([a-z-]+\/[a-z-]+\.ts)`/g)].map(([, file = '']) => file);
    assert.ok(files.length > 0 || where.startsWith('caller'), name);
    for (const file of files) assert.ok(existsSync(join(root, 'src', file)), `${name}: ${file}`);
    assert.ok(tests !== '' || where === 'caller', `${name}: no test`);
    let text = '';
    for (const [, file, piece] of tests.matchAll(/`([a-z-]+)`|"([^"]+)"/g)) {
      if (file !== undefined) text = sourceOf(file);
      else assert.ok(text.includes(piece ?? ''), `${name}: ${piece}`);
    }
  }
});

test('every rule that a test of negatives breaks under a section is of a section in the map', () => {
  const sections = rows.flatMap(([, section = '']) => section.split(', '));
  const broken = [...sourceOf('negatives').matchAll(/\(§([\d.]+)\)/g)];
  assert.ok(broken.length > 100);
  for (const [, section = ''] of broken)
    assert.ok(
      sections.some((known) => section === known || section.startsWith(`${known}.`)),
      `§${section}`,
    );
});
