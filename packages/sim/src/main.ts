/**
 * `npm run sim -- --seeds N [--from S] [--seed S] [--steps K] [--seconds T] [--engine mls]`: runs seeds on every core,
 * says what happened in them, and stops at the first that breaks a rule, told again with as few steps as it takes.
 */
import { parseArgs } from 'node:util';
import { mlsEngine } from '@securechat/e2ee';
import { planOf } from './plan.ts';
import { shrink } from './shrink.ts';
import type { RunOptions } from './simulate.ts';
import { simulate } from './simulate.ts';
import { Crew } from './sweep.ts';
import type { Violation } from './witness.ts';

const USAGE = 'Usage: npm run sim -- --seeds N [--from S] [--seed S] [--steps K] [--seconds T] [--engine toy|mls]';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    steps: { type: 'string', default: '100' },
    seconds: { type: 'string' },
    engine: { type: 'string', default: 'toy' },
  },
});
const [steps, first, count] = [values.steps, values.seed ?? values.from, values.seeds].map(Number) as [
  number,
  number,
  number,
];
const { engine } = values;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const numbers = [steps, first, count, Number(values.seconds ?? 0)];
if ((engine !== 'toy' && engine !== 'mls') || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
  say(USAGE);
  process.exit(2);
}
const options: RunOptions = engine === 'mls' ? { engine: () => mlsEngine } : {};

if (values.seed === undefined) await sweep(engine);
else await tellOne();

async function tellOne(): Promise<void> {
  const outcome = await simulate(planOf(String(first), steps), { ...options, log: true });
  for (const line of outcome.log) say(line);
  if (outcome.violations.length > 0) await tell(first, outcome.violations);
}

async function sweep(engineName: 'toy' | 'mls'): Promise<void> {
  await using crew = await Crew.gather();
  const startedMs = performance.now();
  const seeds = Array.from({ length: count }, (_, at) => first + at);
  const limit = values.seconds === undefined ? {} : { msMax: Number(values.seconds) * 1000 };
  const total = await crew.sweep({ seeds, steps, engine: engineName, ...limit });
  const seconds = (performance.now() - startedMs) / 1000;
  const features = [...total.features].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, times]) => `${name} ${times}`);
  say(features.join(' · '));
  const hours = (total.virtualMs / 3_600_000).toFixed(0);
  say(
    `${total.seeds} seeds of ${steps} steps in ${seconds.toFixed(0)} s, ${(total.seeds / seconds).toFixed(1)} a second:`,
  );
  say(`${total.messages} messages, ${total.moments} moments, ${hours} hours of virtual time.`);
  if (total.failure === undefined) say('0 lost, 0 shown twice, every other rule kept.');
  else await tell(total.failure.seed, total.failure.violations);
}

async function tell(seed: number, violations: readonly Violation[]): Promise<void> {
  process.exitCode = 1;
  say(`seed ${seed} breaks a rule:`);
  for (const { rule, text } of violations.slice(0, 5)) say(`  ${rule}: ${text}`);
  const small = await shrink(planOf(String(seed), steps), options);
  say(`${small.steps.length} of its ${steps} steps are enough:`);
  for (const { afterMs, action } of small.steps) say(`  +${afterMs} ms ${JSON.stringify(action)}`);
  say(`Again: npm run sim -- --seed ${seed} --steps ${steps}`);
}
