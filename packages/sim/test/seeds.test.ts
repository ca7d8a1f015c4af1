/** What a run promises of itself, on a few small ones; the many are in `long/`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mlsEngine } from '@securechat/e2ee';
import { bugs, missing, planOf, shrink, simulate } from '@securechat/sim';
import type { Plan } from '@securechat/sim';

const STEPS = 24;
/** Plans of two people: the keys of others need not be made. */
const small: readonly Plan[] = Array.from({ length: 200 }, (_, seed) => planOf(String(seed), STEPS)).filter(
  ({ people }) => people.length === 2,
);

test('under faults nothing is lost, shown twice or out of order', async () => {
  for (const plan of small.slice(0, 3)) assert.deepEqual((await simulate(plan)).violations, [], `seed ${plan.seed}`);
});

test('a seed replays exactly', async () => {
  for (const plan of small.slice(4, 6)) {
    const [one, two] = [await simulate(plan), await simulate(plan)];
    assert.equal(one.digest, two.digest);
    assert.equal(one.moments, two.moments);
    assert.deepEqual(planOf(plan.seed, STEPS), plan);
  }
});

test('different seeds are different runs', async () => {
  const digests = await Promise.all(small.slice(0, 2).map(async (plan) => (await simulate(plan)).digest));
  assert.notEqual(digests[0], digests[1]);
});

test('the same rules hold with the real key agreement', async () => {
  const [plan] = small as [Plan];
  const few = { ...plan, steps: plan.steps.slice(0, 15) };
  assert.deepEqual((await simulate(few, { engine: () => mlsEngine })).violations, []);
});

test('a failure is told with fewer steps', async () => {
  const bug = bugs.find(({ name }) => name === 'no dedupe');
  assert.ok(bug);
  for (const plan of small) {
    const rule = (await simulate(plan, { bug })).violations[0]?.rule;
    if (rule === undefined) continue;
    const fewer = await shrink(plan, { bug });
    assert.ok(fewer.steps.length < plan.steps.length / 2, `${fewer.steps.length} steps`);
    assert.ok((await simulate(fewer, { bug })).violations.some((one) => one.rule === rule));
    return;
  }
  assert.fail('no small plan breaks a rule');
});

test('a sweep in which something never happened says so', () => {
  assert.ok(missing(new Map()).includes('parked'));
  assert.ok(!missing(new Map([['parked', 1]])).includes('parked'));
});
