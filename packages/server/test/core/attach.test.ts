/** Goal: which devices may attach, how long a resumption holds, and slots that say nothing without their key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemEntropy } from '@securechat/crypto';
import type { AccountId, control, DeviceId, Fingerprint } from '@securechat/wire';
import { defaultLimits, idBytes, idOf, limits, SecureChatError } from '@securechat/wire';
import { attachCandidate, resumedSigningKey } from '../../src/core/attach.ts';
import { foundingFacts, slotOf } from '../../src/core/founding.ts';
import type { AccountRecord } from '../../src/core/records.ts';

const [phone, lost, other] = ['phone', 'lost', 'other'] as DeviceId[] as [DeviceId, DeviceId, DeviceId];
const record: AccountRecord = {
  username: 'anna',
  opaque: '',
  sequence: 1,
  identity: 'sha256:x' as Fingerprint,
  recovery: '',
  accountJws: '',
  listJws: '',
  listVersion: 1,
  listHash: '',
  devices: [{ device: phone, jws: '', signing: 'phone.signing', sealing: 'phone.sealing' }],
  ended: [{ device: lost, signing: 'lost.signing' }],
  disabled: false,
  resets: { count: 0 },
};

test('a listed device may attach, an ended one is known, any other is nobody', () => {
  assert.deepEqual(attachCandidate(record, phone), {
    kind: 'device',
    signing: 'phone.signing',
    sealing: 'phone.sealing',
  });
  assert.deepEqual(attachCandidate(record, lost), { kind: 'ended', signing: 'lost.signing' });
  assert.equal(attachCandidate(record, other).kind, 'unknown');
  assert.equal(attachCandidate(undefined, phone).kind, 'unknown');
});

test('a resumption holds for resumptionMs, for a device that is still listed, on an account that is not disabled', () => {
  const issuedMs = 1_800_000_000_000;
  const resumption = {
    account: 'anna' as AccountId,
    device: phone,
    secret: '',
    expiresMs: issuedMs + defaultLimits.resumptionMs,
  };
  const lastMs = issuedMs + defaultLimits.resumptionMs - 1;
  assert.equal(resumedSigningKey(resumption, record, lastMs), 'phone.signing');
  assert.equal(resumedSigningKey(resumption, record, lastMs + 1), undefined);
  assert.equal(resumedSigningKey(resumption, undefined, issuedMs), undefined);
  assert.equal(resumedSigningKey(resumption, { ...record, disabled: true }, issuedMs), undefined);
  assert.equal(resumedSigningKey({ ...resumption, device: lost }, record, issuedMs), undefined);
});

const newAccount = (): AccountId => idOf<AccountId>(systemEntropy(16));

test('the slot of two people is the same from both sides, and another one for other sequences and other servers', () => {
  const key = systemEntropy(32);
  const [anna, bob] = [
    { account: newAccount(), sequence: 1 },
    { account: newAccount(), sequence: 3 },
  ];
  const slot = slotOf(key, anna, bob);
  assert.equal(slot.length, 32);
  assert.deepEqual(slotOf(key, bob, anna), slot);
  for (const different of [
    slotOf(systemEntropy(32), anna, bob),
    slotOf(key, { ...anna, sequence: 2 }, bob),
    slotOf(key, { ...anna, sequence: 3 }, { ...bob, sequence: 1 }),
    slotOf(key, anna, { ...bob, account: newAccount() }),
  ])
    assert.notDeepEqual(different, slot);
});

test('a founding with ids of a wrong size, or more devices than two accounts can have, is MALFORMED', () => {
  const own = newAccount();
  const founding: control.Founding = {
    peerAccount: idBytes(newAccount()),
    peerSequence: 1,
    ownSequence: 1,
    generation: 1,
    predecessor: new Uint8Array(0),
    devices: [],
    invitation: Uint8Array.of(1),
    capsule: new Uint8Array(0),
    firstMessage: new Uint8Array(0),
  };
  const read = (change: Partial<control.Founding>) => foundingFacts({ ...founding, ...change }, own, systemEntropy(32));
  assert.equal(read({}).firstMessage, undefined);
  const devices = (count: number) => Array.from({ length: count }, () => systemEntropy(16));
  const max = 2 * limits.devicesPerAccountMax.value;
  assert.equal(read({ devices: devices(max) }).devices.length, max);
  const isMalformed = (error: unknown): boolean => error instanceof SecureChatError && error.code === 'MALFORMED';
  for (const change of [
    { devices: devices(max + 1) },
    { devices: [new Uint8Array(15)] },
    { peerAccount: new Uint8Array(17) },
    { predecessor: new Uint8Array(1) },
  ])
    assert.throws(() => read(change), isMalformed);
});
