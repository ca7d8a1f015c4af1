// Goal: nothing from outside gets into a pure room unseen. Method: planted violations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPurity } from '../purity.ts';
import { parseSource } from '../source.ts';

const count = (path: string, text: string): number => checkPurity([parseSource(path, text)]).length;

const planted = [
  'const now = Date.now();',
  'const now = new Date();',
  'const now = Date();',
  'const { now } = performance;',
  'const a = Math.random();',
  'setTimeout(f, 1);',
  'const later = setInterval;',
  'const a = process.env.A;',
  'crypto.getRandomValues(a);',
  'globalThis.Date.now();',
  'const a = Buffer.alloc(1);',
  "import { randomBytes } from 'node:crypto';",
  "import { systemEntropy } from '@securechat/crypto';",
];

test('clock, randomness, timers, process and node: are violations in every pure room', () => {
  for (const text of planted) {
    for (const room of [
      'packages/wire/src',
      'packages/session/src',
      'packages/server/src/core',
      'packages/client/src/core',
    ]) {
      assert.equal(count(`${room}/a.ts`, text), 1, `${room}: ${text}`);
    }
  }
});

test('the shell and the tests may use them', () => {
  for (const text of planted) {
    assert.equal(count('packages/server/src/shell/a.ts', text), 0, text);
    assert.equal(count('packages/wire/test/a.test.ts', text), 0, text);
  }
});

test('time and entropy as arguments pass', () => {
  const text = 'export function f(nowMs: number, entropy: (bytes: number) => Uint8Array) { return new Date(nowMs); }';
  assert.equal(count('packages/session/src/a.ts', text), 0);
});
