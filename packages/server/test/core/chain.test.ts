import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RefusedChain } from '../../src/core/chain.ts';
import { afterAccepted, afterRefusal, chainRefuses } from '../../src/core/chain.ts';

test('after a refusal later numbers wait, the refused one and commits do not', () => {
  const refused = afterRefusal(undefined, 5);
  assert.equal(chainRefuses(refused, 6), true);
  assert.equal(chainRefuses(refused, 5), false);
  assert.equal(chainRefuses(refused, 0), false);
  assert.equal(chainRefuses(afterAccepted(refused, 5), 6), false);
});

test('numbers refused on the way are waited for in turn', () => {
  let refused = afterRefusal(afterRefusal(undefined, 5), 6);
  refused = afterAccepted(refused, 5);
  // 7 was still under way when 5 came again: 6 has to come first.
  assert.equal(chainRefuses(refused, 7), true);
  refused = afterAccepted(afterRefusal(refused, 7), 6);
  assert.equal(chainRefuses(refused, 8), true);
  assert.equal(afterAccepted(refused, 7), undefined);
});

test('a refused commit refuses nothing', () => {
  assert.equal(afterRefusal(undefined, 0), undefined);
});

test('whatever is refused and however a client resends, accepted numbers come in order without a gap', () => {
  // The client keeps every unaccepted number and sends them again from a random one on; the server refuses at random.
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.boolean()), { maxLength: 200 }), (tries) => {
      let refused: RefusedChain | undefined;
      const accepted: number[] = [];
      let sentMax = 0;
      for (const [ahead, refuse] of tries) {
        const lowest = accepted.length + 1;
        const chainNumber = Math.min(lowest + ahead, sentMax + 1);
        sentMax = Math.max(sentMax, chainNumber);
        if (chainRefuses(refused, chainNumber) || refuse) refused = afterRefusal(refused, chainNumber);
        else {
          refused = afterAccepted(refused, chainNumber);
          accepted.push(chainNumber);
        }
      }
      assert.deepEqual(
        accepted,
        accepted.map((_number, index) => index + 1),
      );
    }),
  );
});
