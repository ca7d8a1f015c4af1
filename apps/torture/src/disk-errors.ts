/** The k-th fsync or write of a process fails, by strace: the device is broken for a moment, or full. */
import type { Fault } from './fault.ts';
import { between, has, oneOf, rounds } from './fault.ts';
import { makeWorld } from './world.ts';

/** After its error a process is given this long to go on or to end. */
const AFTER_MS = 6000;

export const diskErrors: Fault = {
  name: 'EIO, ENOSPC',
  skip: () => (has('strace', '-o', '/dev/null', 'true') ? undefined : 'needs strace'),
  async run(budget) {
    return rounds(await makeWorld(), budget, async (world) => {
      const who = oneOf(budget.random, ['server', 'server', 'anna', 'bert']);
      const which = oneOf(budget.random, [
        'fsync:error=EIO',
        'fsync:error=EIO',
        'pwrite64:error=ENOSPC',
        'pwrite64:error=EIO',
      ]);
      const inject = `inject=${which}:when=${between(budget.random, 1, 200)}`;
      const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync,pwrite64', '-e', inject];
      await world.kill(who);
      // An error at the start keeps it from starting, which is an answer.
      const started = await Promise.race([
        world.revive(who, { under }).then(
          () => true,
          () => false,
        ),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20_000).unref()),
      ]);
      if (started) await world.progress(between(budget.random, 20, 200), AFTER_MS);
      await world.kill(who);
      await world.revive(who);
      await world.progress(5, 35_000);
      return 1;
    });
  },
};
