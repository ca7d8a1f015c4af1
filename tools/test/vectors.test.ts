// Goal: where third-party vectors are said to be at hand, nobody can skip them unseen. Method: planted tallies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vectorFaults } from '../vectors.ts';

test('files whose cases ran are no fault, for whatever else they skip', () => {
  assert.deepEqual(vectorFaults(['a.test.ts'], { 'a.test.ts': { ran: 3, skipped: ['slow: only on request'] } }), []);
});

test('no file, a file without cases, and a skipped case are faults', () => {
  assert.equal(vectorFaults([], {}).length, 1);
  assert.deepEqual(vectorFaults(['a.test.ts'], {}), ['a.test.ts: no case ran']);
  const skipped = ['RSA-OAEP: no vectors here'];
  assert.equal(vectorFaults(['a.test.ts'], { 'a.test.ts': { ran: 1, skipped } }).length, 1);
});
