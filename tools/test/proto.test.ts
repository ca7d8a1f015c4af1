// Goal: generated code that differs from its schema is seen. Method: two folders with planted differences.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareFolders } from '../proto.ts';

test('a missing, a changed and a left-over file are violations, an equal one is not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-proto-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = { 'new/same.ts': 'a', 'old/same.ts': 'a', 'new/changed.ts': 'a', 'old/changed.ts': 'b' };
  const alone = { 'new/v1/missing.ts': 'a', 'old/v1/left.ts': 'a' };
  for (const [path, text] of Object.entries({ ...files, ...alone })) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const found = compareFolders(join(folder, 'new'), join(folder, 'old')).map(({ path, text }) => `${path} ${text}`);
  assert.deepEqual(found, [
    'changed.ts is out of date: npm run proto',
    'v1/left.ts has no schema: npm run proto',
    'v1/missing.ts is missing: npm run proto',
  ]);
});
