// Goal: a short torture of real processes on every run: each fault that this machine can do strikes one world. Method: the
// parts of the command; what is skipped is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from '../../src/chaos.ts';
import { clocks } from '../../src/clocks.ts';
import { diskErrors } from '../../src/disk-errors.ts';
import { strike } from '../../src/fault.ts';
import { fullDisk } from '../../src/full-disk.ts';
import { kill } from '../../src/kill.ts';
import { powerCut } from '../../src/power-cut.ts';
import { randomOf } from '../../src/torture.ts';

const SECONDS = 12;
/** Chooses the same faults every time; when they strike is up to the machine. `npm run torture` draws another one. */
const SEED = 3;

test('what was acknowledged survives every fault that can be had here, once and in order', async (t) => {
  const all = [kill, fullDisk, powerCut, chaos, diskErrors, clocks];
  for (const fault of all) if (fault.unable() !== undefined) t.diagnostic(`without ${fault.name}: ${fault.unable()}`);
  const able = all.filter((fault) => fault.unable() === undefined);
  const untilMs = performance.now() + SECONDS * 1000;
  const { faults, summary } = await strike(able, { untilMs, random: randomOf(SEED) });
  t.diagnostic(`${faults} faults, ${summary.accepted} messages accepted`);
  assert.equal(summary.complaint, undefined);
  assert.ok(faults >= able.length - 1 && summary.accepted > 10);
});
