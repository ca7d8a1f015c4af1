/** The small pure rules: which group, which number, whom to believe, how long to wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, DeviceId, Fingerprint, GroupId, MailboxSeq } from '@securechat/wire';
import { idOf, limits } from '@securechat/wire';
import fc from 'fast-check';
import {
  RECONNECT_MS_MAX,
  RECONNECT_WANTED_MS_MAX,
  reconnectDelayMs,
  RETRY_MS_MAX,
  retryDelayMs,
} from '../../src/core/backoff.ts';
import { updateConnection } from '../../src/core/connection.ts';
import { ACCEPTED_ROWS_MAX, forgettable } from '../../src/core/forgettable.ts';
import { RETRY_AFTER_MS_MAX } from '../../src/core/lane.ts';
import type { GroupFacts } from '../../src/core/lineage.ts';
import { newestGroup, nextFounding, sendingGroup } from '../../src/core/lineage.ts';
import { MISSING_MAX, noteChainNumber } from '../../src/core/order.ts';
import type { Received } from '../../src/core/order.ts';
import type { ContactRecord } from '../../src/core/record-contact.ts';
import { advances } from '../../src/core/record-message.ts';
import type { OutboxRecord } from '../../src/core/record-outbox.ts';
import { overdue } from '../../src/core/record-parked.ts';
import { judge } from '../../src/core/trust.ts';
import { insistOnBearableWork } from '../../src/core/work-asked.ts';

const id = (byte: number) => idOf<GroupId>(new Uint8Array(16).fill(byte));
const group = (byte: number, more: Partial<GroupFacts> = {}): GroupFacts => ({
  group: id(byte),
  generation: 1,
  ownSequence: 1,
  peerSequence: 1,
  epoch: 1,
  chainAccepted: 0,
  state: 'live',
  ...more,
});

test('messages go to the newest live group, of two of one generation to the lower id', () => {
  assert.equal(sendingGroup([]), undefined);
  assert.equal(sendingGroup([group(1, { state: 'dead' }), group(2, { state: 'founding' })]), undefined);
  assert.equal(sendingGroup([group(9, { generation: 2 }), group(1)])?.group, id(9));
  assert.equal(sendingGroup([group(1, { generation: 7 }), group(2, { peerSequence: 2 })])?.group, id(2));
  // 0xfa.. is "-vr6…" in base64url and would sort first as text.
  assert.equal(sendingGroup([group(0xfa), group(3)])?.group, id(3));
  assert.equal(sendingGroup([group(3), group(0xfa)])?.group, id(3));
});

test('a successor counts on in its slot, and from 1 in a new one', () => {
  const now = { ownSequence: 1, peerSequence: 1, holder: undefined };
  assert.deepEqual(nextFounding([], now), { generation: 1, predecessor: undefined });
  const dead = [group(1, { state: 'dead', generation: 3 })];
  assert.deepEqual(nextFounding(dead, now), { generation: 4, predecessor: id(1) });
  assert.deepEqual(nextFounding(dead, { ...now, peerSequence: 2 }), { generation: 1, predecessor: id(1) });
  const holder = { group: id(8), generation: 6 };
  assert.deepEqual(nextFounding(dead, { ...now, holder }), { generation: 7, predecessor: id(8) });
  assert.equal(newestGroup([group(5, { state: 'founding' })]), undefined);
});

test('skipped chain numbers are counted once, and filled when they come', () => {
  const device = idOf<DeviceId>(new Uint8Array(16).fill(1));
  let received: readonly Received[] = [];
  const note = (chainNumber: number) => {
    const noted = noteChainNumber(received, device, chainNumber);
    ({ received } = noted);
    return [noted.missing, noted.fresh];
  };
  assert.deepEqual(note(1), [0, true]);
  assert.deepEqual(note(4), [2, true]);
  assert.deepEqual(received[0]?.missing, [2, 3]);
  assert.deepEqual(note(4), [0, false]);
  assert.deepEqual(note(2), [0, true]);
  assert.deepEqual(note(2), [0, false]);
  assert.deepEqual(received[0]?.missing, [3]);
  assert.deepEqual(note(10_000), [9995, true]);
  assert.equal(received[0]?.missing.length, MISSING_MAX);
});

test('every order of arrival counts each missing number at most once and leaves none behind', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(
        Array.from({ length: 40 }, (_, at) => at + 1),
        { minLength: 1 },
      ),
      (arrivals) => {
        const device = idOf<DeviceId>(new Uint8Array(16));
        let received: readonly Received[] = [];
        let skipped = 0;
        for (const chainNumber of arrivals) {
          const noted = noteChainNumber(received, device, chainNumber);
          ({ received } = noted);
          skipped += noted.missing;
          assert.equal(noted.fresh, true);
        }
        const highest = Math.max(...arrivals);
        assert.equal(received[0]?.missing.length, highest - arrivals.length);
        assert.ok(skipped >= highest - arrivals.length);
      },
    ),
  );
});

test('a contact is believed by the key-change rules', () => {
  const account = idOf<AccountId>(new Uint8Array(16).fill(5));
  const known = {
    user: 'bob',
    account,
    identity: 'sha256:one' as Fingerprint,
    sequence: 2,
    listVersion: 3,
    verified: false,
    devices: ['d1'],
  } as unknown as ContactRecord & { devices: string[] };
  const seen = { ...known, devices: ['d1'] };
  assert.equal(judge(undefined, seen).kind, 'new');
  assert.equal(judge(known, seen).kind, 'same');
  assert.equal(judge(known, { ...seen, listVersion: 4, devices: ['d2'] }).kind, 'new-device');
  const other = { ...seen, identity: 'sha256:two' as Fingerprint, sequence: 3, listVersion: 4 };
  assert.deepEqual(judge(known, other), { kind: 'new-identity', halts: false });
  assert.deepEqual(judge({ ...known, verified: true }, other), { kind: 'new-identity', halts: true });
  assert.deepEqual(judge(known, { ...other, sequence: 2 }), { kind: 'refused', why: 'sequence-kept' });
  assert.deepEqual(judge(known, { ...seen, sequence: 1 }), { kind: 'refused', why: 'older' });
  assert.deepEqual(judge(known, { ...other, listVersion: 2 }), { kind: 'refused', why: 'older' });
  const stranger = idOf<AccountId>(new Uint8Array(16).fill(6));
  assert.deepEqual(judge(known, { ...seen, account: stranger }), { kind: 'refused', why: 'another-account' });
});

test('waits are within their bounds, and reconnecting may be at once', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, random) => {
      const reconnect = reconnectDelayMs(attempt, random);
      assert.ok(reconnect >= 0 && reconnect <= RECONNECT_MS_MAX);
      const retry = retryDelayMs(attempt, random);
      assert.ok(retry >= 1 && retry <= RETRY_MS_MAX);
    }),
  );
  assert.equal(reconnectDelayMs(0, 0), 0);
});

test('whoever writes while there is no connection waits a second at most for the next attempt', () => {
  const waiting = { kind: 'waiting', untilMs: 30_000, attempt: 7 } as const;
  const wanted = updateConnection(waiting, { kind: 'wanted', nowMs: 5000, random: 0.9999 });
  assert.deepEqual(wanted, { connection: { ...waiting, untilMs: 5000 + RECONNECT_WANTED_MS_MAX }, effects: [] });
  const near = { ...waiting, untilMs: 5001 };
  assert.deepEqual(updateConnection(near, { kind: 'wanted', nowMs: 5000, random: 0.5 }).connection, near);
  for (const other of [{ kind: 'off' }, { kind: 'connecting', attempt: 1 }] as const)
    assert.deepEqual(updateConnection(other, { kind: 'wanted', nowMs: 5000, random: 0 }).connection, other);
});

test('the connection backs off, forgets that after a steady time, and ends for good when told so', () => {
  const off = { kind: 'off' } as const;
  const started = updateConnection(off, { kind: 'start' });
  assert.deepEqual(started.connection, { kind: 'connecting', attempt: 0 });
  const lost = updateConnection(started.connection, { kind: 'closed', code: 'UNREACHABLE', nowMs: 1000, random: 0.5 });
  assert.deepEqual(lost.connection, { kind: 'waiting', untilMs: 1250, attempt: 1 });
  const early = updateConnection(lost.connection, { kind: 'tick', nowMs: 1249 });
  assert.equal(early.connection.kind, 'waiting');
  const again = updateConnection(lost.connection, { kind: 'tick', nowMs: 1250 });
  assert.deepEqual(again.connection, { kind: 'connecting', attempt: 1 });
  const online = updateConnection(again.connection, { kind: 'opened', nowMs: 2000 });
  const flapping = updateConnection(online.connection, {
    kind: 'closed',
    code: 'CONNECTION_LOST',
    nowMs: 2100,
    random: 0,
  });
  assert.equal(flapping.connection.kind === 'waiting' && flapping.connection.attempt, 2);
  const steady = updateConnection(online.connection, {
    kind: 'closed',
    code: 'CONNECTION_LOST',
    nowMs: 99_000,
    random: 0,
  });
  assert.equal(steady.connection.kind === 'waiting' && steady.connection.attempt, 1);
  const ended = updateConnection(online.connection, {
    kind: 'closed',
    code: 'SESSION_REPLACED',
    nowMs: 3000,
    random: 0,
  });
  assert.deepEqual(ended.connection, off);
  assert.deepEqual(ended.effects, [{ kind: 'end', code: 'SESSION_REPLACED' }]);
});

test('who is told to come back later does, a little after, and not sooner for somebody who writes; ten minutes at most', () => {
  const paused = (retryAfterMs: number) =>
    updateConnection(
      { kind: 'connecting', attempt: 0 },
      { kind: 'closed', code: 'DEVICE_PAUSED', retryAfterMs, nowMs: 1000, random: 0.5 },
    ).connection;
  const waiting = { kind: 'waiting', untilMs: 61_250, attempt: 1, notBeforeMs: 61_000 } as const;
  assert.deepEqual(paused(60_000), waiting);
  const wanted = updateConnection(waiting, { kind: 'wanted', nowMs: 2000, random: 0.5 });
  assert.deepEqual(wanted.connection, { ...waiting, untilMs: 61_000 });
  assert.equal(updateConnection(waiting, { kind: 'tick', nowMs: 60_999 }).connection.kind, 'waiting');
  for (const longer of [RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MAX + 1, 2 ** 40]) {
    const connection = paused(longer);
    assert.equal(connection.kind === 'waiting' && connection.notBeforeMs, 1000 + RETRY_AFTER_MS_MAX);
  }
});

test('a client does powBitsMax bits of work, and refuses to do one more', () => {
  insistOnBearableWork({ powBits: limits.powBitsMax.value });
  assert.throws(() => insistOnBearableWork({ powBits: limits.powBitsMax.value + 1 }), { code: 'POW_INVALID' });
});

test('a message only moves forward, and fails only before it was delivered', () => {
  assert.ok(advances('queued', 'sent') && advances('sent', 'delivered') && advances('sent', 'read'));
  assert.ok(advances('failed', 'sent') && advances('failed', 'delivered'));
  assert.ok(!advances('delivered', 'sent') && !advances('read', 'delivered') && !advances('sent', 'sent'));
  assert.ok(advances('queued', 'failed') && advances('sent', 'failed'));
  assert.ok(!advances('delivered', 'failed') && !advances('read', 'failed'));
});

test('parked rows are given up at their limits and not one before', () => {
  const parked = (seq: number, bytes: number, parkedMs: number) => ({
    parkedMs,
    row: {
      seq: seq as MailboxSeq,
      kind: 'message' as const,
      group: id(1),
      storedAtMs: 0,
      payload: new Uint8Array(bytes),
    },
  });
  const rows = Array.from({ length: limits.parkedRowsMax.value }, (_, at) => parked(at + 1, 1, 0));
  assert.deepEqual(overdue(rows, 0), []);
  const over = overdue([...rows, parked(5000, 1, 0)], 0);
  assert.deepEqual(
    over.map(({ row }) => row.seq),
    [1],
  );
  assert.deepEqual(overdue([parked(1, 1, 0)], limits.parkedMsMax.value), []);
  assert.equal(overdue([parked(1, 1, 0)], limits.parkedMsMax.value + 1).length, 1);
  const half = limits.parkedBytesMax.value / 2;
  assert.deepEqual(overdue([parked(1, half, 0), parked(2, half, 0)], 0), []);
  assert.deepEqual(
    overdue([parked(1, half, 0), parked(2, half + 1, 0)], 0).map(({ row }) => row.seq),
    [1],
  );
});

test('an accepted message is remembered for 400 days, or until 10,000 others came after it', () => {
  const dayMs = 86_400_000;
  const row = (order: number, acceptedMs: number): OutboxRecord => ({
    order,
    user: 'bob',
    kind: 'message',
    onlineOnly: false,
    message: idOf(new Uint8Array(16)),
    transfer: undefined,
    draft: new Uint8Array(0),
    sealed: undefined,
    acceptedMs,
    createdMs: 1,
  });
  // The second is still under way.
  const few = [row(1, dayMs), row(2, 0), row(3, 2 * dayMs)];
  assert.deepEqual(forgettable(few, 401 * dayMs), []);
  assert.deepEqual(forgettable(few, 401 * dayMs + 1), [1]);
  const many = Array.from({ length: ACCEPTED_ROWS_MAX }, (_, at) => row(at + 1, dayMs));
  assert.deepEqual(forgettable(many.toReversed(), dayMs), []);
  assert.deepEqual(forgettable([row(ACCEPTED_ROWS_MAX + 1, dayMs), ...many], dayMs), [1]);
});
