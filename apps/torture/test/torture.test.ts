// Goal: a short torture of real processes on every run: one round of each fault that this machine can do. Method: the
// command itself, two faults at a time; what is skipped is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from '../src/chaos.ts';
import { clocks } from '../src/clocks.ts';
import { diskErrors } from '../src/disk-errors.ts';
import { fullDisk } from '../src/full-disk.ts';
import { kill } from '../src/kill.ts';
import { powerCut } from '../src/power-cut.ts';
import { randomOf, torture } from '../src/torture.ts';

const SECONDS = 5;

test('what was acknowledged survives one round of each fault, once and in order', async (t) => {
  const run = async (faults: Parameters<typeof torture>[0]): Promise<void> => {
    const minutes = (faults.length * SECONDS) / 60;
    const lines: string[] = [];
    const sound = await torture(faults, { minutes, random: randomOf(7), write: (line) => lines.push(line) });
    for (const line of lines) t.diagnostic(line);
    assert.ok(sound, lines.join('\n'));
  };
  await Promise.all([run([kill, fullDisk, clocks]), run([powerCut, diskErrors, chaos])]);
});
