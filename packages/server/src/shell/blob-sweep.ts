/** Blobs that expired, that nobody finished, or that have lost their record, and the other way round. */
import type { AccountId, BlobId, Limits } from '@securechat/wire';
import type { Blobs } from '../blobs/port.ts';
import { blobExpired, removal, usageKey } from '../core/blobs.ts';
import type { BlobRecord, Versioned } from '../core/records.ts';
import { decodeRecord } from '../core/records.ts';
import type { Store } from '../stores/port.ts';
import { readRecord } from './records.ts';

const PAGE = 200;

/** One pass over all blobs; answers with how many were removed. */
export async function sweepBlobs(options: {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly limits: Limits;
  readonly nowMs: number;
}): Promise<number> {
  const { store, blobs, limits, nowMs } = options;
  let removed = 0;
  // Files first: one that is created meanwhile has its record already when the records are read.
  const files = new Set(await blobs.list());
  for await (const { id, blob } of allBlobs(store)) {
    files.delete(id);
    if (!blobExpired(blob.value, limits, nowMs)) continue;
    const usage = await readRecord(store, 'usage', usageKey(blob.value.owner));
    if (!(await store.put(removal(id, blob, usage))).ok) continue;
    await blobs.remove(id);
    removed += 1;
  }
  for (const id of files) {
    await blobs.remove(id);
    removed += 1;
  }
  return removed;
}

/** Every blob of an account that is deleted: its record, then its file, so that nobody finds one without the other. */
export async function removeBlobsOf(owner: AccountId, store: Store, blobs: Blobs): Promise<void> {
  for await (const { id, blob } of allBlobs(store)) {
    if (blob.value.owner !== owner) continue;
    await store.put([{ space: 'blob', key: id, ifVersion: blob.version, value: null }]);
    await blobs.remove(id);
  }
}

async function* allBlobs(store: Store): AsyncGenerator<{ readonly id: BlobId; readonly blob: Versioned<BlobRecord> }> {
  for (let after = ''; ;) {
    const page = await store.list('blob', '', after, PAGE);
    for (const record of page) {
      const blob = decodeRecord('blob', record);
      if (blob !== undefined) yield { id: record.key as BlobId, blob };
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.key;
  }
}
