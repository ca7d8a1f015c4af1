// Goal: the succession rule holds, and the checker fails when it does not. Method: planted violations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSource } from '../source.ts';
import { checkSuccession } from '../succession.ts';
import type { Manifest } from '../succession.ts';

const manifest = (name: string, ...dependencies: string[]): Manifest => ({ name, dependencies });
const scoped = ['wire', 'crypto', 'session', 'e2ee', 'client', 'server', 'ghost'].map((name) => `@securechat/${name}`);
const manifests = new Map([
  ['', manifest('root', 'fast-check')],
  ['packages/wire', manifest('@securechat/wire', ...scoped)],
  ['packages/crypto', manifest('@securechat/crypto', ...scoped)],
  ['packages/session', manifest('@securechat/session', '@securechat/wire')],
  ['packages/e2ee', manifest('@securechat/e2ee', ...scoped, 'ts-mls')],
  ['packages/client', manifest('@securechat/client', ...scoped)],
  ['packages/server', manifest('@securechat/server', ...scoped)],
  ['packages/ghost', manifest('@securechat/ghost', ...scoped)],
  ['apps/terminal', manifest('securechat', ...scoped)],
]);

function check(path: string, text: string): string[] {
  return checkSuccession([parseSource(path, text)], manifests).map((violation) => violation.text);
}

test('imports to the left pass', () => {
  assert.deepEqual(check('packages/e2ee/src/a.ts', "import { limits } from '@securechat/wire';"), []);
  assert.deepEqual(check('packages/client/src/a.ts', "import { x } from '@securechat/e2ee'; import './b.ts';"), []);
  assert.deepEqual(check('packages/e2ee/src/a.ts', "import { x } from 'ts-mls/codec.js';"), []);
});

test('imports to the right, and of a sibling, are violations', () => {
  const toTheRight = ['@securechat/wire must not import @securechat/crypto'.replaceAll('@securechat/', '')];
  assert.deepEqual(check('packages/wire/src/a.ts', "import { x } from '@securechat/crypto';"), [
    `${toTheRight[0]}: only to the left`,
  ]);
  assert.match(
    check('packages/client/src/a.ts', "import { x } from '@securechat/server';")[0] ?? '',
    /client must not/,
  );
  assert.match(
    check('packages/server/src/a.ts', "type X = import('@securechat/client').X;")[0] ?? '',
    /server must not/,
  );
});

test('the server may not import e2ee although it lies to its left', () => {
  assert.deepEqual(check('packages/server/src/a.ts', "await import('@securechat/e2ee');"), [
    'server must not import e2ee here',
  ]);
});

test('the terminal reaches the server in one file', () => {
  const text = "import { x } from '@securechat/server';";
  assert.deepEqual(check('apps/terminal/src/server-command.ts', text), []);
  assert.deepEqual(check('apps/terminal/src/line.ts', text), ['terminal must not import server here']);
});

test('an undeclared package is a violation, in tests those of the root are declared', () => {
  assert.match(check('packages/session/src/a.ts', "import { x } from '@securechat/crypto';")[0] ?? '', /not declared/);
  assert.match(check('packages/session/src/a.ts', "import fc from 'fast-check';")[0] ?? '', /not declared/);
  assert.deepEqual(check('packages/session/test/a.test.ts', "import fc from 'fast-check';"), []);
});

test('a relative path out of the package is a violation', () => {
  assert.match(check('packages/wire/src/a.ts', "import '../../crypto/src/b.ts';")[0] ?? '', /reaches out/);
});

test('a package without a rank is a violation, so that a new room has to be placed', () => {
  assert.match(check('packages/server/src/a.ts', "import '@securechat/ghost';")[0] ?? '', /ghost has no rank/);
});

test('node: is a violation in a browser-safe room, and nowhere else', () => {
  const text = "import { readFileSync } from 'node:fs';";
  assert.equal(check('packages/wire/src/a.ts', text).length, 1);
  assert.equal(check('packages/e2ee/src/a.ts', text).length, 1);
  assert.equal(check('packages/client/src/core/a.ts', text).length, 1);
  assert.equal(check('packages/client/src/shell/a.ts', text).length, 0);
  assert.equal(check('packages/wire/test/a.test.ts', text).length, 0);
});
