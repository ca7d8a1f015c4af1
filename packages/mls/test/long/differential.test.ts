/**
 * Goal: this package and ts-mls 1.6.4 agree in mixed groups, in both directions and every suite, but for its known faults
 * (`../differential.ts`). MLS_DIFFERENTIAL_SCRIPTS makes it longer, MLS_DIFFERENTIAL_FIRST another.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suites } from '../client.ts';
import { runMixedGroups } from '../differential.ts';

const scripts = Number(process.env['MLS_DIFFERENTIAL_SCRIPTS'] ?? 5);
const first = Number(process.env['MLS_DIFFERENTIAL_FIRST'] ?? 0);

for (const suite of suites)
  test(`mixed groups with ts-mls 1.6.4 stay together (suite ${suite.id})`, async (t) => {
    const { steps, excused, avoided } = await runMixedGroups(suite, { first, scripts, steps: 10 });
    assert.ok(steps > 0);
    t.diagnostic(
      `${scripts} scripts, ${steps} steps, ${excused} ended by the known fault of its joiner, ${avoided} removals avoided`,
    );
  });
