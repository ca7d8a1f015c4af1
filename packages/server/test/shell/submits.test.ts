/** Goal: submissions at their limits, the order after refusals, windows of delivery, and offline rules. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Submit } from '@securechat/wire';
import { encodeSubmit } from '@securechat/wire';
import type { TestClient } from '../client.ts';
import { newClientId, Outbox } from '../client.ts';
import type { Person } from '../people.ts';
import type { Stand } from '../stand.ts';
import { makeStand } from '../stand.ts';

let stand: Stand;
let nowMs = 0;
before(async () => {
  stand = await makeStand({
    // One message in 100 s, so that a slow machine gives no more; nobody is dead when the clock jumps.
    limits: { messagesBurst: 400, messagesPerSecond: 0.01, protocolErrorsMax: 2, deadMs: 10 ** 9 },
    surroundings: { clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() + nowMs } },
  });
});
after(() => stand.stop());

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

async function pair(one: string, other: string) {
  const [anna, bob] = [await stand.register(one), await stand.register(other)];
  const a = await stand.attach(anna);
  const outbox = new Outbox();
  const founding = outbox.found(anna, bob);
  a.submit(founding);
  await a.accepted.next();
  return { anna, bob, a, outbox, group: founding.group };
}

test('messagesBurst messages pass, the next is RATE_LIMITED, what follows it waits for it, and a resend goes through', async () => {
  const { a, outbox, group } = await pair('burst.a', 'burst.b');
  const { messagesBurst } = stand.config.limits;
  for (let count = 1; count < messagesBurst; count += 1) {
    a.submit(outbox.message(group, utf8('x')));
    assert.ok(await a.accepted.next());
  }
  const refused = outbox.message(group, utf8('over'));
  const behind = outbox.message(group, utf8('behind'));
  a.submit(refused);
  const refusal = await a.refused.next();
  assert.deepEqual([refusal?.id, refusal?.error.code], [refused.id, 'RATE_LIMITED']);
  const waitMs = refusal?.error.detail.retryAfterMs ?? 0;
  assert.ok(waitMs > 0 && waitMs <= 100_000);
  // Enough for one: the one behind would pass the rate, but not before the refused one.
  nowMs += 200_000;
  a.submit(behind);
  assert.equal((await a.refused.next())?.error.code, 'PREDECESSOR_REFUSED');
  // Same id and bytes, fresh submit number (docs/decisions/0007).
  const again = { ...refused, submitNumber: behind.submitNumber + 1, lowestUnresolved: behind.submitNumber + 1 };
  a.submit(again);
  assert.equal((await a.accepted.next())?.id, refused.id);
  nowMs += 200_000;
  a.submit({ ...behind, submitNumber: again.submitNumber + 1, lowestUnresolved: again.submitNumber + 1 });
  assert.equal((await a.accepted.next())?.id, behind.id);
  a.close();
  nowMs += 3_600_000;
});

test('messagesPerDay is a quota of the account', async () => {
  await stand.restart({ limits: { ...stand.config.limits, messagesPerDay: 3 } });
  try {
    const { a, outbox, group } = await pair('day.a', 'day.b');
    for (const last of ['second', 'third']) {
      a.submit(outbox.message(group, utf8(last)));
      assert.ok(await a.accepted.next());
    }
    a.submit(outbox.message(group, utf8('fourth')));
    const refusal = await a.refused.next();
    assert.equal(refusal?.error.code, 'RATE_LIMITED');
    assert.ok((refusal?.error.detail.retryAfterMs ?? 0) > 3_600_000);
    a.close();
  } finally {
    await stand.restart();
  }
});

test('a submission at each size limit passes or is refused for another reason; one byte more is TOO_LARGE', async () => {
  const { a, outbox, group } = await pair('size.a', 'size.b');
  const { messageBytesMax } = stand.config.limits;
  a.submit(outbox.message(group, new Uint8Array(messageBytesMax)));
  assert.ok(await a.accepted.next());
  a.submit(outbox.message(group, new Uint8Array(messageBytesMax + 1)));
  assert.equal((await a.refused.next())?.error.code, 'TOO_LARGE');
  a.close();
});

test('refusals name their cause: unknown group, wrong epoch, old submit number, reused id; a repeat is answered again', async () => {
  const { a, outbox, group } = await pair('cause.a', 'cause.b');
  const answer = async (submit: Submit) => {
    a.submit(submit);
    return (await Promise.race([a.accepted.next().then(() => undefined), a.refused.next()]))?.error;
  };
  const first = outbox.message(group, utf8('one'));
  assert.equal(await answer(first), undefined);
  assert.equal(await answer(first), undefined);
});

for (const [what, change, code] of [
  ['a reused id with other bytes', { payload: utf8('two') }, 'ID_REUSED'],
  ['an old submit number under a new id', { id: newClientId() }, 'STATE_ROLLED_BACK'],
  ['an unknown group', { id: newClientId(), submitNumber: 90, group: 'AAAAAAAAAAAAAAAAAAAAAA' }, 'NO_SUCH_GROUP'],
  ['another epoch', { id: newClientId(), submitNumber: 91, epoch: 7 }, 'EPOCH_STALE'],
] as const)
  test(`${what} is refused as ${code}`, async () => {
    const name = code.toLowerCase().replaceAll('_', '.');
    const { a, outbox, group } = await pair(`${name}.a`, `${name}.b`);
    const first = outbox.message(group, utf8('one'));
    a.submit(first);
    await a.accepted.next();
    a.submit({ ...first, ...change } as Submit);
    assert.equal((await a.refused.next())?.error.code, code);
    a.close();
  });

test('a submit that cannot be read is refused under its id; after protocolErrorsMax of worse things the link is closed', async () => {
  const { anna, a } = await pair('torn.a', 'torn.b');
  const whole = encodeSubmit(new Outbox(10).found(anna, anna));
  a.send('submit', whole.subarray(0, 20));
  assert.equal((await a.refused.next())?.error.code, 'MALFORMED');
  const founding = { ...new Outbox(11).found(anna, anna), payload: utf8('not a founding') };
  a.submit(founding);
  const torn = await a.refused.next();
  assert.deepEqual([torn?.id, torn?.error.code], [founding.id, 'MALFORMED']);
  for (let count = 0; count < stand.config.limits.protocolErrorsMax; count += 1) a.send('submit', new Uint8Array(3));
  a.send('ping', new Uint8Array(4));
  assert.ok(await a.pings.next());
  a.send('ack', new Uint8Array(3));
  await a.wire.closed;
});

test('acknowledging what was never sent is an error, not a deletion', async () => {
  const { bob, a } = await pair('ack.a', 'ack.b');
  const b = await stand.attach(bob);
  assert.equal((await b.delivered.next())?.seq, 1);
  b.ack(999);
  assert.equal((await b.delivered.next())?.seq, 2);
  b.close();
  const again = await stand.attach(bob);
  assert.equal((await again.delivered.next())?.seq, 1);
  again.close();
  a.close();
});

test('a receiver gets deliverRowsInFlightMax rows ahead, the rest as it acknowledges, all in order', async () => {
  const { bob, a, outbox, group } = await pair('window.a', 'window.b');
  const max = stand.config.limits.deliverRowsInFlightMax;
  const total = max + 60;
  // The invitation and the first message are there already.
  for (let seq = 3; seq <= total; seq += 1) {
    a.submit(outbox.message(group, utf8(`${seq}`)));
    assert.ok(await a.accepted.next());
  }
  const b = await stand.attach(bob, 'ws');
  await take(b, 1, max);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(b.delivered.length, 0);
  b.ack(30);
  await take(b, max + 1, max + 30);
  b.ack(max + 30);
  await take(b, max + 31, total);
  b.close();
  a.close();
});

async function take(client: TestClient, from: number, to: number): Promise<void> {
  for (let seq = from; seq <= to; seq += 1) assert.equal((await client.delivered.next())?.seq, seq);
}

test('online-only messages and a server without offline delivery refuse for somebody who is away', async () => {
  const { bob, a, outbox, group } = await pair('away.a', 'away.b');
  a.submit({ ...outbox.message(group, utf8('now or never')), onlineOnly: true });
  assert.equal((await a.refused.next())?.error.code, 'RECIPIENT_OFFLINE');
  a.close();
  await stand.restart({ offlineDelivery: 'off' });
  try {
    const anna2: Person = await stand.register('strict.a');
    const a2 = await stand.connect();
    assert.equal((await a2.attach(anna2)).offlineDelivery, 'off');
    const out = new Outbox();
    a2.submit(out.found(anna2, bob));
    assert.equal((await a2.refused.next())?.error.code, 'RECIPIENT_OFFLINE');
    const b = await stand.attach(bob);
    const founding = out.found(anna2, bob);
    a2.submit(founding);
    assert.equal((await a2.accepted.next())?.presence, 'online');
    b.close();
    a2.close();
  } finally {
    await stand.restart();
  }
});
