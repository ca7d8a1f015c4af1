/** Goal: an attached sender hears at once that a message of theirs expired, not at the next attach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId, GroupId, MailboxSeq } from '@securechat/wire';
import { createLocalBus } from '../../src/bus/local.ts';
import { maintain } from '../../src/shell/housekeeping.ts';
import type { AppendedRow, Maintained, Store } from '../../src/stores/port.ts';

test('the store is asked until nothing is left, and every bounce wakes the device it is for', async () => {
  const bounce = (device: string, seq: number): AppendedRow => ({
    device: device as DeviceId,
    seq: seq as MailboxSeq,
    kind: 'bounce',
    group: 'AAAAAAAAAAAAAAAAAAAAAA' as GroupId,
    storedAtMs: 0,
    payload: new Uint8Array(0),
  });
  const turns: Maintained[] = [
    { more: true, rows: [bounce('anna', 1)] },
    { more: true, rows: [] },
    { more: false, rows: [bounce('anna', 2), bounce('bert', 1)] },
  ];
  const store = { maintain: async () => turns.shift() } as unknown as Store;
  const bus = createLocalBus();
  const heard: number[] = [];
  bus.subscribe('anna' as DeviceId, ({ seq }) => void heard.push(seq));
  await maintain({ store, bus, clock: { wallMs: () => 0, monotonicMs: () => 0 } });
  assert.deepEqual([heard, turns], [[1, 2], []]);
});
