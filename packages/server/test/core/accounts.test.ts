/** Goal: registration, new lists and key resets decide by the facts alone; each rule broken once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { CertifiedAccount, RegisterFacts, RegisterRequest } from '../../src/core/accounts.ts';
import { decidePublish, decideRegister, decideReset, REGISTRATIONS_COUNTER } from '../../src/core/accounts.ts';
import { decideAdmittance } from '../../src/core/admittance.ts';
import type { AccountRecord, RecordKinds, ResetCount } from '../../src/core/records.ts';
import { countReset, decodeRecord } from '../../src/core/records.ts';
import type { RecordWrite } from '../../src/stores/port.ts';

const account = 'account' as AccountId;
const nowMs = 1_800_000_000_000;
const today = Math.floor(nowMs / 86_400_000);

function device(name: string) {
  return { device: name as DeviceId, jws: `${name}.jws`, signing: `${name}.signing`, sealing: `${name}.sealing` };
}

const certified: CertifiedAccount = {
  account,
  username: 'anna',
  sequence: 1,
  identity: 'sha256:one' as Fingerprint,
  recovery: 'recovery',
  accountJws: 'account.jws',
  list: { jws: 'list.jws', version: 1, hash: 'hash1', previous: '', devices: [device('phone')] },
};
const request: RegisterRequest = {
  certified,
  skeleton: 'anna-skeleton',
  opaque: 'record',
  admittance: { kind: 'invite', key: 'invite' },
};
const facts: RegisterFacts = {
  nameTaken: false,
  skeletonTaken: false,
  idTaken: false,
  invite: { value: { usesLeft: 2, expiresMs: nowMs + 1 }, version: 7 },
  today: undefined,
};

function writeTo(writes: readonly RecordWrite[], space: string): RecordWrite {
  const write = writes.find((one) => one.space === space);
  assert.ok(write);
  return write;
}

function valueOf<K extends keyof RecordKinds>(kind: K, write: RecordWrite): RecordKinds[K] {
  assert.ok(write.value);
  const decoded = decodeRecord(kind, { key: write.key, version: 1, value: write.value });
  assert.ok(decoded);
  return decoded.value;
}

test('a registration takes name, skeleton and one use of the invite, and adds account and device, at once', () => {
  const decision = decideRegister(request, facts, defaultLimits, nowMs);
  assert.ok(decision.kind === 'accepted');
  const { writes, devices } = decision;
  assert.deepEqual(
    writes.map(({ space, key, ifVersion }) => [space, key, ifVersion]),
    [
      ['name', 'anna', 0],
      ['skeleton', 'anna-skeleton', 0],
      ['account', account, 0],
      ['invite', 'invite', 7],
    ],
  );
  assert.equal(valueOf('invite', writeTo(writes, 'invite')).usesLeft, 1);
  assert.equal(valueOf('account', writeTo(writes, 'account')).opaque, 'record');
  assert.deepEqual(devices, { account, sequence: 1, add: ['phone'], remove: [], cause: 'RECIPIENT_RESET' });
});

test('the last use of an invite deletes it', () => {
  const last = { value: { usesLeft: 1, expiresMs: nowMs + 1 }, version: 3 };
  const decision = decideRegister(request, { ...facts, invite: last }, defaultLimits, nowMs);
  assert.ok(decision.kind === 'accepted');
  assert.equal(writeTo(decision.writes, 'invite').value, null);
});

const refusals: readonly [string, Partial<RegisterFacts>, Partial<CertifiedAccount>, string][] = [
  ['a taken name', { nameTaken: true }, {}, 'NAME_TAKEN'],
  ['a name that looks like another', { skeletonTaken: true }, {}, 'NAME_TAKEN'],
  ['a name for the operator', {}, { username: 'support' }, 'NAME_TAKEN'],
  ['an account id in use', { idTaken: true }, {}, 'VERSION_CONFLICT'],
  ['an unknown invite', { invite: undefined }, {}, 'INVITE_INVALID'],
  ['a used invite', { invite: { value: { usesLeft: 0, expiresMs: nowMs + 1 }, version: 1 } }, {}, 'INVITE_INVALID'],
  ['an expired invite', { invite: { value: { usesLeft: 1, expiresMs: nowMs }, version: 1 } }, {}, 'INVITE_INVALID'],
  ['a later identity sequence', {}, { sequence: 2 }, 'CERTIFICATE_REJECTED'],
  ['a later list', {}, { list: { ...certified.list, version: 2 } }, 'CERTIFICATE_REJECTED'],
  ['a list with a predecessor', {}, { list: { ...certified.list, previous: 'x' } }, 'CERTIFICATE_REJECTED'],
  ['no device', {}, { list: { ...certified.list, devices: [] } }, 'CERTIFICATE_REJECTED'],
];
for (const [what, changedFacts, changedCertificate, code] of refusals)
  test(`a registration with ${what} is refused as ${code}`, () => {
    const wanted = { ...request, certified: { ...certified, ...changedCertificate } };
    const decision = decideRegister(wanted, { ...facts, ...changedFacts }, defaultLimits, nowMs);
    assert.ok(decision.kind === 'refused');
    assert.equal(decision.code, code);
  });

test('open registration counts accounts of the day: registrationsPerDay are taken, one more is not', () => {
  const max = defaultLimits.registrationsPerDay;
  const wanted: RegisterRequest = { ...request, admittance: { kind: 'work' } };
  const at = (count: number) =>
    decideRegister(wanted, { ...facts, today: { value: { day: today, count }, version: 1 } }, defaultLimits, nowMs);
  const last = at(max - 1);
  assert.ok(last.kind === 'accepted');
  assert.equal(writeTo(last.writes, 'counter').key, REGISTRATIONS_COUNTER);
  const over = at(max);
  assert.ok(over.kind === 'refused' && over.code === 'RATE_LIMITED');
  assert.ok((over.detail.retryAfterMs ?? 0) > 0 && (over.detail.retryAfterMs ?? 0) <= 86_400_000);
  // Yesterday's do not count.
  const fresh = { ...facts, today: { value: { day: today - 1, count: max }, version: 1 } };
  assert.equal(decideRegister(wanted, fresh, defaultLimits, nowMs).kind, 'accepted');
});

test('admittance looks at mode, invite and work, in this order', () => {
  const base = {
    registration: 'invite',
    inviteGiven: false,
    inviteKey: undefined,
    invite: undefined,
    workHolds: false,
  } as const;
  const invite = { value: { usesLeft: 1, expiresMs: nowMs + 1 }, version: 1 };
  const codeOf = (change: object): string => {
    const decision = decideAdmittance({ ...base, ...change }, nowMs);
    return decision.kind === 'refused' ? decision.code : decision.answer.kind;
  };
  assert.equal(codeOf({}), 'INVITE_REQUIRED');
  assert.equal(codeOf({ inviteGiven: true }), 'INVITE_INVALID');
  assert.equal(codeOf({ inviteGiven: true, inviteKey: 'k' }), 'INVITE_INVALID');
  assert.equal(codeOf({ inviteGiven: true, inviteKey: 'k', invite }), 'invite');
  assert.equal(codeOf({ registration: 'open' }), 'POW_INVALID');
  assert.equal(codeOf({ registration: 'open', workHolds: true }), 'work');
  assert.equal(codeOf({ registration: 'open', inviteGiven: true, inviteKey: 'k', invite }), 'invite');
  assert.equal(codeOf({ registration: 'closed', inviteGiven: true, inviteKey: 'k', invite }), 'REGISTRATION_CLOSED');
});

const record: AccountRecord = {
  username: 'anna',
  opaque: 'record',
  sequence: 1,
  identity: certified.identity,
  recovery: 'recovery',
  accountJws: 'account.jws',
  listJws: 'list.jws',
  listVersion: 1,
  listHash: 'hash1',
  devices: [device('phone')],
  ended: [{ device: 'lost' as DeviceId, signing: 'lost.signing' }],
  disabled: false,
  resets: { count: 0 },
};
const stored = { value: record, version: 4 };
const nextList = { jws: 'list2.jws', version: 2, hash: 'hash2', previous: 'hash1', devices: [device('laptop')] };

test('a new list ends the devices that it no longer names and remembers them', () => {
  const decision = decidePublish(account, nextList, stored, defaultLimits);
  assert.ok(decision.kind === 'accepted');
  assert.deepEqual(decision.devices, {
    account,
    sequence: 1,
    add: ['laptop'],
    remove: ['phone'],
    cause: 'RECIPIENT_RESET',
  });
  const value = valueOf('account', writeTo(decision.writes, 'account'));
  assert.deepEqual(
    value.ended.map((one) => one.device),
    ['lost', 'phone'],
  );
  assert.equal(value.listVersion, 2);
  assert.deepEqual(decision.effects[0], { kind: 'end-devices', devices: ['phone'], code: 'DEVICE_REVOKED' });
});

test('the list that is stored already is answered without a write; one that does not follow it is refused', () => {
  const same = decidePublish(account, { ...nextList, hash: 'hash1' }, stored, defaultLimits);
  assert.ok(same.kind === 'accepted' && same.writes.length === 0);
  const codeOf = (list: Partial<typeof nextList>): string => {
    const decision = decidePublish(account, { ...nextList, ...list }, stored, defaultLimits);
    return decision.kind === 'refused' ? decision.code : 'accepted';
  };
  assert.equal(codeOf({ version: 3 }), 'VERSION_CONFLICT');
  assert.equal(codeOf({ version: 1 }), 'VERSION_CONFLICT');
  assert.equal(codeOf({ previous: 'other' }), 'VERSION_CONFLICT');
  assert.equal(codeOf({ devices: [] }), 'CERTIFICATE_REJECTED');
  assert.equal(codeOf({ devices: [device('lost')] }), 'CERTIFICATE_REJECTED');
  const many = (count: number) => Array.from({ length: count }, (_, index) => device(`d${index}`));
  assert.equal(codeOf({ devices: many(defaultLimits.devicesPerAccountMax) }), 'accepted');
  assert.equal(codeOf({ devices: many(defaultLimits.devicesPerAccountMax + 1) }), 'CERTIFICATE_REJECTED');
});

test('a key reset takes the next sequence and list, keeps name, password and recovery, ends every old device', () => {
  const vault: RecordWrite = { space: 'vault', key: account, ifVersion: 1, value: new Uint8Array(1) };
  const next: CertifiedAccount = {
    ...certified,
    sequence: 2,
    identity: 'sha256:two' as Fingerprint,
    list: nextList,
  };
  const decide = (change: Partial<CertifiedAccount>, resets = record.resets) =>
    decideReset({ ...next, ...change }, vault, { value: { ...record, resets }, version: 4 }, defaultLimits, nowMs);
  const decision = decide({});
  assert.ok(decision.kind === 'accepted');
  assert.ok(decision.writes.includes(vault));
  const value = valueOf('account', writeTo(decision.writes, 'account'));
  assert.equal(value.opaque, 'record');
  assert.equal(value.sequence, 2);
  assert.equal(decision.devices?.sequence, 2);
  assert.deepEqual(decision.devices?.remove, ['phone']);
  const codeOf = (change: Partial<CertifiedAccount>): string => {
    const refused = decide(change);
    return refused.kind === 'refused' ? refused.code : 'accepted';
  };
  assert.deepEqual(value.resets, { count: 1, lastMs: nowMs });
  const over = decide({}, { count: defaultLimits.resetsPerDay, lastMs: nowMs - 1 });
  assert.ok(over.kind === 'refused' && over.code === 'RATE_LIMITED' && over.detail.retryAfterMs === 86_399_999);
  assert.equal(codeOf({ sequence: 3 }), 'VERSION_CONFLICT');
  assert.equal(codeOf({ list: { ...nextList, version: 1 } }), 'VERSION_CONFLICT');
  assert.equal(codeOf({ identity: record.identity }), 'CERTIFICATE_REJECTED');
  assert.equal(codeOf({ recovery: 'another' }), 'CERTIFICATE_REJECTED');
  assert.equal(codeOf({ list: { ...nextList, devices: [device('phone')] } }), 'CERTIFICATE_REJECTED');
});

test('resetsPerDay resets in a row, then a day of rest from the last, midnight or not', () => {
  const max = defaultLimits.resetsPerDay;
  const dayMs = 86_400_000;
  let resets: ResetCount = { count: 0 };
  for (let count = 1; count <= max; count += 1) {
    const next = countReset(resets, nowMs + count, max);
    assert.deepEqual(next, { count, lastMs: nowMs + count });
    resets = next;
  }
  const lastMs = nowMs + max;
  assert.deepEqual(countReset(resets, lastMs + 1, max), { waitMs: dayMs - 1 });
  assert.deepEqual(countReset(resets, lastMs + dayMs - 1, max), { waitMs: 1 });
  assert.deepEqual(countReset(resets, lastMs + dayMs, max), { count: 1, lastMs: lastMs + dayMs });
  assert.deepEqual(countReset(resets, lastMs - 30 * dayMs, max), { waitMs: dayMs }, 'a clock that went back');
});
