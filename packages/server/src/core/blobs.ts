/** Files: who may store, fetch and remove which ciphertext, within which quota (docs/protocol/files.md). */
import type { AccountId, BlobId, Limits } from '@securechat/wire';
import type { RecordWrite } from '../stores/port.ts';
import type { Decision } from './decision.ts';
import { accept, refuse } from './decision.ts';
import type { BlobRecord, BlobUsage, Versioned } from './records.ts';
import { countToday, encodeRecord, untilTomorrowMs } from './records.ts';

const CHUNK_TAG_BYTES = 16;
const CHUNK_BYTES_MIN = 64 * 1024;
const HOUR_MS = 3_600_000;

/** Bytes of ciphertext of the largest file: a tag for each chunk comes on top. */
export function blobBytesMax(limits: Limits): number {
  return limits.fileBytesMax + CHUNK_TAG_BYTES * Math.max(1, Math.ceil(limits.fileBytesMax / CHUNK_BYTES_MIN));
}

export function usageKey(account: AccountId): string {
  return `blobs.${account}`;
}

export interface BlobFacts {
  readonly blob: Versioned<BlobRecord> | undefined;
  readonly usage: Versioned<BlobUsage> | undefined;
}

export interface CreateFacts extends BlobFacts {
  readonly recipientExists: boolean;
  /** The recipient refuses the sender, and says so. */
  readonly blocked: boolean;
  readonly freeBytes: number;
}

export interface CreateRequest {
  readonly blob: BlobId;
  readonly owner: AccountId;
  readonly recipient: AccountId;
  readonly size: number;
}

/** Reserves the quota of the whole file before its first byte. The same request again is answered the same. */
export function decideCreate(
  request: CreateRequest,
  facts: CreateFacts,
  limits: Limits,
  nowMs: number,
): Decision<BlobRecord> {
  const known = facts.blob?.value;
  if (known !== undefined) {
    const same = known.owner === request.owner && known.recipient === request.recipient && known.size === request.size;
    return same ? accept(known) : refuse('ID_REUSED');
  }
  if (request.size < 1) return refuse('MALFORMED');
  if (request.size > blobBytesMax(limits)) return refuse('FILE_TOO_LARGE');
  if (!facts.recipientExists) return refuse('NO_SUCH_USER');
  if (facts.blocked) return refuse('BLOCKED');
  const usage = facts.usage?.value ?? noUsage;
  if (usage.unfinished >= limits.fileUploadsAtOnceMax) return refuse('QUOTA_EXCEEDED');
  if (usage.storedBytes + request.size > limits.fileBytesStoredPerAccountMax) return refuse('QUOTA_EXCEEDED');
  const today = countToday(usage.today, nowMs, limits.fileBytesPerAccountPerDay, request.size);
  if (today === undefined) return refuse('QUOTA_EXCEEDED', { retryAfterMs: untilTomorrowMs(nowMs) });
  if (facts.freeBytes - request.size < limits.diskFreeBytesMin) return refuse('STORAGE_FULL');
  const { owner, recipient, size } = request;
  const record: BlobRecord = { owner, recipient, size, finished: false, createdMs: nowMs };
  return accept(record, [
    { space: 'blob', key: request.blob, ifVersion: 0, value: encodeRecord('blob', record) },
    usageWrite(owner, facts.usage, {
      storedBytes: usage.storedBytes + size,
      unfinished: usage.unfinished + 1,
      today,
    }),
  ]);
}

export type PutPlace = 'append' | 'answer-state';

/**
 * Parts are appended in order; any other offset is answered with what is there, so that an upload resumes. The disk is
 * looked at again: many may have reserved the same room.
 */
export function decidePut(
  request: { readonly account: AccountId; readonly offset: number; readonly bytes: number },
  facts: { readonly blob: BlobRecord | undefined; readonly have: number; readonly freeBytes: number },
  limits: Limits,
): Decision<PutPlace> {
  const { blob } = facts;
  if (blob === undefined || blob.owner !== request.account) return refuse('FILE_NOT_FOUND');
  if (request.bytes > limits.blobPartBytesMax) return refuse('TOO_LARGE');
  if (blob.finished || request.offset !== facts.have) return accept('answer-state');
  if (request.bytes === 0 || request.offset + request.bytes > blob.size) return refuse('MALFORMED');
  if (facts.freeBytes - request.bytes < limits.diskFreeBytesMin) return refuse('STORAGE_FULL');
  return accept('append');
}

export function decideFinish(
  request: { readonly account: AccountId; readonly blob: BlobId },
  facts: BlobFacts & { readonly have: number },
): Decision<BlobRecord> {
  const blob = facts.blob?.value;
  if (blob === undefined || blob.owner !== request.account) return refuse('FILE_NOT_FOUND');
  if (blob.finished) return accept(blob);
  if (facts.have !== blob.size) return refuse('FILE_INCOMPLETE');
  const finished = { ...blob, finished: true };
  const usage = facts.usage?.value ?? noUsage;
  return accept(finished, [
    { space: 'blob', key: request.blob, ifVersion: facts.blob?.version ?? 0, value: encodeRecord('blob', finished) },
    usageWrite(blob.owner, facts.usage, { ...usage, unfinished: Math.max(0, usage.unfinished - 1) }),
  ]);
}

/** Unknown, and somebody else's, look alike. */
export function decideGet(
  request: { readonly account: AccountId; readonly offset: number; readonly length: number },
  blob: BlobRecord | undefined,
  limits: Limits,
): Decision<{ readonly offset: number; readonly length: number }> {
  if (blob === undefined || !mayRead(blob, request.account)) return refuse('FILE_NOT_FOUND');
  if (!blob.finished) return refuse('FILE_INCOMPLETE');
  if (request.length < 1 || request.offset > blob.size) return refuse('MALFORMED');
  if (request.length > limits.blobPartBytesMax) return refuse('TOO_LARGE');
  return accept({ offset: request.offset, length: Math.min(request.length, blob.size - request.offset) });
}

/** By owner or recipient; removing what is not there is no fault. */
export function decideRemove(
  request: { readonly account: AccountId; readonly blob: BlobId },
  facts: BlobFacts,
): Decision<'remove' | 'nothing'> {
  const blob = facts.blob;
  if (blob === undefined || !mayRead(blob.value, request.account)) return accept('nothing');
  return accept('remove', removal(request.blob, blob, facts.usage));
}

/** The writes that forget a blob and give its quota back. */
export function removal(
  id: BlobId,
  blob: Versioned<BlobRecord>,
  usage: Versioned<BlobUsage> | undefined,
): readonly RecordWrite[] {
  const { owner, size, finished } = blob.value;
  const before = usage?.value ?? noUsage;
  return [
    { space: 'blob', key: id, ifVersion: blob.version, value: null },
    usageWrite(owner, usage, {
      ...before,
      storedBytes: Math.max(0, before.storedBytes - size),
      unfinished: Math.max(0, before.unfinished - (finished ? 0 : 1)),
    }),
  ];
}

export function blobExpired(blob: BlobRecord, limits: Limits, nowMs: number): boolean {
  const ageMs = nowMs - blob.createdMs;
  return ageMs > (blob.finished ? limits.fileDays * 24 : limits.fileIncompleteHours) * HOUR_MS;
}

const noUsage: BlobUsage = { storedBytes: 0, unfinished: 0, today: { day: 0, count: 0 } };

function usageWrite(account: AccountId, before: Versioned<BlobUsage> | undefined, usage: BlobUsage): RecordWrite {
  return {
    space: 'counter',
    key: usageKey(account),
    ifVersion: before?.version ?? 0,
    value: encodeRecord('usage', usage),
  };
}

function mayRead(blob: BlobRecord, account: AccountId): boolean {
  return blob.owner === account || blob.recipient === account;
}
