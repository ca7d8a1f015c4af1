/** Goal: quotas, places and readers of files, at each limit and one past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, BlobId } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { CreateFacts } from '../../src/core/blobs.ts';
import {
  blobBytesMax,
  blobExpired,
  decideCreate,
  decideFinish,
  decideGet,
  decidePut,
  decideRemove,
} from '../../src/core/blobs.ts';
import type { BlobRecord, BlobUsage } from '../../src/core/records.ts';
import { decodeRecord } from '../../src/core/records.ts';
import { decideVault } from '../../src/core/vault.ts';

const [anna, bob, eve] = ['anna', 'bob', 'eve'] as AccountId[] as [AccountId, AccountId, AccountId];
const blob = 'blob' as BlobId;
const nowMs = 1_800_000_000_000;
const day = Math.floor(nowMs / 86_400_000);
const limits = {
  ...defaultLimits,
  fileBytesMax: 1000,
  fileBytesStoredPerAccountMax: 5000,
  fileBytesPerAccountPerDay: 9000,
};
const usage: BlobUsage = { storedBytes: 0, unfinished: 0, today: { day, count: 0 } };
const record: BlobRecord = { owner: anna, recipient: bob, size: 100, finished: false, createdMs: nowMs };
const facts: CreateFacts = {
  blob: undefined,
  usage: { value: usage, version: 3 },
  recipientExists: true,
  blocked: false,
  freeBytes: 10 ** 12,
};

function create(change: Partial<CreateFacts>, size = 100, changedUsage: Partial<BlobUsage> = {}): string {
  const all = { ...facts, usage: { value: { ...usage, ...changedUsage }, version: 3 }, ...change };
  const decision = decideCreate({ blob, owner: anna, recipient: bob, size }, all, limits, nowMs);
  return decision.kind === 'refused' ? decision.code : 'accepted';
}

test('a file is taken at each limit and refused one past it', () => {
  assert.equal(create({}, blobBytesMax(limits)), 'accepted');
  assert.equal(create({}, blobBytesMax(limits) + 1), 'FILE_TOO_LARGE');
  assert.equal(create({}, 0), 'MALFORMED');
  assert.equal(create({}, 100, { unfinished: limits.fileUploadsAtOnceMax - 1 }), 'accepted');
  assert.equal(create({}, 100, { unfinished: limits.fileUploadsAtOnceMax }), 'QUOTA_EXCEEDED');
  assert.equal(create({}, 100, { storedBytes: 4900 }), 'accepted');
  assert.equal(create({}, 100, { storedBytes: 4901 }), 'QUOTA_EXCEEDED');
  assert.equal(create({}, 100, { today: { day, count: 8900 } }), 'accepted');
  assert.equal(create({}, 100, { today: { day, count: 8901 } }), 'QUOTA_EXCEEDED');
  assert.equal(create({}, 100, { today: { day: day - 1, count: 9000 } }), 'accepted');
  assert.equal(create({ freeBytes: limits.diskFreeBytesMin + 100 }), 'accepted');
  assert.equal(create({ freeBytes: limits.diskFreeBytesMin + 99 }), 'STORAGE_FULL');
});

test('a file is refused for nobody, and for somebody who blocks; the same request again is answered the same', () => {
  assert.equal(create({ recipientExists: false }), 'NO_SUCH_USER');
  assert.equal(create({ blocked: true }), 'BLOCKED');
  const known = { value: record, version: 1 };
  assert.equal(create({ blob: known }), 'accepted');
  assert.equal(create({ blob: known }, 101), 'ID_REUSED');
  assert.equal(create({ blob: { value: { ...record, owner: eve }, version: 1 } }), 'ID_REUSED');
});

test('creating reserves the quota of the whole file, finishing and removing give it back', () => {
  const created = decideCreate({ blob, owner: anna, recipient: bob, size: 100 }, facts, limits, nowMs);
  assert.ok(created.kind === 'accepted');
  const reserved = decoded(created.writes[1]?.value);
  assert.deepEqual(reserved, { storedBytes: 100, unfinished: 1, today: { day, count: 100 } });
  const stored = { blob: { value: record, version: 1 }, usage: { value: reserved, version: 4 } };
  const finished = decideFinish({ account: anna, blob }, { ...stored, have: 100 });
  assert.ok(finished.kind === 'accepted');
  assert.equal(decoded(finished.writes[1]?.value).unfinished, 0);
  const removed = decideRemove({ account: bob, blob }, stored);
  assert.ok(removed.kind === 'accepted' && removed.answer === 'remove');
  assert.deepEqual(decoded(removed.writes[1]?.value), { storedBytes: 0, unfinished: 0, today: { day, count: 100 } });
});

function decoded(value: Uint8Array | null | undefined): BlobUsage {
  assert.ok(value);
  const usageRecord = decodeRecord('usage', { key: '', version: 1, value });
  assert.ok(usageRecord);
  return usageRecord.value;
}

test('parts are appended at the exact place by the owner; another offset is answered with what is there', () => {
  const put = (change: object, freeBytes = 10 ** 12): string => {
    const found = { blob: record, have: 10, freeBytes };
    const decision = decidePut({ account: anna, offset: 10, bytes: 20, ...change }, found, limits);
    return decision.kind === 'refused' ? decision.code : decision.answer;
  };
  assert.equal(put({}), 'append');
  assert.equal(put({ offset: 9 }), 'answer-state');
  assert.equal(put({ offset: 11 }), 'answer-state');
  assert.equal(put({ bytes: 90 }), 'append');
  assert.equal(put({ bytes: 91 }), 'MALFORMED');
  assert.equal(put({ bytes: 0 }), 'MALFORMED');
  assert.equal(put({ bytes: limits.blobPartBytesMax + 1 }), 'TOO_LARGE');
  assert.equal(put({ account: bob }), 'FILE_NOT_FOUND');
  // Everybody may have reserved the last room there was.
  assert.equal(put({}, limits.diskFreeBytesMin + 20), 'append');
  assert.equal(put({}, limits.diskFreeBytesMin + 19), 'STORAGE_FULL');
  assert.equal(put({ offset: 9 }, 0), 'answer-state');
});

test('only complete files are fetched, by owner and recipient; a stranger sees nothing there', () => {
  const get = (account: AccountId, blobRecord: BlobRecord | undefined, offset = 0, length = 10): string => {
    const decision = decideGet({ account, offset, length }, blobRecord, limits);
    return decision.kind === 'refused' ? decision.code : `${decision.answer.length}`;
  };
  const finished = { ...record, finished: true };
  assert.equal(get(bob, finished), '10');
  assert.equal(get(anna, finished, 95), '5');
  assert.equal(get(bob, finished, 100), '0');
  assert.equal(get(bob, finished, 101), 'MALFORMED');
  assert.equal(get(bob, record), 'FILE_INCOMPLETE');
  assert.equal(get(eve, finished), 'FILE_NOT_FOUND');
  assert.equal(get(eve, undefined), 'FILE_NOT_FOUND');
  assert.equal(get(bob, finished, 0, limits.blobPartBytesMax + 1), 'TOO_LARGE');
  const incomplete = decideFinish(
    { account: anna, blob },
    { blob: { value: record, version: 1 }, usage: undefined, have: 99 },
  );
  assert.ok(incomplete.kind === 'refused' && incomplete.code === 'FILE_INCOMPLETE');
  const stranger = decideRemove({ account: eve, blob }, { blob: { value: record, version: 1 }, usage: undefined });
  assert.ok(stranger.kind === 'accepted' && stranger.answer === 'nothing');
});

test('finished files expire after fileDays, unfinished ones after fileIncompleteHours', () => {
  const finished = { ...record, finished: true };
  const [day_, hour] = [86_400_000, 3_600_000];
  assert.equal(blobExpired(finished, limits, nowMs + limits.fileDays * day_), false);
  assert.equal(blobExpired(finished, limits, nowMs + limits.fileDays * day_ + 1), true);
  assert.equal(blobExpired(record, limits, nowMs + limits.fileIncompleteHours * hour), false);
  assert.equal(blobExpired(record, limits, nowMs + limits.fileIncompleteHours * hour + 1), true);
});

test('a vault replaces the version it names; before attach only the first can be stored', () => {
  const stored = { key: anna, version: 2, value: new Uint8Array(1) };
  const put = (version: number, attached: boolean, bytes = 10, known: typeof stored | null = stored): string => {
    const decision = decideVault(
      { account: anna, vault: new Uint8Array(bytes), version },
      known ?? undefined,
      limits,
      attached,
    );
    return decision.kind === 'refused' ? decision.code : 'accepted';
  };
  assert.equal(put(2, true), 'accepted');
  assert.equal(put(1, true), 'VERSION_CONFLICT');
  assert.equal(put(2, false), 'NOT_AUTHENTICATED');
  assert.equal(put(0, false), 'VERSION_CONFLICT');
  assert.equal(put(0, false, 10, null), 'accepted');
  assert.equal(put(2, true, limits.vaultBytesMax), 'accepted');
  assert.equal(put(2, true, limits.vaultBytesMax + 1), 'TOO_LARGE');
  assert.equal(put(2, true, 0), 'MALFORMED');
});
