// Goal: third-party code has one door a package, primitives have one package. Method: planted violations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDoors } from '../doors.ts';
import { parseSource } from '../source.ts';

function check(files: Readonly<Record<string, string>>): string[] {
  return checkDoors(Object.entries(files).map(([path, text]) => parseSource(path, text))).map(({ text }) => text);
}

test('one door passes, a second in the same package is a violation', () => {
  const first = { 'packages/server/src/a.ts': "import { WebSocketServer } from 'ws';" };
  assert.deepEqual(check(first), []);
  assert.deepEqual(check({ ...first, 'packages/server/src/b.ts': "import type { WebSocket } from 'ws';" }), [
    'a second door for ws: it has packages/server/src/a.ts',
  ]);
  assert.deepEqual(check({ ...first, 'packages/client/src/b.ts': "import { WebSocket } from 'ws';" }), []);
});

test('deep imports, require and node:sqlite count', () => {
  const files = { 'packages/crypto/src/a.ts': "import 'jose/a.js';", 'packages/crypto/src/b.ts': "require('jose');" };
  assert.equal(check(files).length, 1);
  const sqlite = "import { DatabaseSync } from 'node:sqlite';";
  assert.equal(check({ 'packages/e2ee/src/a.ts': sqlite, 'packages/e2ee/src/b.ts': sqlite }).length, 1);
});

test('a driver in a folder of its own has that folder as its door, and nothing beside it', () => {
  const text = "import { DatabaseSync } from 'node:sqlite';";
  const folder = 'packages/server/src/stores/sqlite';
  assert.deepEqual(check({ [`${folder}/a.ts`]: text, [`${folder}/b.ts`]: text }), []);
  assert.deepEqual(check({ 'packages/server/src/shell/a.ts': text }), [
    `a second door for node:sqlite: it has ${folder}/`,
  ]);
});

test('primitives outside crypto are violations', () => {
  assert.equal(check({ 'packages/server/src/a.ts': "import { createHash } from 'node:crypto';" }).length, 1);
  assert.equal(check({ 'packages/e2ee/src/a.ts': 'await crypto.subtle.digest(a, b);' }).length, 1);
  assert.equal(check({ 'packages/crypto/src/a.ts': "import { createHash } from 'node:crypto';" }).length, 0);
});

test('tests may open what they like', () => {
  const text = "import 'ws'; import 'node:crypto';";
  assert.deepEqual(check({ 'packages/server/test/a.test.ts': text, 'packages/server/test/b.test.ts': text }), []);
});
