/**
 * Clocks that are wrong: by three days either way, and by a month. The clock as the programs see it (`Date`), set by a
 * module that is loaded before them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from './fault.ts';
import { oneOf } from './fault.ts';

const DAY_MS = 86_400_000;

export const clocks: Fault = {
  name: 'wrong clock',
  unable: () => undefined,
  prepare(random) {
    let round = 0;
    return {
      settings: {},
      async round(world) {
        const who = oneOf(random, ['server', 'anna', 'bert']);
        const days = [3, -3, 31][round++ % 3] ?? 3;
        const module = join(world.folder, `clock${round}.mjs`);
        writeFileSync(module, skewed(days * DAY_MS));
        await world.kill(who);
        await world.revive(who, { env: { NODE_OPTIONS: `--import=${module}` } });
        await world.progress(30, 15_000);
        await world.kill(who);
        await world.revive(who);
        await world.progress(5, 40_000);
        return 1;
      },
      remove: () => undefined,
    };
  },
};

function skewed(ms: number): string {
  return `const Real = Date, off = ${ms};
globalThis.Date = class Date extends Real {
  constructor(...args) { args.length === 0 ? super(Real.now() + off) : super(...args); }
  static now() { return Real.now() + off; }
};
`;
}
