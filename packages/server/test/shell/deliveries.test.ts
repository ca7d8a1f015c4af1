/** Goal: a device gets every row of its mailbox once and in order, whatever is announced, late, twice or never. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeviceId, GroupId, MailboxSeq } from '@securechat/wire';
import { decodeDeliver, defaultLimits } from '@securechat/wire';
import { createLocalBus } from '../../src/bus/local.ts';
import { Acks } from '../../src/shell/acks.ts';
import { Delivery } from '../../src/shell/deliveries.ts';
import type { AppendedRow, Store } from '../../src/stores/port.ts';

const device = 'device' as DeviceId;
const group = 'AAAAAAAAAAAAAAAAAAAAAA' as GroupId;

function row(seq: number, bytes = 10): AppendedRow {
  const payload = new Uint8Array(bytes).fill(seq);
  return { device, seq: seq as MailboxSeq, kind: 'message', group, storedAtMs: 0, payload };
}

/** A mailbox in memory; `fetch` answers when the test lets it. */
function mailbox() {
  const rows: AppendedRow[] = [];
  const acked: number[] = [];
  const waiting: (() => void)[] = [];
  const store = {
    fetch: async (_device: DeviceId, after: number, rowsMax: number, bytesMax: number) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      let bytes = 0;
      return rows
        .filter(({ seq }) => seq > after)
        .filter(({ payload }, index) => (bytes += payload.length) <= bytesMax || index === 0)
        .slice(0, rowsMax);
    },
    ack: (_device: DeviceId, _generation: number, upTo: number) => {
      acked.push(upTo);
      return Promise.resolve();
    },
  } as unknown as Store;
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) {
      for (const go of waiting.splice(0)) go();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { rows, acked, store, settle };
}

function start(box: ReturnType<typeof mailbox>, mailboxNext: number, limits = defaultLimits) {
  const bus = createLocalBus();
  const sent: number[] = [];
  const acks = new Acks(box.store, { debug() {}, info() {}, warn() {}, error() {} });
  const delivery = new Delivery({
    store: box.store,
    acks,
    bus,
    limits: () => limits,
    device,
    generation: 1,
    storedUpTo: 0,
    mailboxNext,
    send: (body) => void sent.push(decodeDeliver(body).seq),
    onFailure: () => assert.fail(),
  });
  return { bus, sent, delivery, acks };
}

test('a row that was stored between the attach and the subscription is found, though nobody announced it', async () => {
  const box = mailbox();
  box.rows.push(row(1));
  const { sent } = start(box, 1);
  await box.settle();
  assert.deepEqual(sent, [1]);
});

test('whatever is announced, in any order, twice or not at all: each row comes once, in order', async () => {
  const steps = fc.array(
    fc.record({ announce: fc.boolean(), twice: fc.boolean(), settle: fc.boolean(), ack: fc.boolean() }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(5), async (plan, already) => {
      const box = mailbox();
      for (let seq = 1; seq <= already; seq += 1) box.rows.push(row(seq));
      const limits = { ...defaultLimits, deliverRowsInFlightMax: 4 };
      const { bus, sent, delivery } = start(box, already + 1, limits);
      for (const step of plan) {
        const next = row(box.rows.length + 1);
        box.rows.push(next);
        if (step.announce) bus.publish(next);
        if (step.twice) bus.publish(next);
        if (step.settle) await box.settle();
        if (step.ack) delivery.ack((sent.at(-1) ?? 0) as MailboxSeq);
      }
      // The last one is announced: after it nothing may be missing.
      const last = row(box.rows.length + 1);
      box.rows.push(last);
      bus.publish(last);
      for (let turn = 0; turn < 20; turn += 1) {
        await box.settle();
        delivery.ack((sent.at(-1) ?? 0) as MailboxSeq);
      }
      assert.deepEqual(
        sent,
        box.rows.map(({ seq }) => seq),
      );
    }),
    { numRuns: 30 },
  );
});

test('rows that nobody acknowledged stop at deliverRowsInFlightMax and at deliverBytesInFlightMax', async () => {
  for (const [bytes, expected] of [
    [10, defaultLimits.deliverRowsInFlightMax],
    [64 * 1024, defaultLimits.deliverBytesInFlightMax / (64 * 1024)],
  ] as const) {
    const box = mailbox();
    for (let seq = 1; seq <= 400; seq += 1) box.rows.push(row(seq, bytes));
    const { sent, delivery, acks } = start(box, 401);
    await box.settle();
    assert.equal(sent.length, expected);
    assert.equal(delivery.ack(401 as MailboxSeq), 'never-sent');
    assert.equal(delivery.ack(1 as MailboxSeq), 'news');
    assert.equal(delivery.ack(1 as MailboxSeq), 'known');
    await box.settle();
    assert.equal(sent.length, expected + 1);
    assert.equal(delivery.ack(2 as MailboxSeq), 'news');
    await acks.flush();
    // The newest number says it for those before it.
    assert.deepEqual(box.acked, [2]);
  }
});

test('a mailbox whose first numbers are gone goes on behind them', async () => {
  const box = mailbox();
  box.rows.push(row(50), row(51));
  const { sent, bus } = start(box, 52);
  await box.settle();
  const next = row(52);
  box.rows.push(next);
  bus.publish(next);
  await box.settle();
  assert.deepEqual(sent, [50, 51, 52]);
});
