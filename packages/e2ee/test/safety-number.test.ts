import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@securechat/crypto';
import type { AccountId, Fingerprint } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import type { SafetyPart } from '../src/index.ts';
import { safetyNumber, safetyPart } from '../src/index.ts';
import { person, server } from './people.ts';

const byte = (value: number): Uint8Array => new Uint8Array(16).fill(value);
const a: SafetyPart = { account: idOf<AccountId>(byte(1)), username: 'alice', identityHash: sha256(byte(10)) };
const b: SafetyPart = { account: idOf<AccountId>(byte(2)), username: 'bob', identityHash: sha256(byte(20)) };
// 0xfb sorts after 0x7c by its bytes; as base64url text ('-…' and 'f…') it would come first.
const c: SafetyPart = { account: idOf<AccountId>(byte(0xfb)), username: 'žofie', identityHash: sha256(byte(30)) };
const d: SafetyPart = {
  account: idOf<AccountId>(byte(0x7c)),
  username: 'd'.repeat(32),
  identityHash: sha256(byte(40)),
};
const here = `sha256:${'A'.repeat(43)}` as Fingerprint;

/** Computed by an independent program from the definition in docs/protocol/conversations.md. */
const vectors: readonly (readonly [SafetyPart, SafetyPart, string])[] = [
  [a, b, '53001 25047 21893 57818 16051 35599 58420 57515 30031 55114 65991 20019'],
  [c, d, '29616 58213 86233 18504 37172 72644 14192 69277 72823 65991 01390 35461'],
];

test('safety numbers are those of the vectors, whichever side computes them', () => {
  for (const [one, other, digits] of vectors) {
    assert.equal(safetyNumber(here, one, other).digits, digits);
    assert.deepEqual(safetyNumber(here, other, one), safetyNumber(here, one, other));
  }
});

test('a safety number is twelve groups of five digits and changes with each thing that goes in', () => {
  const { digits, hash } = safetyNumber(here, a, b);
  assert.match(digits, /^(\d{5} ){11}\d{5}$/);
  assert.equal(hash.length, 64);
  const changed = [
    safetyNumber(server, a, b),
    safetyNumber(here, { ...a, username: 'alicf' }, b),
    safetyNumber(here, { ...a, identityHash: sha256(byte(11)) }, b),
    safetyNumber(here, a, { ...b, identityHash: sha256(byte(21)) }),
    safetyNumber(here, a, { ...b, account: c.account }),
    safetyNumber(here, { ...a, identityHash: b.identityHash }, { ...b, identityHash: a.identityHash }),
  ].map((number) => number.digits);
  assert.equal(new Set([...changed, digits]).size, changed.length + 1);
});

test('two people see the same number, from their own bundles', async () => {
  const [one, other] = await Promise.all([person('one'), person('other')]);
  const [mine, theirs] = [safetyPart(one.bundle.account), safetyPart(other.bundle.account)];
  assert.equal(safetyNumber(server, mine, theirs).digits, safetyNumber(server, theirs, mine).digits);
});

test('there is no safety number with oneself', () => {
  assert.throws(() => safetyNumber(here, a, { ...b, account: a.account }), { code: 'SELF' });
});
