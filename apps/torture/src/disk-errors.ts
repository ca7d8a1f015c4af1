/** The k-th fsync or write of a process fails, by strace: the device is broken for a moment, or full. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, has, oneOf } from './fault.ts';

/** After its error a process is given this long to go on or to end. */
const AFTER_MS = 6000;
const START_MS = 10_000;

export const diskErrors: Fault = {
  name: 'EIO, ENOSPC',
  unable: () => (has('strace', '-o', '/dev/null', 'true') ? undefined : 'needs strace'),
  prepare: (random) => ({
    settings: {},
    async round(world) {
      const who = oneOf(random, ['server', 'server', 'anna', 'bert']);
      const which = oneOf(random, [
        'fsync:error=EIO',
        'fsync:error=EIO',
        'pwrite64:error=ENOSPC',
        'pwrite64:error=EIO',
      ]);
      const inject = `inject=${which}:when=${between(random, 1, 200)}`;
      const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync,pwrite64', '-e', inject];
      await world.kill(who);
      // An error at the start keeps it from starting, which is an answer.
      const late = sleep(START_MS, false, { ref: false });
      const started = await Promise.race([world.revive(who, { under }, START_MS).then(yes, no), late]);
      if (started) await world.progress(between(random, 20, 200), AFTER_MS);
      await world.kill(who);
      await world.revive(who);
      await world.progress(5, 35_000);
      return 1;
    },
    remove: () => undefined,
  }),
};

const yes = (): boolean => true;
const no = (): boolean => false;
