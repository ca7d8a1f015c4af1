/**
 * `npm run torture -- --minutes N [--only NAME,…] [--seed S]`: real servers and clients under faults, judged
 * from outside. Ends with 1 at the first message that is lost, doubled, out of order, stuck, or stored though refused.
 */
import { chaos } from './chaos.ts';
import { clocks } from './clocks.ts';
import { diskErrors } from './disk-errors.ts';
import type { Fault } from './fault.ts';
import { fullDisk } from './full-disk.ts';
import { kill } from './kill.ts';
import { powerCut } from './power-cut.ts';
import { randomOf, torture } from './torture.ts';

const faults: readonly Fault[] = [kill, powerCut, diskErrors, fullDisk, chaos, clocks];

const given = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};

const minutes = Number(given('minutes') ?? 6);
const only = given('only')?.split(',');
const seed = Number(given('seed') ?? Date.now() % 1_000_000_000);
const chosen = faults.filter(({ name }) => only === undefined || only.some((word) => name.includes(word)));
if (!(minutes > 0) || !Number.isSafeInteger(seed) || chosen.length === 0) {
  process.stderr.write(`usage: --minutes N, --seed S, --only of: ${faults.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
process.stdout.write(`seed ${seed} (it chooses the faults; when they strike is up to the machine)\n`);
const sound = await torture(chosen, {
  minutes,
  random: randomOf(seed),
  write: (line) => void process.stdout.write(`${line}\n`),
});
process.exitCode = sound ? 0 : 1;
