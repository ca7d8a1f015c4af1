/** The sweep of every change: many seeds, none of which breaks a rule, and every fault and feature seen in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crew, missing } from '@securechat/sim';

const inCi = process.env['CI'] !== undefined;
/** A fifth while somebody waits for it. More for a night: SECURECHAT_SIM_SEEDS, or `npm run sim -- --seeds N`. */
const SEEDS = Number(process.env['SECURECHAT_SIM_SEEDS'] ?? (inCi ? 2000 : 400));
const STEPS = 100;
/** A slow machine does fewer, and says so. Two cores with nothing else to do need 150 s for 2,000. */
const MS_MAX = Number(process.env['SECURECHAT_SIM_SECONDS'] ?? (inCi ? 420 : 120)) * 1000;
/** Some things come once in a hundred runs. */
const TELLING = 1500;

test('seed by seed nothing is lost, shown twice, out of order or left over', async (context) => {
  await using crew = await Crew.gather();
  const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);
  const total = await crew.sweep({ seeds, steps: STEPS, msMax: MS_MAX });
  assert.deepEqual(total.failure, undefined, `npm run sim -- --seed ${total.failure?.seed} --steps ${STEPS}`);
  if (total.seeds >= TELLING) assert.deepEqual(missing(total.features), []);
  context.diagnostic(`${total.seeds} seeds, ${total.messages} messages`);
});
