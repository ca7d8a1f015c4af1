/** The same failure with fewer steps: whole stretches are left out first, then single ones. */
import type { Plan, Step } from './plan.ts';
import type { Outcome, RunOptions } from './simulate.ts';
import { simulate } from './simulate.ts';

/** Runs that shrinking may cost. */
const TRIES_MAX = 200;

/** A plan that still breaks the same rule; `plan` itself where it breaks none. */
export async function shrink(plan: Plan, options: RunOptions = {}): Promise<Plan> {
  const rule = (await simulate(plan, options)).violations[0]?.rule;
  if (rule === undefined) return plan;
  const breaks = ({ violations }: Outcome): boolean => violations.some((one) => one.rule === rule);
  let best = plan;
  let tries = 0;
  for (let stretch = Math.ceil(best.steps.length / 2); stretch >= 1; stretch = Math.floor(stretch / 2)) {
    for (let from = 0; from < best.steps.length && tries < TRIES_MAX;) {
      tries += 1;
      const fewer = { ...best, steps: without(best.steps, from, stretch) };
      if (breaks(await simulate(fewer, options))) best = fewer;
      else from += stretch;
    }
  }
  return best;
}

/** What comes later keeps its time. */
function without(steps: readonly Step[], from: number, count: number): readonly Step[] {
  const left = steps.slice(from, from + count).reduce((sum, { afterMs }) => sum + afterMs, 0);
  const [next, ...rest] = steps.slice(from + count);
  if (next === undefined) return steps.slice(0, from);
  return [...steps.slice(0, from), { ...next, afterMs: next.afterMs + left }, ...rest];
}
