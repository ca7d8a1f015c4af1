/** Goal: buckets, guessing, addresses, invites and challenges: at the limit and one past it, with injected time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultLimits } from '@securechat/wire';
import { inBlocks, limitUnit, neighbourhood, parseBlock } from '../../src/core/addresses.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import { isFull, quota, spend } from '../../src/core/bucket.ts';
import { CHALLENGE_BYTES, CHALLENGE_RANDOM_BYTES, challengeBits, makeChallenge } from '../../src/core/challenge.ts';
import type { Guesses } from '../../src/core/guessing.ts';
import { decideGuess, GUESSES_FORGOTTEN_MS } from '../../src/core/guessing.ts';
import { decideInvite, INVITE_BYTES, inviteBytes } from '../../src/core/invites.ts';
import { presenceOf, tellAtMs } from '../../src/core/presence.ts';
import { registrationPowBits } from '../../src/core/registration-work.ts';

test('a bucket gives its burst at once, then its rate, and says when the next token comes', () => {
  const rule = { burst: 3, perSecond: 2 };
  let bucket: Bucket | undefined;
  const take = (nowMs: number): number => {
    const spent = spend(bucket, rule, nowMs);
    bucket = spent.bucket;
    return spent.kind === 'spent' ? 0 : spent.retryAfterMs;
  };
  assert.deepEqual([take(0), take(0), take(0), take(0)], [0, 0, 0, 500]);
  assert.equal(take(499), 1);
  assert.equal(take(500), 0);
  assert.equal(take(500), 500);
});

test('over any sequence of calls a bucket gives no more than burst + rate × time, also when the clock goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 200 }), (steps) => {
      const rule = { burst: 5, perSecond: 10 };
      let bucket: Bucket | undefined;
      let nowMs = 0;
      let latestMs = 0;
      let given = 0;
      for (const step of steps) {
        nowMs += step;
        latestMs = Math.max(latestMs, nowMs);
        const spent = spend(bucket, rule, nowMs);
        bucket = spent.bucket;
        if (spent.kind === 'spent') given += 1;
      }
      // The first call sets the zero of the clock; it may lie below it.
      const firstMs = steps[0] ?? 0;
      assert.ok(given <= 5 + ((latestMs - Math.min(0, firstMs)) / 1000) * 10 + 1e-6);
    }),
  );
});

test('a quota comes back over its period, and a full bucket can be forgotten', () => {
  const rule = quota(60, 3_600_000);
  const spent = spend(undefined, rule, 0, 60);
  assert.equal(spent.kind, 'spent');
  assert.equal(isFull(spent.bucket, rule, 3_599_000), false);
  assert.equal(isFull(spent.bucket, rule, 3_600_000), true);
});

test('guessing: some tries are free, then delays double up to their maximum, and time forgives', () => {
  const rule = { free: defaultLimits.loginFailuresFree, delayMsMax: defaultLimits.loginDelayMsMax };
  let guesses: Guesses | undefined;
  let nowMs = 1000;
  const waits: number[] = [];
  for (let tries = 0; tries < rule.free; tries += 1) {
    const decision = decideGuess(guesses, rule, nowMs);
    assert.ok(decision.kind === 'allowed');
    guesses = decision.guesses;
  }
  for (let tries = 0; tries < 8; tries += 1) {
    const refused = decideGuess(guesses, rule, nowMs);
    assert.ok(refused.kind === 'refused');
    waits.push(refused.retryAfterMs);
    nowMs += refused.retryAfterMs;
    const decision = decideGuess(guesses, rule, nowMs);
    assert.ok(decision.kind === 'allowed');
    guesses = decision.guesses;
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.equal(decideGuess(guesses, rule, nowMs + GUESSES_FORGOTTEN_MS).kind, 'allowed');
});

test('addresses are counted one by one for IPv4, by /64 for IPv6, and mapped ones as what they are', () => {
  assert.equal(limitUnit('192.0.2.1'), limitUnit('::ffff:192.0.2.1'));
  assert.notEqual(limitUnit('192.0.2.1'), limitUnit('192.0.2.2'));
  assert.equal(limitUnit('2001:db8:1:2::1'), limitUnit('2001:db8:1:2:ffff::9'));
  assert.notEqual(limitUnit('2001:db8:1:2::1'), limitUnit('2001:db8:1:3::1'));
  assert.equal(limitUnit('fe80::1%eth0'), limitUnit('fe80::2'));
  assert.equal(neighbourhood('192.0.2.1'), neighbourhood('192.0.2.200'));
  assert.notEqual(neighbourhood('192.0.2.1'), neighbourhood('192.0.3.1'));
  for (const bad of ['', 'x', '1.2.3', '1.2.3.256', ':::', '1::2::3', 'g::1', '1:2:3:4:5:6:7:8:9'])
    assert.equal(limitUnit(bad), 'unknown', bad);
});

test('address ranges hold what they say', () => {
  const blocks = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'].map(parseBlock);
  for (const inside of ['10.255.0.1', '::ffff:10.1.1.1', '2001:db8:ffff::1', '192.0.2.7'])
    assert.equal(inBlocks(inside, blocks), true, inside);
  for (const outside of ['11.0.0.1', '2001:db9::1', '192.0.2.8', 'nonsense'])
    assert.equal(inBlocks(outside, blocks), false, outside);
  assert.equal(inBlocks('8.8.8.8', [parseBlock('0.0.0.0/0')]), true);
  assert.equal(inBlocks('::1', [parseBlock('0.0.0.0/0')]), false);
  for (const bad of ['', '10.0.0.0/33', '10.0.0.0/8/8', 'x/8', '::/129', '10.0.0.0/-1'])
    assert.throws(() => parseBlock(bad), Error, bad);
});

test('invites: defaults, maxima, the quota of the day, and closed servers', () => {
  const nowMs = 1_800_000_000_000;
  const day = Math.floor(nowMs / 86_400_000);
  const facts = { registration: 'invite', code: 'code', hash: 'hash', counterKey: 'k', made: undefined } as const;
  const decide = (wanted: { uses: number; hours: number }, change: object = {}) =>
    decideInvite(wanted, { ...facts, ...change }, defaultLimits, nowMs);
  const plain = decide({ uses: 0, hours: 0 });
  assert.ok(plain.kind === 'accepted');
  assert.deepEqual(plain.answer, { code: 'code', uses: 1, expiresMs: nowMs + 24 * 3_600_000 });
  const { inviteUsesMax, inviteHoursMax, invitesPerDay } = defaultLimits;
  assert.equal(decide({ uses: inviteUsesMax, hours: inviteHoursMax }).kind, 'accepted');
  for (const over of [
    { uses: inviteUsesMax + 1, hours: 1 },
    { uses: 1, hours: inviteHoursMax + 1 },
  ]) {
    const refused = decide(over);
    assert.ok(refused.kind === 'refused' && refused.code === 'TOO_LARGE');
  }
  const made = (count: number) => ({ made: { value: { day, count }, version: 1 } });
  assert.equal(decide({ uses: 1, hours: 1 }, made(invitesPerDay - 1)).kind, 'accepted');
  const spent = decide({ uses: 1, hours: 1 }, made(invitesPerDay));
  assert.ok(spent.kind === 'refused' && spent.code === 'RATE_LIMITED');
  const closed = decide({ uses: 1, hours: 1 }, { registration: 'closed' });
  assert.ok(closed.kind === 'refused' && closed.code === 'REGISTRATION_CLOSED');
  assert.equal(inviteBytes('A'.repeat(22))?.length, INVITE_BYTES);
  for (const bad of ['', 'x', 'A'.repeat(21), 'A'.repeat(23), `${'A'.repeat(21)}!`])
    assert.equal(inviteBytes(bad), undefined);
});

test('a challenge is recognised by its maker alone, and for challengeMs', () => {
  const key = new Uint8Array(32).fill(1);
  const ageMsMax = defaultLimits.challengeMs;
  const random = new Uint8Array(CHALLENGE_RANDOM_BYTES).fill(2);
  const challenge = makeChallenge(key, random, { purpose: 'registration', bits: 21, nowMs: 1000 });
  assert.equal(challenge.length, CHALLENGE_BYTES);
  const terms = { key, purpose: 'registration', nowMs: 1000, ageMsMax } as const;
  assert.equal(challengeBits(challenge, { ...terms, nowMs: 1000 + ageMsMax }), 21);
  assert.equal(challengeBits(challenge, { ...terms, nowMs: 1001 + ageMsMax }), undefined);
  assert.equal(challengeBits(challenge, { ...terms, nowMs: 999 }), undefined);
  assert.equal(challengeBits(challenge, { ...terms, key: new Uint8Array(32) }), undefined);
  assert.equal(challengeBits(challenge, { ...terms, purpose: 'login' }), undefined);
  for (let at = 0; at < challenge.length; at += 1) {
    const changed = challenge.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(challengeBits(changed, terms), undefined);
  }
});

test('work of an open registration doubles whenever what is left has halved, to registrationPowRiseBits and powBitsMax', () => {
  const { registrationsPerDay: day, opaqueQueuedMax: queue, registrationPowRiseBits, powBitsMax } = defaultLimits;
  const bits = (today: number, opaqueQueued = 0, base = 20): number =>
    registrationPowBits(base, { today, opaqueQueued }, defaultLimits);
  assert.deepEqual(
    [0, day / 2 - 1, day / 2, (day * 3) / 4].map((today) => bits(today)),
    [20, 20, 21, 22],
  );
  assert.deepEqual(
    [queue / 2 - 1, queue / 2, (queue * 3) / 4].map((queued) => bits(0, queued)),
    [20, 21, 22],
  );
  // The scarcer of both counts.
  assert.equal(bits(day / 2, (queue * 3) / 4), 22);
  for (const none of [day - 1, day, day + 1, 10 * day]) assert.equal(bits(none), 20 + registrationPowRiseBits);
  assert.equal(bits(day, 0, powBitsMax), powBitsMax);
  assert.equal(bits(day, 0, powBitsMax - 1), powBitsMax);
  assert.equal(bits(day, 0, 0), registrationPowRiseBits);
  assert.equal(registrationPowBits(3, { today: 0, opaqueQueued: 0 }, { ...defaultLimits, registrationsPerDay: 0 }), 7);
});

test('presence: everyone on a closed server, contacts on an open one; the blocked see offline', () => {
  const facts = { attached: true, blocks: false, contactsOnly: false, contact: false, exists: true };
  assert.equal(presenceOf(facts), 'online');
  assert.equal(presenceOf({ ...facts, attached: false }), 'offline');
  assert.equal(presenceOf({ ...facts, blocks: true }), 'offline');
  assert.equal(presenceOf({ ...facts, exists: false }), 'unknown');
  assert.equal(presenceOf({ ...facts, contactsOnly: true }), 'unknown');
  assert.equal(presenceOf({ ...facts, contactsOnly: true, contact: true }), 'online');
});

test('a change of presence is told within 5 s, and at most once in 10 s', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000_000),
      fc.option(fc.nat(1_000_000), { nil: undefined }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (nowMs, toldMs, random) => {
        const atMs = tellAtMs({ nowMs, toldMs, random });
        assert.ok(atMs >= nowMs);
        if (toldMs === undefined) assert.ok(atMs <= nowMs + 5000);
        else assert.ok(atMs >= toldMs + 10_000 && atMs <= Math.max(nowMs + 5000, toldMs + 10_000));
      },
    ),
  );
});
