/** Goal: docs/scripts.md names every method and event that a script can meet. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClientEvent } from '@securechat/client';
import { methods } from '../src/rpc/methods.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/scripts.md'), 'utf8');

/** Exhaustive by its type: a new event does not compile until it stands here. */
const events: { readonly [K in ClientEvent['kind']]: true } = {
  message: true,
  state: true,
  fileOffer: true,
  fileProgress: true,
  fileAnswered: true,
  fileDelivered: true,
  fileReceived: true,
  fileFailed: true,
  presence: true,
  keyChanged: true,
  newDevice: true,
  deviceEnds: true,
  loggedOut: true,
  connection: true,
  gap: true,
  serverPinned: true,
};

test('the document of scripts lists every method of rpc, and marks those that wait for the others', () => {
  const table = between('## rpc', '`createGroup`');
  const rows = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+)( •)? \|/gm)];
  const marked = new Map(rows.flatMap(([, names = '', mark]) => namesIn(names).map((name) => [name, mark] as const)));
  const later = namesIn(/^`createGroup`.*$/m.exec(text)?.[0] ?? '');
  for (const [name, { alone }] of Object.entries(methods)) {
    if (!later.includes(name)) assert.equal(marked.has(name) && marked.get(name) !== undefined, alone, name);
    assert.ok(later.includes(name) !== marked.has(name), name);
  }
  assert.deepEqual(
    [...marked.keys()].filter((name) => !Object.hasOwn(methods, name)),
    [],
  );
});

test('the document of scripts lists every event', () => {
  const table = between('## Events', 'Texts and names');
  const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(new Set(listed), new Set(Object.keys(events)));
});

function between(from: string, to: string): string {
  return text.slice(text.indexOf(from), text.indexOf(to));
}

function namesIn(line: string): string[] {
  return [...line.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
}
