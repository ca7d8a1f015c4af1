/** kill -9 of server, sender and receiver, each at a moment that nobody chose. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, oneOf, rounds } from './fault.ts';
import { makeWorld } from './world.ts';

export const kill: Fault = {
  name: 'kill -9',
  skip: () => undefined,
  async run(budget) {
    return rounds(await makeWorld(), budget, async (world) => {
      await world.progress(1, 10_000);
      await sleep(between(budget.random, 50, 600));
      const who = oneOf(budget.random, ['server', 'anna', 'bert']);
      await world.kill(who);
      await world.revive(who);
      return 1;
    });
  },
};
