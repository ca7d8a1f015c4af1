/** Every planted fault is found: whoever breaks one of these rules hears of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bugs, Crew } from '@securechat/sim';

const SEEDS_MAX = 2000;
const STEPS = 60;

/**
 * The seed that found it last time, below SEEDS_MAX: looked at first, then those of the others, so that the tests are
 * quick. After a change that draws other numbers the tests say which it is now.
 */
const KNOWN: Readonly<Record<string, number>> = {
  'the server acknowledges before the commit': 0,
  'the server never flushes': 0,
  'no fence': 420,
  'a fence outside of the transaction': 38,
  'no dedupe': 10,
  'dedupe for a minute': 416,
  'a conflict instead of the first answer': 10,
  'the epoch before dedupe': 23,
  'the quota before dedupe': 50,
  'two commits in one epoch': 20,
  'any epoch': 50,
  'what follows a refused message is accepted': 98,
  'expiry by the wall clock': 13,
  'nobody hears of a commit that expired': 245,
  'an acknowledgement deletes one row more': 24,
  'a page of the mailbox skips a row': 23,
  'a key package is handed out twice': 98,
  'the client acknowledges before it has stored': 0,
  'the client acknowledges a row that it has not got': 0,
  'the cursor is stored in a commit of its own': 0,
  'the client sends before it has stored': 0,
  'an unknown outcome is told as a refusal': 0,
  'encrypted again at every start': 10,
  'encrypted again after a lost connection': 10,
  'a profile that was put back is not noticed': 124,
  'everything is called resolved': 144,
};

const crew = await Crew.gather();
after(() => crew[Symbol.asyncDispose]());

for (const { name } of bugs)
  test(`found within ${SEEDS_MAX} seeds: ${name}`, async (context) => {
    const known = [KNOWN[name] ?? 0, ...Object.values(KNOWN)];
    const seeds = new Set([...known, ...Array.from({ length: SEEDS_MAX }, (_, seed) => seed)]);
    const { failure } = await crew.sweep({ seeds, steps: STEPS, bug: name });
    assert.notEqual(failure, undefined);
    context.diagnostic(`seed ${failure?.seed}: ${failure?.violations[0]?.rule}`);
  });
