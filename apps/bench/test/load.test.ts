// Goal: the figures are what they say. Method: lanes of known behaviour, and a short run against the real relay.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { percentile, runLoad } from '../src/load.ts';
import type { Lane } from '../src/load.ts';
import { openRelayLanes } from '../src/relay-lanes.ts';
import { median, medianRow, tableOf } from '../src/report.ts';
import { cpuMs, residentBytes, startSubject } from '../src/subject.ts';

test('the loop keeps the window full, counts what is done, and drains', async () => {
  let open = 0;
  let openMax = 0;
  let done = 0;
  const lane: Lane = {
    send() {
      openMax = Math.max(openMax, ++open);
      setTimeout(() => {
        open -= 1;
        done += 1;
        lane.onDone();
      }, 5);
    },
    onDone: () => undefined,
  };
  let cpu = 0;
  const result = await runLoad({ lanes: [lane], window: 3, warmMs: 20, measureMs: 100, cpuMs: () => (cpu += 30) });
  assert.equal(openMax, 3);
  assert.equal(open, 0);
  // How many that are is up to the machine; those of the warming up and of the drain are not among them.
  assert.ok(result.messages > 0 && result.messages <= done - 3, `${result.messages} of ${done}`);
  assert.ok(result.p50Ms >= 4 && result.p99Ms >= result.p50Ms);
  assert.equal(Math.round(result.cpuMicrosPerMessage * result.messages), 30_000);
});

test('a run without a message is an error, not a row of zeros', async () => {
  const lane: Lane = { send: () => undefined, onDone: () => undefined };
  await assert.rejects(runLoad({ lanes: [lane], window: 0, warmMs: 0, measureMs: 1, cpuMs: () => 0 }), /no message/);
});

test('percentiles and medians are those of the definition', () => {
  const values = Array.from({ length: 100 }, (_, n) => n + 1);
  assert.equal(percentile(values, 0.5), 50);
  assert.equal(percentile(values, 0.99), 99);
  assert.equal(percentile([7], 0.99), 7);
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('the table aligns its columns and leaves gaps where a row has no such figure', () => {
  const rows = [medianRow('one', [{ perSecond: 1234.5 }]), { name: 'second', figures: { p50Ms: 0.25 } }];
  assert.deepEqual(tableOf(rows).split('\n'), [
    '        perSecond  p50Ms',
    'one          1235       ',
    'second              0.25',
  ]);
});

test('CPU time is read behind a name with blanks and brackets', () => {
  assert.equal(cpuMs('12 (no de) x) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0'), 1750);
  assert.equal(residentBytes('Name: x\nVmRSS:\t    1024 kB\n'), 1024 * 1024);
});

test('the relay passes bodies on, and its process is measured', async () => {
  const subject = await startSubject([join(import.meta.dirname, '../src/relay.ts')]);
  try {
    const { lanes, close } = await openRelayLanes(subject.ready['http'] ?? '', 2, 300);
    const result = await runLoad({ lanes, window: 8, warmMs: 100, measureMs: 400, cpuMs: () => subject.cpuMs() });
    close();
    assert.ok(result.messages > 0);
    assert.ok(result.cpuMicrosPerMessage > 0);
    assert.ok(subject.residentBytes() > 10_000_000);
  } finally {
    await subject.stop();
  }
});
