/** Goal: when the event loop counts as late and memory as short: at the limit, one past it, and on the way back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '@securechat/wire';
import { calm, halveCredits, nextStrain } from '../../src/core/strain.ts';

const { eventLoopDelayMsMax, memoryPercentMax } = defaultLimits;
const reading = (delayMs: number, rssBytes: number) => ({ delayMs, rssBytes, memoryBytes: 1000 });

test('a delay of eventLoopDelayMsMax is in time, one more is late, and late it stays until half of that', () => {
  const next = (late: boolean, delayMs: number) =>
    nextStrain({ ...calm, late }, reading(delayMs, 0), defaultLimits).late;
  assert.deepEqual(
    [eventLoopDelayMsMax, eventLoopDelayMsMax + 1].map((ms) => next(false, ms)),
    [false, true],
  );
  assert.deepEqual(
    [eventLoopDelayMsMax / 2, eventLoopDelayMsMax / 2 + 1].map((ms) => next(true, ms)),
    [false, true],
  );
});

test('memory of memoryPercentMax is enough, one byte more is short, and short it stays until nine tenths of that', () => {
  const next = (crowded: boolean, rssBytes: number) =>
    nextStrain({ ...calm, crowded }, reading(0, rssBytes), defaultLimits).crowded;
  const full = memoryPercentMax * 10;
  assert.deepEqual(
    [full, full + 1].map((bytes) => next(false, bytes)),
    [false, true],
  );
  assert.deepEqual(
    [0.9 * full, 0.9 * full + 1].map((bytes) => next(true, bytes)),
    [false, true],
  );
});

test('halved credits are half of what one device may have under way, never nothing, and no other limit', () => {
  const { submitsInFlightMax, submitBytesInFlightMax, deliverRowsInFlightMax, deliverBytesInFlightMax } = defaultLimits;
  assert.deepEqual(halveCredits(defaultLimits), {
    ...defaultLimits,
    submitsInFlightMax: submitsInFlightMax / 2,
    submitBytesInFlightMax: submitBytesInFlightMax / 2,
    deliverRowsInFlightMax: deliverRowsInFlightMax / 2,
    deliverBytesInFlightMax: deliverBytesInFlightMax / 2,
  });
  assert.equal(halveCredits({ ...defaultLimits, submitsInFlightMax: 1 }).submitsInFlightMax, 1);
});
