// Goal: nothing is installed that was not reviewed. Method: planted entries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLockfile, checkVersions } from '../lockfile.ts';
import type { Lockfile } from '../lockfile.ts';

const check = (packages: Lockfile['packages']): string[] => checkLockfile({ packages }).map(({ text }) => text);

test('an entry with a hash and without an address passes', () => {
  assert.deepEqual(check({ '': {}, 'node_modules/ws': { version: '8.23.0', integrity: 'sha512-a' } }), []);
  assert.deepEqual(check({ 'node_modules/@securechat/wire': { link: true, resolved: 'packages/wire' } }), []);
});

test('a missing hash, an address and an unlisted package are violations', () => {
  assert.match(check({ 'node_modules/ws': {} })[0] ?? '', /no integrity/);
  const resolved = 'https://example.org/ws.tgz';
  assert.match(check({ 'node_modules/ws': { integrity: 'sha512-a', resolved } })[0] ?? '', /address/);
  assert.match(check({ 'node_modules/left-pad': { integrity: 'sha512-a' } })[0] ?? '', /left-pad is not on the list/);
  assert.match(check({ 'node_modules/ws/node_modules/left-pad': { integrity: 'a' } })[0] ?? '', /left-pad is not on/);
});

test('development and optional packages need not be listed', () => {
  const integrity = 'sha512-a';
  assert.deepEqual(
    check({ 'node_modules/a': { integrity, dev: true }, 'node_modules/b': { integrity, optional: true } }),
    [],
  );
});

test('more copies than allowed are a violation, even of listed packages', () => {
  const copies = Array.from({ length: 40 }, (_, n) => [`packages/p${n}/node_modules/ws`, { integrity: 'sha512-a' }]);
  assert.match(check(Object.fromEntries(copies) as Lockfile['packages'])[0] ?? '', /40 packages run/);
});

test('a range, a tag and an address are not exact versions', () => {
  for (const version of ['^1.2.3', '1.2', 'latest', '*', 'file:../a', 'npm:b@1.0.0']) {
    assert.equal(checkVersions('package.json', { dependencies: { a: version } }).length, 1, version);
  }
  assert.deepEqual(checkVersions('package.json', { devDependencies: { a: '1.2.3', b: '2.0.0-rc.10' } }), []);
});
