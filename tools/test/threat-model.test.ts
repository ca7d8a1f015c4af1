// Goal: the threat model names tests that are there. Method: each file it names, and each piece of a test's name in quotes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const rows = readFileSync(join(root, 'docs/threat-model.md'), 'utf8').split('\n');

/** `mls/x.test.ts` and `e2ee/x.test.ts` stand for packages/mls/test and packages/e2ee/test. */
function fileOf(name: string): string {
  const [, folder, file] = /^(mls|e2ee)\/([\w.-]+)$/.exec(name) ?? [];
  return join(root, folder === undefined || file === undefined ? name : `packages/${folder}/test/${file}`);
}

test('every test file that the threat model names is there, with every test it quotes', () => {
  let files = 0;
  let quotes = 0;
  for (const row of rows) {
    for (const [, name = '', quoted = ''] of row.matchAll(/`([\w./-]+\.test\.ts)`((?: "[^"]+",?)*)/g)) {
      assert.ok(existsSync(fileOf(name)), name);
      files += 1;
      const source = readFileSync(fileOf(name), 'utf8');
      for (const [, quote = ''] of quoted.matchAll(/"([^"]+)"/g)) {
        assert.ok(source.includes(quote.replace(/^… | …$/g, '')), `${name}: ${quote}`);
        quotes += 1;
      }
    }
  }
  assert.ok(files > 40 && quotes > 15, `${files} files, ${quotes} quotes`);
});
