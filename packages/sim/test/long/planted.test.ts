/** Every planted fault is found: whoever breaks one of these rules hears of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bugs, Crew } from '@securechat/sim';

const SEEDS_MAX = 2000;
const STEPS = 60;

/** Seeds that found something before: looked at first, so that the tests are quick. All are below SEEDS_MAX. */
const KNOWN: readonly number[] = [0, 1, 10, 13, 23, 24, 29, 56, 72, 94, 98, 124, 420, 809];

const seeds = new Set([...KNOWN, ...Array.from({ length: SEEDS_MAX }, (_, seed) => seed)]);
const crew = await Crew.gather();
after(() => crew[Symbol.asyncDispose]());

for (const { name } of bugs)
  test(`found within ${SEEDS_MAX} seeds: ${name}`, { timeout: 240_000 }, async (context) => {
    const { failure } = await crew.sweep({ seeds, steps: STEPS, bug: name });
    assert.notEqual(failure, undefined);
    context.diagnostic(`seed ${failure?.seed}: ${failure?.violations[0]?.rule}`);
  });
