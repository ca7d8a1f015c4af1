/** kill -9 of server, sender and receiver, each at a moment that nobody chose. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, oneOf } from './fault.ts';

export const kill: Fault = {
  name: 'kill -9',
  unable: () => undefined,
  prepare: (random) => ({
    settings: {},
    async round(world) {
      await world.progress(1, 10_000);
      await sleep(between(random, 50, 600));
      const who = oneOf(random, ['server', 'anna', 'bert']);
      await world.kill(who);
      await world.revive(who);
      return 1;
    },
    remove: () => undefined,
  }),
};
