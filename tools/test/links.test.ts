// Goal: a dead link in a document is seen. Method: planted links.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLinks } from '../links.ts';

const paths = ['README.md', 'docs/a.md', 'docs/protocol/b.md'];
const check = (path: string, text: string): string[] =>
  checkLinks(
    [
      { path, text },
      { path: 'docs/protocol/b.md', text: '# The *second* step, at last\n' },
    ],
    paths,
  ).map((violation) => violation.text);

test('links to files, folders, headings and the web pass', () => {
  const links =
    '[a](docs/a.md) [f](docs/) [h](docs/protocol/b.md#the-second-step-at-last) [w](https://example.org/x.md)';
  assert.deepEqual(check('README.md', links), []);
  assert.deepEqual(check('docs/a.md', '[up](../README.md) [self](#own)\n## Own'), []);
});

test('links to nowhere are violations, those inside code are not', () => {
  assert.deepEqual(check('docs/a.md', '[a](README.md)'), ['README.md: there is no such file']);
  assert.deepEqual(check('README.md', '[h](docs/protocol/b.md#other)'), [
    'docs/protocol/b.md#other: there is no such heading',
  ]);
  assert.deepEqual(check('README.md', '`[a](gone.md)`\n```\n[a](gone.md)\n```\n'), []);
});

test('a path in a code span has to be there, other code is left alone', () => {
  assert.deepEqual(check('README.md', '`docs/a.md`, `docs/protocol/`, `npm run docs/x` and `packages/*/test`'), []);
  assert.deepEqual(check('README.md', 'see `docs/gone.md`,\nand `packages/wire/src`'), [
    'docs/gone.md: there is no such file',
    'packages/wire/src: there is no such file',
  ]);
});
