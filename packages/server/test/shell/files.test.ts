/** Goal: a file goes up in parts, resumes, comes down to its receiver alone, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemEntropy } from '@securechat/crypto';
import { defaultLimits, idBytes } from '@securechat/wire';
import { openFileBlobs } from '../../src/blobs/files.ts';
import { sweepBlobs } from '../../src/shell/blob-sweep.ts';
import { openSqliteStore } from '../../src/stores/sqlite/index.ts';
import type { TestClient } from '../client.ts';
import type { Person } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand } from '../stand.ts';

let stand: Stand;
let people: { anna: Person; bob: Person; eve: Person };
let a: TestClient;
let b: TestClient;
let e: TestClient;
before(async () => {
  stand = await makeStand();
  people = {
    anna: await stand.register('anna'),
    bob: await stand.register('bob'),
    eve: await stand.register('eve'),
  };
  a = await stand.attach(people.anna);
  b = await stand.attach(people.bob, 'ws');
  e = await stand.attach(people.eve);
});
after(() => stand.stop());

const files = () => readdirSync(join(stand.data, 'blobs'));
const PART = 64 * 1024;

test('a file of many parts arrives byte by byte, resumed after a wrong offset, and is removed by its receiver', async () => {
  const content = systemEntropy(5 * PART + 123);
  const blob = systemEntropy(16);
  const created = await a.ask(
    'blobCreate',
    { blob, size: content.length, recipient: idBytes(people.bob.account) },
    'blob',
  );
  assert.deepEqual({ ...created }, { size: content.length, have: 0, finished: false });
  assert.equal(files().length, 1);
  assert.equal(statSync(join(stand.data, 'blobs', files()[0] ?? '')).mode & 0o777, 0o600);
  const put = (offset: number) =>
    a.ask('blobPut', { blob, offset, part: content.subarray(offset, offset + PART) }, 'blob');
  assert.equal((await put(0)).have, PART);
  assert.equal((await put(0)).have, PART);
  assert.equal((await put(3 * PART)).have, PART);
  await assert.rejects(a.request('blobFinish', { blob }), coded('FILE_INCOMPLETE'));
  await assert.rejects(b.request('blobGet', { blob, offset: 0, length: 10 }), coded('FILE_INCOMPLETE'));
  // Four in flight, as the protocol has it.
  const states = await Promise.all([1, 2, 3, 4].map((part) => put(part * PART)));
  assert.equal(states.at(-1)?.have, 5 * PART);
  assert.equal((await put(5 * PART)).have, content.length);
  assert.equal((await a.ask('blobFinish', { blob }, 'blob')).finished, true);
  assert.equal((await a.ask('blobFinish', { blob }, 'blob')).finished, true);

  await assert.rejects(e.request('blobGet', { blob, offset: 0, length: 10 }), coded('FILE_NOT_FOUND'));
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < content.length; offset += PART)
    parts.push((await b.ask('blobGet', { blob, offset, length: PART }, 'blobPart')).part);
  assert.deepEqual(Buffer.concat(parts), Buffer.from(content));
  await e.ask('blobRemove', { blob }, 'done');
  assert.equal(files().length, 1);
  await b.ask('blobRemove', { blob }, 'done');
  assert.deepEqual(files(), []);
  await assert.rejects(b.request('blobGet', { blob, offset: 0, length: 10 }), coded('FILE_NOT_FOUND'));
});

test('parts by strangers, too large ones and bytes beyond the announced size are refused', async () => {
  const blob = systemEntropy(16);
  await a.ask('blobCreate', { blob, size: 100, recipient: idBytes(people.bob.account) }, 'blob');
  const put = (client: TestClient, bytes: number) =>
    client.request('blobPut', { blob, offset: 0, part: new Uint8Array(bytes) });
  await assert.rejects(put(b, 10), coded('FILE_NOT_FOUND'));
  await assert.rejects(put(a, 101), coded('MALFORMED'));
  await assert.rejects(put(a, PART + 1), coded('TOO_LARGE'));
  await assert.rejects(
    b.request('blobCreate', { blob, size: 5, recipient: idBytes(people.anna.account) }),
    coded('ID_REUSED'),
  );
  await a.ask('blobRemove', { blob }, 'done');
});

test('an account keeps fileUploadsAtOnceMax unfinished files; removing one makes room', async () => {
  const blobs = Array.from({ length: stand.config.limits.fileUploadsAtOnceMax }, () => systemEntropy(16));
  const create = (blob: Uint8Array) =>
    a.request('blobCreate', { blob, size: 10, recipient: idBytes(people.bob.account) });
  for (const blob of blobs) await create(blob);
  const more = systemEntropy(16);
  await assert.rejects(create(more), coded('QUOTA_EXCEEDED'));
  await a.ask('blobRemove', { blob: blobs[0] ?? more }, 'done');
  await create(more);
  for (const blob of [...blobs, more]) await a.ask('blobRemove', { blob }, 'done');
});

test('fileBytesFetchedPerAccountPerDay may be fetched, one byte more tomorrow; others are not held up', async () => {
  let nowMs = 0;
  const tight = await makeStand({
    limits: { fileBytesFetchedPerAccountPerDay: 100 },
    surroundings: { clock: { wallMs: () => Date.now(), monotonicMs: () => nowMs } },
  });
  try {
    const [anna, bob] = [await tight.register('anna'), await tight.register('bob')];
    const [sender, reader] = [await tight.attach(anna), await tight.attach(bob)];
    const blob = systemEntropy(16);
    await sender.ask('blobCreate', { blob, size: 60, recipient: idBytes(bob.account) }, 'blob');
    await sender.ask('blobPut', { blob, offset: 0, part: new Uint8Array(60) }, 'blob');
    await sender.ask('blobFinish', { blob }, 'blob');
    const get = (client: TestClient, length: number) => client.request('blobGet', { blob, offset: 0, length });
    await get(reader, 60);
    await get(reader, 40);
    await assert.rejects(get(reader, 1), coded('QUOTA_EXCEEDED'));
    await get(sender, 60);
    nowMs += 86_400_000 / 100;
    await get(reader, 1);
    for (const client of [sender, reader]) client.close();
  } finally {
    await tight.stop();
  }
});

test('the sweep removes what expired, what nobody finished and files without a record; deletion takes the rest', async () => {
  const [kept, old] = [systemEntropy(16), systemEntropy(16)];
  const recipient = idBytes(people.bob.account);
  await a.ask('blobCreate', { blob: old, size: 4, recipient }, 'blob');
  await e.ask('blobCreate', { blob: kept, size: 4, recipient }, 'blob');
  await e.ask('blobPut', { blob: kept, offset: 0, part: new Uint8Array(4) }, 'blob');
  await e.ask('blobFinish', { blob: kept }, 'blob');
  await stand.server.close();
  writeFileSync(join(stand.data, 'blobs', 'ab'.repeat(16)), 'left over');
  writeFileSync(join(stand.data, 'blobs', 'README'), 'not ours');
  const store = await openSqliteStore({ directory: stand.data, limits: defaultLimits, onFatal: assert.fail });
  const blobs = await openFileBlobs(join(stand.data, 'blobs'));
  const nowMs = Date.now() + 25 * 3_600_000;
  assert.equal(await sweepBlobs({ store, blobs, limits: defaultLimits, nowMs }), 2);
  await store.close();
  assert.deepEqual(files().sort(), [Buffer.from(kept).toString('hex'), 'README'].sort());
  await stand.restart();
  const again = await stand.attach(people.eve);
  await again.ask('deleteAccount', { username: 'eve' }, 'done');
  await again.wire.closed;
  assert.deepEqual(files(), ['README']);
  const reader = await stand.attach(people.bob);
  await assert.rejects(reader.request('blobGet', { blob: kept, offset: 0, length: 4 }), coded('FILE_NOT_FOUND'));
  reader.close();
});
