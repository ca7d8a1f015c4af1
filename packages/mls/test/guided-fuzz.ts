/**
 * A fuzzer that follows the code: an input that reaches a block of `packages/mls/src` as nothing before did is kept and
 * mutated further. Not a test:
 *
 *     node packages/mls/test/guided-fuzz.ts [seconds for each decoder]
 *
 * The small ones of what it keeps go to fuzz-corpus.json, which `fuzz.test.ts` runs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { below, decoders, mutate, survives } from './fuzz-targets.ts';
import type { Corpus } from './fuzz-targets.ts';
import { hex, toHex } from './vectors.ts';

const seconds = Number(process.argv[2] ?? 10);
const file = join(import.meta.dirname, 'fuzz-corpus.json');
const KEPT_BYTES_MAX = 400;
const KEPT_MAX = 48;
/** Inputs between two looks at the coverage, which costs far more than an input does. */
const BATCH = 20;

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

const reached = new Set<string>();

/** How many blocks were run since the last look that never were before. */
async function fresh(): Promise<number> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const before = reached.size;
  for (const { url, functions } of result) {
    if (!url.includes('/packages/mls/src/')) continue;
    for (const { ranges } of functions)
      for (const { startOffset, endOffset, count } of ranges)
        if (count > 0) reached.add(`${url.slice(-40)} ${startOffset} ${endOffset}`);
  }
  return reached.size - before;
}

function pick<T>(items: readonly T[], otherwise: T): T {
  return items[below(items.length)] ?? otherwise;
}

function readKept(): Corpus {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Corpus;
  } catch {
    return {};
  }
}

const kept = readKept();
const next: Record<string, readonly string[]> = {};
for (const [name, seeds, run] of decoders) {
  const corpus = [...seeds, ...(kept[name] ?? []).map(hex)];
  const found = new Set(kept[name] ?? []);
  for (const input of corpus) survives(name, input, run);
  await fresh();
  const end = process.uptime() + seconds;
  let inputs = 0;
  while (process.uptime() < end) {
    const batch = Array.from({ length: BATCH }, () => {
      const [seed = new Uint8Array(1)] = seeds;
      return mutate(pick(corpus, seed), pick(corpus, seed));
    });
    for (const input of batch) survives(name, input, run);
    inputs += batch.length;
    if ((await fresh()) === 0) continue;
    // Which of them it was is not known: all are kept to be mutated, and the small ones for later runs.
    corpus.push(...batch);
    for (const input of batch) if (input.length > 0 && input.length <= KEPT_BYTES_MAX) found.add(toHex(input));
  }
  next[name] = [...found].slice(-KEPT_MAX);
  console.log(
    `${name}: ${inputs} inputs, ${corpus.length} to mutate, ${next[name].length} kept, ${reached.size} blocks`,
  );
}
writeFileSync(file, `${JSON.stringify(next, null, 1)}\n`);
session.disconnect();
