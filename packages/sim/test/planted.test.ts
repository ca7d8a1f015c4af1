/** Every planted fault is found: whoever breaks one of these rules hears of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bugs, planOf, shrink, simulate } from '@securechat/sim';
import type { Bug } from '@securechat/sim';

const SEEDS_MAX = 2000;
const STEPS = 60;

/** Seeds that found something before: looked at first, so that the tests are quick. All are below SEEDS_MAX. */
const KNOWN = [0, 1, 2, 3, 5, 13, 30, 33, 39, 42, 43, 45, 49, 197, 334];

async function seedThatFinds(bug: Bug): Promise<number | undefined> {
  const all = Array.from({ length: SEEDS_MAX }, (_, seed) => seed);
  for (const seed of new Set([...KNOWN, ...all]))
    if ((await simulate(planOf(String(seed), STEPS), { bug })).violations.length > 0) return seed;
  return undefined;
}

for (const bug of bugs)
  test(`found within ${SEEDS_MAX} seeds: ${bug.name}`, { timeout: 600_000 }, async (context) => {
    const seed = await seedThatFinds(bug);
    assert.notEqual(seed, undefined);
    context.diagnostic(`seed ${seed}`);
  });

test('a failure is told with fewer steps', { timeout: 120_000 }, async () => {
  const bug = bugs.find(({ name }) => name === 'a page of the mailbox skips a row');
  assert.ok(bug);
  const plan = planOf('2', STEPS);
  const small = await shrink(plan, { bug });
  assert.ok(small.steps.length < STEPS / 2, `${small.steps.length} steps`);
  const rule = (await simulate(plan, { bug })).violations[0]?.rule;
  assert.ok((await simulate(small, { bug })).violations.some((one) => one.rule === rule));
});
