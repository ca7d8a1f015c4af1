/**
 * `npm run torture -- --minutes N [--only NAME,…] [--seed S]`: real servers and clients under faults, judged
 * from outside. Ends with 1 at the first message that is lost, doubled, out of order, stuck, or stored though refused.
 */
import { parseArgs } from 'node:util';
import { chaos } from './chaos.ts';
import { clocks } from './clocks.ts';
import { diskErrors } from './disk-errors.ts';
import type { Fault } from './fault.ts';
import { fullDisk } from './full-disk.ts';
import { kill } from './kill.ts';
import { powerCut } from './power-cut.ts';
import { randomOf, torture } from './torture.ts';

const faults: readonly Fault[] = [kill, powerCut, diskErrors, fullDisk, chaos, clocks];

const usage = `usage: npm run torture -- [--minutes N] [--seed S] [--only NAME,…]

  --minutes N    for all faults together, each with its share (default 6)
  --seed S       chooses the faults again as a run with that seed did
  --only NAMES   parts of names, of: ${faults.map(({ name }) => name).join(', ')}
`;

function refuse(why: string): never {
  process.stderr.write(`${why}\n${usage}`);
  process.exit(2);
}

function readOptions() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ options: { minutes: text, seed: text, only: text, help: { type: 'boolean' } } }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const options = readOptions();
if (options.help === true) {
  process.stdout.write(usage);
  process.exit(0);
}
const minutes = Number(options.minutes ?? 6);
const seed = Number(options.seed ?? Date.now() % 1_000_000_000);
const words = options.only?.split(',');
const chosen = faults.filter(({ name }) => words === undefined || words.some((word) => name.includes(word)));
if (!(minutes > 0)) refuse('--minutes wants a number above 0.');
if (!Number.isSafeInteger(seed)) refuse('--seed wants a whole number.');
if (chosen.length === 0) refuse('--only names no fault.');
process.stdout.write(`seed ${seed} (it chooses the faults; when they strike is up to the machine)\n`);
const sound = await torture(chosen, {
  minutes,
  random: randomOf(seed),
  write: (line) => void process.stdout.write(`${line}\n`),
});
process.exitCode = sound ? 0 : 1;
