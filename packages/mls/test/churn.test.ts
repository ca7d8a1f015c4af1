/** Goal: groups stay together over random histories, and who was removed is out. A sample; `long/churn.test.ts` has more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHistories } from './churn.ts';
import { suite1, xwingSuite } from './client.ts';

test('a random history keeps all members together (suite 1)', () => {
  const { removals, attempts, slotsReused } = runHistories(suite1, { first: 0, scripts: 1, steps: 30 });
  assert.ok(removals > 0 && attempts > 0 && slotsReused > 0);
});

test('a random history keeps all members together (X-Wing)', () => {
  assert.ok(runHistories(xwingSuite, { first: 2, scripts: 1, steps: 10 }).removals > 0);
});
