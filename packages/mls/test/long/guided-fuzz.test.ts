/**
 * Goal: as `../fuzz.test.ts`, further into the code. Method: an input that reaches a block of `packages/mls/src` as nothing
 * before did is kept and mutated further. MLS_FUZZ_INPUTS says how many there are for each target, MLS_FUZZ_SEED which;
 * with MLS_FUZZ_KEEP the small ones of what is kept go to fuzz-corpus.json, which the unit test runs.
 */
// First of all: see there.
import { blocksReached, forgetBlocks, newBlocks } from '../coverage.ts';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { entries } from '../fuzz-entry.ts';
import { below, corpusFile, decoders, mutate, readCorpus, survives } from '../fuzz-targets.ts';
import type { Target } from '../fuzz-targets.ts';

const inputsWanted = Number(process.env['MLS_FUZZ_INPUTS'] ?? 5000);
const KEPT_BYTES_MAX = 640;
const KEPT_MAX = 48;
/** Inputs between two looks at the coverage, which costs far more than an input does. */
const BATCH = 20;

const kept = readCorpus();
const next: Record<string, readonly string[]> = {};

after(() => {
  if (process.env['MLS_FUZZ_KEEP'] !== undefined) writeFileSync(corpusFile, `${JSON.stringify(next, null, 1)}\n`);
});

for (const target of [...decoders, ...entries])
  test(`inputs that go where none went before never break: ${target[0]}`, (t) => {
    const found = new Set(kept[target[0]]);
    const { inputs, pool } = follow(target, found);
    next[target[0]] = [...found].slice(-KEPT_MAX);
    assert.ok(inputs >= inputsWanted);
    t.diagnostic(
      `${inputs} inputs, ${pool} to mutate, ${found.size} small ones kept, ${blocksReached()} blocks reached`,
    );
  });

function follow([name, seeds, run]: Target, found: Set<string>): { readonly inputs: number; readonly pool: number } {
  const pool = [...seeds, ...Array.from(found, (text) => Uint8Array.from(Buffer.from(text, 'hex')))];
  const pick = (): Uint8Array => pool[below(pool.length)] ?? assert.fail();
  forgetBlocks();
  for (const input of pool) survives(name, input, run);
  newBlocks();
  let inputs = 0;
  while (inputs < inputsWanted) {
    const batch = Array.from({ length: BATCH }, () => mutate(pick(), pick()));
    for (const input of batch) survives(name, input, run);
    inputs += BATCH;
    if (newBlocks() === 0) continue;
    // Which of them it was is not known: all are kept to be mutated, and the small ones for later runs.
    pool.push(...batch);
    for (const input of batch)
      if (input.length > 0 && input.length <= KEPT_BYTES_MAX) found.add(Buffer.from(input).toString('hex'));
  }
  return { inputs, pool: pool.length };
}
