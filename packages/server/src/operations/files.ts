/** File ciphertext inside the session (docs/protocol/files.md). */
import type { AccountId, BlobId } from '@securechat/wire';
import { idOf, SecureChatError } from '@securechat/wire';
import { decideCreate, decideFinish, decideGet, decidePut, decideRemove, usageKey } from '../core/blobs.ts';
import { accountOf } from '../shell/callers.ts';
import type { Call } from '../shell/execute.ts';
import { operation } from '../shell/execute.ts';
import type { ServerParts } from '../shell/parts.ts';
import { readRecord } from '../shell/records.ts';

/** A part is a request like others, but a file has many of them: its bytes are bounded by the quotas instead. */
const PART_COST = 0.1;

export const blobCreate = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server, caller }: Call<'blobCreate'>) {
    const owner = accountOf(caller);
    const blob = idOf<BlobId>(request.blob);
    const recipient = idOf<AccountId>(request.recipient);
    const { store } = server;
    const [known, usage, account, block, freeBytes] = await Promise.all([
      readRecord(store, 'blob', blob),
      readRecord(store, 'usage', usageKey(owner)),
      readRecord(store, 'account', recipient),
      server.acquaintances.block(recipient, owner),
      server.blobs.freeBytes(),
    ]);
    return {
      wanted: { blob, owner, recipient, size: request.size },
      facts: {
        blob: known,
        usage,
        recipientExists: account !== undefined && !account.value.disabled,
        blocked: block?.quiet === false,
        freeBytes,
      },
    };
  },
  decide: ({ server, nowMs }, { wanted, facts }) => decideCreate(wanted, facts, server.config.limits, nowMs),
  async apply({ server }, record, { wanted }) {
    if (!record.finished) await server.blobs.create(wanted.blob);
    return state(server, wanted.blob, record);
  },
});

export const blobPut = operation({
  when: 'attached',
  cost: PART_COST,
  async load({ request, server }: Call<'blobPut'>) {
    const blob = idOf<BlobId>(request.blob);
    const record = (await readRecord(server.store, 'blob', blob))?.value;
    if (record === undefined) return { blob, record, have: 0, freeBytes: 0 };
    const [have, freeBytes] = await Promise.all([server.blobs.size(blob), server.blobs.freeBytes()]);
    return { blob, record, have, freeBytes };
  },
  decide: ({ request, server, caller }, { record, have, freeBytes }) =>
    decidePut(
      { account: accountOf(caller), offset: request.offset, bytes: request.part.length },
      { blob: record, have, freeBytes },
      server.config.limits,
    ),
  async apply({ request, server }, place, { blob, record, have }) {
    if (place === 'append') await server.blobs.append(blob, request.offset, request.part);
    return {
      $case: 'blob',
      value: {
        size: record?.size ?? 0,
        have: place === 'append' ? have + request.part.length : have,
        finished: record?.finished ?? false,
      },
    };
  },
});

export const blobFinish = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server, caller }: Call<'blobFinish'>) {
    const blob = idOf<BlobId>(request.blob);
    const [record, usage, have] = await Promise.all([
      readRecord(server.store, 'blob', blob),
      readRecord(server.store, 'usage', usageKey(accountOf(caller))),
      server.blobs.size(blob),
    ]);
    // On the disk before it is called complete.
    if (record !== undefined && !record.value.finished && have === record.value.size) await server.blobs.finish(blob);
    return { blob, facts: { blob: record, usage, have } };
  },
  decide: ({ caller }, { blob, facts }) => decideFinish({ account: accountOf(caller), blob }, facts),
  apply: (_call, record) => ({
    $case: 'blob',
    value: { size: record.size, have: record.size, finished: true },
  }),
});

export const blobGet = operation({
  when: 'attached',
  cost: PART_COST,
  async load({ request, server }: Call<'blobGet'>) {
    const blob = idOf<BlobId>(request.blob);
    return { blob, record: (await readRecord(server.store, 'blob', blob))?.value };
  },
  decide: ({ request, server, caller }, { record }) =>
    decideGet(
      { account: accountOf(caller), offset: request.offset, length: request.length },
      record,
      server.config.limits,
    ),
  async apply({ server, caller }, { offset, length }, { blob }) {
    const spent = server.rates.filesFetched.spend(accountOf(caller), length);
    if (spent.kind === 'refused') throw new SecureChatError('QUOTA_EXCEEDED', { retryAfterMs: spent.retryAfterMs });
    return { $case: 'blobPart', value: { part: await server.blobs.read(blob, offset, length) } };
  },
});

export const blobRemove = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server }: Call<'blobRemove'>) {
    const blob = idOf<BlobId>(request.blob);
    const record = await readRecord(server.store, 'blob', blob);
    const usage = record && (await readRecord(server.store, 'usage', usageKey(record.value.owner)));
    return { blob, facts: { blob: record, usage } };
  },
  decide: ({ caller }, { blob, facts }) => decideRemove({ account: accountOf(caller), blob }, facts),
  async apply({ server }, outcome, { blob }) {
    if (outcome === 'remove') await server.blobs.remove(blob);
    return { $case: 'done', value: {} };
  },
});

async function state(server: ServerParts, blob: BlobId, record: { readonly size: number; readonly finished: boolean }) {
  const have = record.finished ? record.size : await server.blobs.size(blob);
  return { $case: 'blob', value: { size: record.size, have, finished: record.finished } } as const;
}
