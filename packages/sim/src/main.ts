/**
 * `npm run sim -- --seeds N [--from S] [--seed S] [--steps K] [--seconds T] [--engine mls]`: runs seeds one after the
 * other and stops at the first that breaks a rule, told again with as few steps as it takes.
 */
import { parseArgs } from 'node:util';
import { mlsEngine } from '@securechat/e2ee';
import { planOf } from './plan.ts';
import { shrink } from './shrink.ts';
import type { RunOptions } from './simulate.ts';
import { simulate } from './simulate.ts';

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
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const steps = Number(values.steps);
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const options: RunOptions = values.engine === 'mls' ? { engine: () => mlsEngine } : {};
if (![steps, first, count].every((number) => Number.isSafeInteger(number) && number >= 0)) {
  say('Usage: npm run sim -- --seeds N [--from S] [--seed S] [--steps K] [--seconds T] [--engine mls]');
  process.exit(2);
}

const startedMs = performance.now();
const endMs = values.seconds === undefined ? Infinity : startedMs + Number(values.seconds) * 1000;
const total = { seeds: 0, messages: 0, moments: 0, virtualMs: 0 };
for (let seed = first; seed < first + count && performance.now() < endMs; seed += 1) {
  const plan = planOf(String(seed), steps);
  const outcome = await simulate(plan, { ...options, log: values.seed !== undefined });
  for (const line of outcome.log) say(line);
  total.seeds += 1;
  total.messages += outcome.messages;
  total.moments += outcome.moments;
  total.virtualMs += outcome.virtualMs;
  if (outcome.violations.length === 0) continue;
  say(`seed ${seed} breaks a rule:`);
  for (const { rule, text } of outcome.violations.slice(0, 5)) say(`  ${rule}: ${text}`);
  const small = await shrink(plan, options);
  say(`${small.steps.length} of its ${steps} steps are enough:`);
  for (const { afterMs, action } of small.steps) say(`  +${afterMs} ms ${JSON.stringify(action)}`);
  say(`Again: npm run sim -- --seed ${seed} --steps ${steps}`);
  process.exit(1);
}
const hours = (total.virtualMs / 3_600_000).toFixed(0);
const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
say(
  `${total.seeds} seeds of ${steps} steps: ${total.messages} messages, ${total.moments} moments, ${hours} hours of virtual time in ${seconds} s.`,
);
say('0 lost, 0 shown twice, every other rule kept.');
