/** Registration, new device lists and key resets: what may be written, given certificates that verified. */
import type { AccountId, DeviceId, Fingerprint, Limits } from '@securechat/wire';
import { isReservedName } from '@securechat/wire';
import type { RecordWrite } from '../stores/port.ts';
import type { Decision } from './decision.ts';
import { accept, refuse } from './decision.ts';
import { useInvite } from './invites.ts';
import type { AccountDevice, AccountRecord, DayCount, InviteRecord, Versioned } from './records.ts';
import { countReset, countToday, encodeRecord, untilTomorrowMs } from './records.ts';

/** What the certificates of a request say, verified against each other, this server and the name. */
export interface CertifiedAccount {
  readonly account: AccountId;
  readonly username: string;
  readonly sequence: number;
  readonly identity: Fingerprint;
  readonly recovery: string;
  readonly accountJws: string;
  readonly list: CertifiedList;
}

export interface CertifiedList {
  readonly jws: string;
  readonly version: number;
  readonly hash: string;
  /** Empty for the first list. */
  readonly previous: string;
  readonly devices: readonly AccountDevice[];
}

/** How a registration pays its way in. */
export type Admittance =
  | { readonly kind: 'invite'; readonly key: string }
  /** A proof of work that was checked and counted as used when the registration started. */
  | { readonly kind: 'work' };

export interface RegisterFacts {
  readonly nameTaken: boolean;
  readonly skeletonTaken: boolean;
  /** Account or one of the devices exists: ids are 16 random bytes, so this is a repeat or an attempt at another's. */
  readonly idTaken: boolean;
  readonly invite: Versioned<InviteRecord> | undefined;
  readonly today: Versioned<DayCount> | undefined;
}

export interface RegisterRequest {
  readonly certified: CertifiedAccount;
  readonly skeleton: string;
  readonly opaque: string;
  readonly admittance: Admittance;
}

/** Key of the counter of all registrations without an invite. */
export const REGISTRATIONS_COUNTER = 'registrations';

/** The name is taken, one use of the invite goes, the account exists: one transaction, exactly one of two racing wins. */
export function decideRegister(
  request: RegisterRequest,
  facts: RegisterFacts,
  limits: Limits,
  nowMs: number,
): Decision<AccountId> {
  const { certified, admittance } = request;
  const { account, username, list } = certified;
  if (facts.nameTaken || facts.skeletonTaken || isReservedName(username)) return refuse('NAME_TAKEN');
  if (certified.sequence !== 1 || list.version !== 1 || list.previous !== '' || list.devices.length !== 1)
    return refuse('CERTIFICATE_REJECTED');
  if (facts.idTaken) return refuse('VERSION_CONFLICT');
  const paid = admit(admittance, facts, limits, nowMs);
  if (paid.kind === 'refused') return paid;

  const owner = encodeRecord('name', { account });
  const record: AccountRecord = {
    username,
    opaque: request.opaque,
    ...keysOf(certified),
    ended: [],
    disabled: false,
    resets: { count: 0 },
  };
  return accept(
    account,
    [
      { space: 'name', key: username, ifVersion: 0, value: owner },
      { space: 'skeleton', key: request.skeleton, ifVersion: 0, value: owner },
      { space: 'account', key: account, ifVersion: 0, value: encodeRecord('account', record) },
      ...paid.answer,
    ],
    { devices: { account, sequence: 1, add: idsOf(list.devices), remove: [], cause: 'RECIPIENT_RESET' } },
  );
}

function admit(
  admittance: Admittance,
  facts: RegisterFacts,
  limits: Limits,
  nowMs: number,
): Decision<readonly RecordWrite[]> {
  if (admittance.kind === 'invite') {
    const write = useInvite(admittance.key, facts.invite, nowMs);
    return write === undefined ? refuse('INVITE_INVALID') : accept([write]);
  }
  const today = countToday(facts.today?.value, nowMs, limits.registrationsPerDay);
  if (today === undefined) return refuse('RATE_LIMITED', { retryAfterMs: untilTomorrowMs(nowMs) });
  const value = encodeRecord('counter', today);
  return accept([{ space: 'counter', key: REGISTRATIONS_COUNTER, ifVersion: facts.today?.version ?? 0, value }]);
}

/** A new list of the same identity. Devices that it no longer names are ended, and told so. */
export function decidePublish(
  account: AccountId,
  list: CertifiedList,
  stored: Versioned<AccountRecord> | undefined,
  limits: Limits,
): Decision<AccountId> {
  if (stored === undefined) return refuse('NOT_AUTHENTICATED');
  const { value: record, version } = stored;
  if (list.hash === record.listHash) return accept(account);
  if (list.version !== record.listVersion + 1 || list.previous !== record.listHash) return refuse('VERSION_CONFLICT');
  if (list.devices.length === 0 || list.devices.length > limits.devicesPerAccountMax)
    return refuse('CERTIFICATE_REJECTED');
  if (list.devices.some(({ device }) => wasEnded(record, device))) return refuse('CERTIFICATE_REJECTED');
  return replaceDevices({ account, record, version, sequence: record.sequence, list, next: { ...listOf(list) } });
}

/** A new identity, one sequence on; everything else of the account stays. The old devices end. */
export function decideReset(
  certified: CertifiedAccount,
  vault: RecordWrite,
  stored: Versioned<AccountRecord> | undefined,
  limits: Limits,
  nowMs: number,
): Decision<AccountId> {
  if (stored === undefined) return refuse('NOT_AUTHENTICATED');
  const { value: record, version } = stored;
  const { account, list } = certified;
  if (certified.sequence !== record.sequence + 1 || list.version !== record.listVersion + 1)
    return refuse('VERSION_CONFLICT');
  const sameKeys = certified.identity === record.identity || certified.recovery !== record.recovery;
  const knownDevice = list.devices.some(
    ({ device }) => wasEnded(record, device) || record.devices.some((known) => known.device === device),
  );
  if (sameKeys || knownDevice || list.devices.length !== 1) return refuse('CERTIFICATE_REJECTED');
  const resets = countReset(record.resets, nowMs, limits.resetsPerDay);
  if ('waitMs' in resets) return refuse('RATE_LIMITED', { retryAfterMs: resets.waitMs });
  const next = { ...keysOf(certified), resets };
  return replaceDevices({ account, record, version, sequence: certified.sequence, list, next, more: [vault] });
}

/** How many ended devices an account remembers. */
const ENDED_KEPT = 20;

function replaceDevices(input: {
  readonly account: AccountId;
  readonly record: AccountRecord;
  readonly version: number;
  readonly sequence: number;
  readonly list: CertifiedList;
  readonly next: Partial<AccountRecord>;
  readonly more?: readonly RecordWrite[];
}): Decision<AccountId> {
  const { account, record, list } = input;
  const before = idsOf(record.devices);
  const after = idsOf(list.devices);
  const remove = before.filter((device) => !after.includes(device));
  const ended = record.devices
    .filter(({ device }) => remove.includes(device))
    .map(({ device, signing }) => ({ device, signing }));
  const value = encodeRecord('account', {
    ...record,
    ...input.next,
    ended: [...record.ended, ...ended].slice(-ENDED_KEPT),
  });
  return accept(account, [{ space: 'account', key: account, ifVersion: input.version, value }, ...(input.more ?? [])], {
    devices: {
      account,
      sequence: input.sequence,
      add: after.filter((device) => !before.includes(device)),
      remove,
      cause: 'RECIPIENT_RESET',
    },
    effects: [
      { kind: 'end-devices', devices: remove, code: 'DEVICE_REVOKED' },
      { kind: 'keys-changed', account },
    ],
  });
}

function keysOf(certified: CertifiedAccount) {
  return {
    sequence: certified.sequence,
    identity: certified.identity,
    recovery: certified.recovery,
    accountJws: certified.accountJws,
    ...listOf(certified.list),
  };
}

function listOf(list: CertifiedList) {
  return { listJws: list.jws, listVersion: list.version, listHash: list.hash, devices: list.devices };
}

function wasEnded(record: AccountRecord, device: DeviceId): boolean {
  return record.ended.some((ended) => ended.device === device);
}

function idsOf(devices: readonly AccountDevice[]): readonly DeviceId[] {
  return devices.map(({ device }) => device);
}
