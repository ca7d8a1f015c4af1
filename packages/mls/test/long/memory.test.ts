/** Goal: what bytes of others are read into takes 16 times their size at most, however small their items are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decode } from '../../src/codec/reader.ts';
import type { Writer } from '../../src/codec/writer.ts';
import { encode } from '../../src/codec/writer.ts';
import { readCommit } from '../../src/group/commit-structure.ts';
import { readWelcome } from '../../src/group/welcome-structure.ts';
import { readExtensions } from '../../src/tree/extension.ts';
import { readParent } from '../../src/tree/parent-node.ts';
import { decodeTree } from '../../src/tree/tree-extension.ts';
import { readUpdatePath } from '../../src/tree/update-path.ts';
import { suite1 as suite } from '../client.ts';
import { made, survives } from '../fuzz-targets.ts';

/** What V8 itself adds to the heap between two collections, compiled code for one. */
const ROOM_BYTES = 200_000;

test('long lists of the smallest items take 16 times their size at most, or are refused', () => {
  const { leaf } = made.keyPackage;
  const listOf = (item: readonly number[], times: number) => (w: Writer) =>
    void w.vectorOf((items) => items.raw(repeated(item, times)));
  const pathOf = (sealed: readonly number[]) => (w: Writer) =>
    void w.raw(leaf.encoded).vectorOf((nodes) => listOf(sealed, 65_000)(nodes.u8(0)));
  const floods: readonly (readonly [string, (w: Writer) => void, (bytes: Uint8Array) => unknown])[] = [
    ['blank nodes', listOf([0], 120_000), (b) => decodeTree(suite, b)],
    ['removals', listOf([1, 0, 3, 0, 0, 0, 0], 50_000), (b) => decode(b, readCommit)],
    ['references', listOf([2, 0], 100_000), (b) => decode(b, readCommit)],
    ['extensions', listOf([1, 2, 0], 60_000), (b) => decode(b, readExtensions)],
    ['senders of a welcome', (w) => listOf([0, 0, 0], 60_000)(w.u16(1)), (b) => decode(b, readWelcome)],
    ['unmerged leaves', (w) => listOf([0, 0, 0, 1], 60_000)(w.u8(0).u8(0)), (b) => decode(b, readParent)],
    ['empty ciphertexts of a path', pathOf([0, 0]), (b) => decode(b, readUpdatePath)],
    ['smallest ciphertexts of a path', pathOf([0, 16, ...new Uint8Array(16)]), (b) => decode(b, readUpdatePath)],
  ];
  for (const [name, write, run] of floods) {
    const bytes = encode(write);
    survives(name, bytes, run);
    const held = heldBy(() => unlessRefused(() => run(bytes)));
    assert.ok(held < 16 * bytes.length + ROOM_BYTES, `${name}: ${held} bytes for ${bytes.length}`);
  }
});

function unlessRefused(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

function repeated(item: readonly number[], times: number): Uint8Array {
  const bytes = new Uint8Array(item.length * times);
  for (let i = 0; i < times; i++) bytes.set(item, i * item.length);
  return bytes;
}

/** Bytes that stay allocated as long as the result of a run does. */
function heldBy(run: () => unknown): number {
  const before = allocated();
  const result = run();
  const after = allocated();
  // Mentioned, so that it lives until here.
  return result === allocated ? 0 : after - before;
}

function allocated(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
