/** Seeds that must pass, and what a run promises of itself: the same seed is the same run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mlsEngine } from '@securechat/e2ee';
import { planOf, simulate } from '@securechat/sim';

/** Seconds that the seeds of one run of the tests may take; all others are for `npm run sim`. */
const SECONDS = Number(process.env['SECURECHAT_SIM_SECONDS'] ?? 30);
const STEPS = 100;

test('under faults nothing is lost, shown twice or out of order', { timeout: 600_000 }, async (context) => {
  const endMs = performance.now() + SECONDS * 1000;
  let seeds = 0;
  for (; seeds < 2000 && performance.now() < endMs; seeds += 1) {
    const { violations } = await simulate(planOf(String(seeds), STEPS));
    assert.deepEqual(violations, [], `npm run sim -- --seed ${seeds} --steps ${STEPS}`);
  }
  context.diagnostic(`${seeds} seeds of ${STEPS} steps`);
  assert.ok(seeds >= 10);
});

test('seeds that once found a fault of ours pass', { timeout: 120_000 }, async () => {
  // A gap shown for a slow connection; a full disk that refused what it had stored; an acceptance that was not settled.
  for (const seed of ['2094', '2109', '3071', '2055'])
    assert.deepEqual((await simulate(planOf(seed, STEPS))).violations, [], `seed ${seed}`);
});

test('a seed replays exactly', async () => {
  for (const seed of ['1', '17', '34']) {
    const plan = planOf(seed, 60);
    const [one, two] = [await simulate(plan), await simulate(plan)];
    assert.equal(one.digest, two.digest);
    assert.equal(one.moments, two.moments);
    assert.deepEqual(planOf(seed, 60), plan);
  }
});

test('different seeds are different runs', async () => {
  const digests = await Promise.all(['2', '3'].map(async (seed) => (await simulate(planOf(seed, 20))).digest));
  assert.notEqual(digests[0], digests[1]);
});

test('the same rules hold with the real key agreement', { timeout: 120_000 }, async () => {
  for (const seed of ['5', '23'])
    assert.deepEqual((await simulate(planOf(seed, 25), { engine: () => mlsEngine })).violations, []);
});
