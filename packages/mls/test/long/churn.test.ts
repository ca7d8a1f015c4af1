/**
 * Goal: groups stay together over many long random histories, and who was removed is out, also where the slot is used
 * again. MLS_CHURN_SCRIPTS says how many histories of suite 1 there are (a sixth of it for each of the others),
 * MLS_CHURN_FIRST the number of the first; a failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHistories } from '../churn.ts';
import { suites } from '../client.ts';

/** About 75 s of one core in CI, a fifth of it while somebody waits. */
const wanted = Number(process.env['MLS_CHURN_SCRIPTS'] ?? (process.env['CI'] === undefined ? 12 : 60));
const first = Number(process.env['MLS_CHURN_FIRST'] ?? 0);
const STEPS = 60;

for (const suite of suites)
  test(`random histories of ${STEPS} steps keep all members together (suite ${suite.id})`, (t) => {
    const scripts = suite.id === 1 ? wanted : Math.ceil(wanted / 6);
    const { steps, removals, slotsReused, attempts } = runHistories(suite, { first, scripts, steps: STEPS });
    assert.ok(removals > 0 && attempts > 0 && slotsReused > 0);
    t.diagnostic(
      `${scripts} histories, ${steps} steps, ${removals} removals, ${slotsReused} slots reused, ${attempts} attempts to read on`,
    );
  });
