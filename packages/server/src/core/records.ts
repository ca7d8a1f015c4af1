/**
 * The values of the small records, as JSON with a version. They were written by this server, so reading them back checks
 * the version alone.
 */
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import type { StoredRecord } from '../stores/port.ts';

export interface AccountDevice {
  readonly device: DeviceId;
  readonly jws: string;
  /** Ed25519 public key, base64url. */
  readonly signing: string;
  /** Sealing SPKI, base64url. */
  readonly sealing: string;
}

export interface AccountRecord {
  readonly username: string;
  /** OPAQUE password record. */
  readonly opaque: string;
  readonly sequence: number;
  readonly identity: Fingerprint;
  /** Ed25519 public key of the recovery words, base64url. */
  readonly recovery: string;
  readonly accountJws: string;
  readonly listJws: string;
  readonly listVersion: number;
  /** SHA-256 of the list, base64url. */
  readonly listHash: string;
  readonly devices: readonly AccountDevice[];
  /** The last devices that were ended: they are told so, if they prove to be themselves. */
  readonly ended: readonly Pick<AccountDevice, 'device' | 'signing'>[];
  readonly disabled: boolean;
  readonly resets: ResetCount;
}

/** Key resets in a row, less than a day from one to the next. */
export interface ResetCount {
  readonly count: number;
  /** Absent before the first. */
  readonly lastMs?: number;
}

/** How often something happened on one day (days since 1970). */
export interface DayCount {
  readonly day: number;
  readonly count: number;
}

export interface NameRecord {
  readonly account: AccountId;
}

export interface InviteRecord {
  readonly usesLeft: number;
  readonly expiresMs: number;
}

export interface ResumptionRecord {
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Wrapped, base64url (shell/wrapped-secret.ts). */
  readonly secret: string;
  readonly expiresMs: number;
}

export interface BlobRecord {
  readonly owner: AccountId;
  readonly recipient: AccountId;
  readonly size: number;
  readonly finished: boolean;
  readonly createdMs: number;
}

export interface BlobUsage {
  /** Bytes of all blobs of the account, reserved ones included. */
  readonly storedBytes: number;
  readonly unfinished: number;
  readonly today: DayCount;
}

/** The kinds of values, by name of the space they lie in. */
export interface RecordKinds {
  readonly name: NameRecord;
  readonly skeleton: NameRecord;
  readonly account: AccountRecord;
  readonly invite: InviteRecord;
  readonly resumption: ResumptionRecord;
  readonly blob: BlobRecord;
  readonly counter: DayCount;
  readonly usage: BlobUsage;
}

const RECORD_VERSION = 1;

export function encodeRecord<K extends keyof RecordKinds>(_kind: K, value: RecordKinds[K]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: RECORD_VERSION, ...value }));
}

/** A record and the version that a write has to name. */
export interface Versioned<T> {
  readonly value: T;
  readonly version: number;
}

export function decodeRecord<K extends keyof RecordKinds>(
  _kind: K,
  record: StoredRecord | undefined,
): Versioned<RecordKinds[K]> | undefined {
  if (record === undefined) return undefined;
  const { v, ...value } = JSON.parse(new TextDecoder().decode(record.value)) as RecordKinds[K] & { readonly v: number };
  if (v !== RECORD_VERSION) throw new Error(`A record has version ${v}.`);
  return { value: value as unknown as RecordKinds[K], version: record.version };
}

const DAY_MS = 86_400_000;

/** How often it happened today. */
export function todayOf(count: DayCount | undefined, nowMs: number): number {
  return count?.day === Math.floor(nowMs / DAY_MS) ? count.count : 0;
}

/** The count after one more today; undefined when `max` is reached. */
export function countToday(count: DayCount | undefined, nowMs: number, max: number, by = 1): DayCount | undefined {
  const before = todayOf(count, nowMs);
  return before + by > max ? undefined : { day: Math.floor(nowMs / DAY_MS), count: before + by };
}

/** The count after one more reset now; or the milliseconds to wait, after `max` of them. */
export function countReset(before: ResetCount, nowMs: number, max: number): ResetCount | { readonly waitMs: number } {
  const waitMs = (before.lastMs ?? -DAY_MS) + DAY_MS - nowMs;
  if (waitMs <= 0) return { count: 1, lastMs: nowMs };
  // A clock that went back makes nobody wait longer than a day.
  return before.count < max ? { count: before.count + 1, lastMs: nowMs } : { waitMs: Math.min(waitMs, DAY_MS) };
}

/** Milliseconds until the next day begins. */
export function untilTomorrowMs(nowMs: number): number {
  return DAY_MS - (nowMs % DAY_MS);
}
