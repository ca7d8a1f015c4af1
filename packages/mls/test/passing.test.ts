/**
 * Goal: bytes that only pass through share memory without touching each other, and leave nothing behind. Method: calls
 * inside of calls, sizes around the room there is, a failure in the middle; the views are kept and looked at afterwards,
 * which no other code may do.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passing } from '../src/codec/passing.ts';

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
const pass = <T>(bytes: Uint8Array, use: (written: Uint8Array) => T, announced = bytes.length): T =>
  passing(announced, (writer) => writer.raw(bytes), use);

test('one inside of another has memory of its own, and all of it is wiped', () => {
  const seen: Uint8Array[] = [];
  pass(filled(100, 1), (outer) => {
    seen.push(outer);
    pass(filled(50, 2), (inner) => seen.push(inner));
    pass(filled(70, 3), (inner) => {
      seen.push(inner);
      assert.deepEqual(inner, filled(70, 3));
    });
    assert.deepEqual(outer, filled(100, 1));
  });
  for (const view of seen) assert.ok(view.every((byte) => byte === 0));
});

test('more than was announced, and more than there is room for, is written whole and wiped', () => {
  for (const [length, announced] of [
    [1000, 10],
    [65_536, 65_536],
    [65_537, 65_537],
    [200_000, 200_000],
    [0, 0],
  ] as const) {
    let kept = filled(1, 1);
    pass(
      filled(length, 7),
      (whole) => {
        kept = whole;
        assert.deepEqual(whole, filled(length, 7));
        assert.deepEqual(
          pass(filled(80, 9), (inner) => inner.slice()),
          filled(80, 9),
        );
        assert.deepEqual(whole, filled(length, 7));
      },
      announced,
    );
    assert.deepEqual(kept, filled(length, 0));
  }
});

test('a failure gives its memory back and wipes it', () => {
  let first: Uint8Array | undefined;
  const fail = (bytes: Uint8Array): never => {
    first = bytes;
    throw new Error('in the middle');
  };
  for (let at = 0; at < 3000; at += 1) assert.throws(() => pass(filled(100, 5), fail), /middle/);
  const place = first?.byteOffset;
  pass(filled(100, 6), (again) => assert.equal(again.byteOffset, place));
  assert.deepEqual(first, filled(100, 0));
});
