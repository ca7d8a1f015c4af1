/** Goal: nobody takes a whole commit while others wait, nobody waits for ever, and everybody's own order holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FairQueue } from '../../src/core/fair-queue.ts';

interface Item {
  readonly n: number;
  readonly owner: string | undefined;
  readonly bytes: number;
}

function queueOf(...asked: readonly (readonly [owner: string | undefined, count: number, bytes?: number])[]) {
  const queue = new FairQueue<Item>();
  let n = 0;
  for (const [owner, count, bytes = 1] of asked)
    for (let index = 0; index < count; index += 1) queue.push({ n: (n += 1), owner, bytes });
  return queue;
}

const MAX = 100;
/** A quarter of it. */
const TURN = 25;
const BYTES = 1000;

function shares(items: readonly Item[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { owner } of items) counts[owner ?? 'server'] = (counts[owner ?? 'server'] ?? 0) + 1;
  return counts;
}

test('what all fits is taken as it came; one more than fits waits', () => {
  const queue = queueOf(['anna', 60], ['bob', 20], [undefined, 20], ['anna', 1]);
  const taken = queue.take(MAX + 1, BYTES);
  assert.deepEqual(
    taken.map(({ n }) => n),
    Array.from({ length: 101 }, (_, index) => index + 1),
  );
  assert.equal(queue.length, 0);
  assert.equal(queue.bytes, 0);
  const longer = queueOf(['anna', MAX + 1]);
  assert.equal(longer.take(MAX, BYTES).length, MAX);
  assert.deepEqual(
    longer.take(MAX, BYTES).map(({ n }) => n),
    [MAX + 1],
  );
});

test('who floods gets one turn, a quarter of a commit, until everybody who waits had one; alone, all of it', () => {
  const others = Array.from({ length: 90 }, (_, index) => [`other ${index}`, 1] as const);
  const queue = queueOf(['flood', 1000], ...others);
  const first = shares(queue.take(MAX, BYTES));
  assert.equal(first['flood'], TURN);
  assert.equal(Object.keys(first).length, 1 + (MAX - TURN));
  // The last of the others come in the next one, before the second turn of who floods.
  const second = shares(queue.take(MAX, BYTES));
  assert.equal(second['other 89'], 1);
  assert.equal(second['flood'], MAX - (90 - (MAX - TURN)));
  assert.deepEqual(shares(queue.take(MAX, BYTES)), { flood: MAX });
});

test('what the server asks for goes first, to half of a commit while accounts wait', () => {
  const queue = queueOf(['anna', 200], [undefined, 80]);
  assert.deepEqual(shares(queue.take(MAX, BYTES)), { server: MAX / 2, anna: MAX / 2 });
  assert.deepEqual(shares(queue.take(MAX, BYTES)), { server: 30, anna: 70 });
  assert.deepEqual(shares(queueOf([undefined, 200], ['anna', 10]).take(MAX, BYTES)), { server: 90, anna: 10 });
});

test('bytes bound a commit as well, but the first of it', () => {
  const queue = queueOf(['anna', 2, 600], ['bob', 1, 400]);
  assert.deepEqual(
    [queue.take(MAX, 599), queue.take(MAX, 1000)].map((items) => items.map(({ n }) => n)),
    [[1], [2, 3]],
  );
});

test('whatever comes, all of it is taken once, each in the order of its owner, never more than fits', () => {
  const asked = fc.array(
    fc.tuple(fc.constantFrom(undefined, 'anna', 'bob', 'cleo'), fc.integer({ min: 1, max: 40 }), fc.nat(50)),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(
      asked,
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 200 }),
      (some, countMax, bytesMax) => {
        const queue = queueOf(...some);
        const last = new Map<string | undefined, number>();
        let left = queue.length;
        while (queue.length > 0) {
          const taken = queue.take(countMax, bytesMax);
          assert.ok(taken.length > 0 && taken.length <= countMax);
          const bytes = taken.reduce((sum, item) => sum + item.bytes, 0);
          assert.ok(bytes <= bytesMax || taken.length === 1);
          for (const { owner, n } of taken) {
            assert.ok(n > (last.get(owner) ?? 0));
            last.set(owner, n);
          }
          left -= taken.length;
          assert.equal(queue.length, left);
        }
        assert.equal(queue.bytes, 0);
        assert.equal(left, 0);
      },
    ),
  );
});
