/** A process that has an account and lets go when it is taken over. */
import { writeSync } from 'node:fs';
import { openAccountLock } from '../src/lock.ts';

const lock = openAccountLock(process.argv[2] ?? '');
if (lock.kind === 'busy') throw new Error('taken');
const forever = setInterval(() => {}, 1_000_000);
await lock.serve({
  proofKey: new Uint8Array(32).fill(1),
  onForward: () => {},
  onTakeOver: () => {
    clearInterval(forever);
    void lock.release();
  },
});
writeSync(1, 'ready\n');
