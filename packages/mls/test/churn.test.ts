/**
 * Goal: groups stay together over long random histories, and who was removed is out. The number of scripts is small here
 * and set by MLS_CHURN_SCRIPTS for long runs; a failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Churn } from './churn.ts';
import { suites } from './client.ts';
import { seeded } from './entropy.ts';

const scripts = Number(process.env['MLS_CHURN_SCRIPTS'] ?? 1);
const firstSeed = Number(process.env['MLS_CHURN_FIRST'] ?? 0);

for (const suite of suites) {
  const steps = suite.id === 1 || scripts > 1 ? 60 : 30;
  test(`random histories of ${steps} steps keep all members together (suite ${suite.id})`, (t) => {
    const count = suite.id === 1 ? scripts : Math.ceil(scripts / 6);
    const sum = { steps: 0, removals: 0, attempts: 0, slotsReused: 0 };
    for (let script = firstSeed; script < firstSeed + count; script++) {
      const seed = `churn ${suite.id} ${script}`;
      const churn = new Churn(suite, seeded(seed));
      try {
        for (let step = 0; step < steps; step++) churn.step();
      } catch (cause) {
        throw new Error(`seed "${seed}", step ${churn.facts.steps}`, { cause });
      }
      for (const key of ['steps', 'removals', 'attempts', 'slotsReused'] as const) sum[key] += churn.facts[key];
    }
    assert.ok(sum.removals > 0 && sum.attempts > 0 && sum.slotsReused > 0);
    const { removals, attempts, slotsReused } = sum;
    t.diagnostic(
      `${count} scripts: ${removals} removals, ${slotsReused} slots reused, ${attempts} attempts to read on`,
    );
  });
}
