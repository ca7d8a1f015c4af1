// Goal: the judge of the torture command notices each kind of fault, and only faults. Method: sound records, each with one
// fault planted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaint, judge } from '../src/oracle.ts';
import type { Outcome, Record } from '../src/oracle.ts';

const sound: Record = {
  said: new Map<number, Outcome>([
    [1, 'accepted'],
    [2, 'failed'],
    [3, 'unknown'],
    [4, 'accepted'],
    [5, 'unknown'],
  ]),
  told: new Set([1, 4]),
  // Of two whose sender died over them one arrived.
  stored: [1, 3, 4],
  // A process that is killed may have stored and not shown.
  shown: [1, 4],
  gaps: [],
};

test('a record in which everything accepted is stored once has no complaint', () => {
  const verdict = judge(sound);
  assert.equal(complaint(verdict), undefined);
  assert.deepEqual([verdict.accepted, verdict.failed], [2, 1]);
});

const planted: { readonly [name: string]: readonly [fault: Partial<Record>, complaint: string] } = {
  'an accepted message that is not stored': [{ stored: [1, 3] }, 'lost: 4'],
  'one that was told to be accepted and is forgotten by its sender': [{ told: new Set([1, 4, 5]) }, 'lost: 5'],
  'one that is stored twice': [{ stored: [1, 3, 3, 4] }, 'twice: 3'],
  'one that is shown twice': [{ shown: [1, 4, 1] }, 'twice: 1'],
  'one behind a later one': [{ stored: [1, 4, 3] }, 'disordered: 3'],
  'one that was refused': [{ stored: [1, 2, 3, 4] }, 'unwanted: 2'],
  'one that nobody said': [{ stored: [1, 3, 4, 9] }, 'unwanted: 9'],
  'one that is never settled': [{ said: new Map([...sound.said, [5, 'queued']]) }, 'stuck: 5'],
  'a gap where nothing is missing': [{ gaps: ['1 GAP'] }, 'alarms: 1 GAP'],
};

for (const [name, [fault, expected]] of Object.entries(planted))
  test(`the judge complains of ${name}`, () => {
    assert.equal(complaint(judge({ ...sound, ...fault })), expected);
  });
