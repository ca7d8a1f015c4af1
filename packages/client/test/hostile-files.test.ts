/**
 * Files against a server and a sender that lie, and a download folder in which somebody was before. Nothing is written
 * where it does not belong, nothing is overwritten, and no answer makes an upload run in circles.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { sha256, systemEntropy } from '@securechat/crypto';
import type { FileShape } from '@securechat/e2ee';
import { chunkCount, chunkPlace, createFileKey, fileSealer } from '@securechat/e2ee';
import type { AccountId, BlobId, control, MessageId } from '@securechat/wire';
import { concatBytes, idOf, SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../src/core/record-transfer.ts';
import { Download } from '../src/shell/files/download.ts';
import { freshId } from '../src/shell/fresh-id.ts';
import type { Link } from '../src/shell/link/link-port.ts';
import { findPlaced, placeFile } from '../src/shell/files/place-file.ts';
import { removeTemporary, temporaryOf } from '../src/shell/files/temporary-file.ts';
import { upload } from '../src/shell/files/upload.ts';
import { temporaryFolder } from './stores.ts';

const CHUNK = 1000;
const content = systemEntropy(2500);
const nothing = (): void => undefined;
const never = (): boolean => false;

interface Sent {
  readonly transfer: TransferRecord;
  readonly shape: FileShape;
  readonly root: Uint8Array;
  readonly blob: Uint8Array;
}

/** What an honest sender puts on the server. */
function sent(path: string, name: string): Sent {
  const id = freshId<MessageId>(systemEntropy);
  const blob = freshId<BlobId>(systemEntropy);
  const shape: FileShape = {
    blob,
    key: createFileKey(systemEntropy),
    chunkBytes: CHUNK,
    totalBytes: content.length,
  };
  const sealer = fileSealer(shape);
  const chunks = Array.from({ length: chunkCount(shape) }, (_, index) => {
    const { fileOffset, fileBytes } = chunkPlace(shape, index);
    return sealer.seal(content.subarray(fileOffset, fileOffset + fileBytes));
  });
  const { root } = sealer.finish();
  const transfer: TransferRecord = {
    id,
    direction: 'down',
    stage: 'fetching',
    user: 'alice',
    name,
    bytes: content.length,
    sha256: sha256(content),
    path,
    chunks: [],
    blob: { id: blob, key: shape.key, chunkBytes: CHUNK, root },
    placed: '',
    sinceMs: 0,
  };
  return { transfer, shape, root, blob: concatBytes(...chunks) };
}

/** A link that answers every request with what `answer` makes of it. */
function linkTo(answer: (kind: string, value: never) => unknown): Link & { readonly count: number } {
  const link = {
    count: 0,
    request: async (kind: string, value: never) => {
      link.count += 1;
      await new Promise((resolve) => setImmediate(resolve));
      const body = answer(kind, value);
      if (body instanceof SecureChatError) throw body;
      return body;
    },
  };
  return link as unknown as Link & { readonly count: number };
}

function serving(blob: Uint8Array): Link {
  return linkTo((_, { offset, length }: control.BlobGet) => ({
    $case: 'blobPart',
    value: { part: blob.slice(offset, offset + length) },
  }));
}

async function fetched({ transfer, shape, root, blob }: Sent, served = blob): Promise<string> {
  const download = new Download(transfer, shape, root);
  try {
    await download.run({ link: serving(served), onProgress: nothing, stopped: never });
    return await placeFile(transfer, () => Promise.resolve());
  } finally {
    await download.discard();
  }
}

test('a file comes whole, for its owner alone, in a folder made for them', async (t) => {
  const folder = join(temporaryFolder(t), 'downloads', 'here');
  const path = await fetched(sent(folder, 'report.txt'));
  assert.equal(path, join(folder, 'report.txt'));
  assert.deepEqual(new Uint8Array(readFileSync(path)), content);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(folder), ['report.txt']);
});

const names: readonly (readonly [string, string])[] = [
  ['../../outside.txt', 'outside.txt'],
  ['/etc/passwd', 'passwd'],
  ['..', 'file'],
  ['.bashrc', 'bashrc'],
  ['a\u0000b\u001b[2J.txt', 'a'],
  ['C:\\windows\\con', '_con'],
  ['', 'file'],
];
for (const [name, expected] of names)
  test(`a sender names the file ${JSON.stringify(name)}: it stays in the folder`, async (t) => {
    const folder = join(temporaryFolder(t), 'downloads');
    const path = await fetched(sent(folder, name));
    assert.ok(path.startsWith(join(folder, expected)), path);
    assert.equal(readdirSync(folder).length, 1);
    // oxlint-disable-next-line no-control-regex -- what must not be in a name
    assert.doesNotMatch(path, /[\u0000-\u001f]/);
  });

test('a name that is taken is never overwritten, by a file, a folder or a link', async (t) => {
  const folder = temporaryFolder(t);
  const outside = join(temporaryFolder(t), 'victim');
  writeFileSync(join(folder, 'a.txt'), 'mine');
  mkdirSync(join(folder, 'a (2).txt'));
  symlinkSync(outside, join(folder, 'a (3).txt'));
  const path = await fetched(sent(folder, 'a.txt'));
  assert.equal(path, join(folder, 'a (4).txt'));
  assert.equal(readFileSync(join(folder, 'a.txt'), 'utf8'), 'mine');
  assert.equal(readlinkSync(join(folder, 'a (3).txt')), outside);
  assert.equal(existsSync(outside), false);
});

test('a link in place of the temporary file is removed, not written through', async (t) => {
  const folder = temporaryFolder(t);
  const victim = join(temporaryFolder(t), 'victim');
  writeFileSync(victim, 'mine');
  const one = sent(folder, 'a.txt');
  symlinkSync(victim, join(folder, `.securechat-${one.transfer.id}.part`));
  const path = await fetched(one);
  assert.equal(readFileSync(victim, 'utf8'), 'mine');
  assert.equal(lstatSync(path).isFile(), true);
});

const damages: readonly (readonly [string, (blob: Uint8Array) => Uint8Array])[] = [
  ['one bit', (blob) => blob.map((byte, at) => (at === 1500 ? byte ^ 1 : byte))],
  [
    'two chunks exchanged',
    (blob) => concatBytes(blob.subarray(1016, 2032), blob.subarray(0, 1016), blob.subarray(2032)),
  ],
  ['the end missing', (blob) => blob.subarray(0, 2000)],
  ['nothing', () => new Uint8Array(0)],
  ['noise', (blob) => systemEntropy(blob.length)],
];
for (const [name, damage] of damages)
  test(`the server hands out ${name}: FILE_DAMAGED, and nothing stays in the folder`, async (t) => {
    const folder = join(temporaryFolder(t), 'downloads');
    const one = sent(folder, 'a.txt');
    await assert.rejects(fetched(one, damage(one.blob)), { code: 'FILE_DAMAGED' });
    assert.deepEqual(readdirSync(folder), []);
  });

test('parts longer than asked for, or of another kind, end the download', async (t) => {
  const one = sent(join(temporaryFolder(t), 'downloads'), 'a.txt');
  for (const [body, code] of [
    [{ $case: 'blobPart', value: { part: new Uint8Array(200_000) } }, 'FILE_DAMAGED'],
    [{ $case: 'done', value: {} }, 'MALFORMED'],
  ] as const) {
    const download = new Download(one.transfer, one.shape, one.root);
    await assert.rejects(download.run({ link: linkTo(() => body), onProgress: nothing, stopped: never }), { code });
    await download.discard();
  }
});

test('another root or hash than announced: FILE_DAMAGED', async (t) => {
  const folder = join(temporaryFolder(t), 'downloads');
  const one = sent(folder, 'a.txt');
  await assert.rejects(fetched({ ...one, root: sha256(one.root) }), { code: 'FILE_DAMAGED' });
  const other = { ...one.transfer, sha256: sha256(new Uint8Array(1)) };
  await assert.rejects(fetched({ ...one, transfer: other }), { code: 'FILE_DAMAGED' });
  assert.deepEqual(readdirSync(folder), []);
});

test('the temporary file of a download that is given up later goes', async (t) => {
  const folder = temporaryFolder(t);
  const { transfer } = sent(folder, 'a.txt');
  writeFileSync(join(folder, `.securechat-${transfer.id}.part`), 'part');
  await removeTemporary(transfer);
  assert.deepEqual(readdirSync(folder), []);
});

// ---- the name, and a crash around it

/** A file that is whole, its name recorded as `placed`, and what else is in the folder. */
function whole(t: TestContext, placed: string) {
  const folder = temporaryFolder(t);
  const { transfer } = sent(folder, 'a.txt');
  writeFileSync(temporaryOf(transfer), content, { mode: 0o600 });
  return { folder, transfer: { ...transfer, stage: 'placing' as const, placed: join(folder, placed) } };
}

test('a name is recorded before it is taken, and another one before that is taken', async (t) => {
  const { folder, transfer } = whole(t, '');
  writeFileSync(join(folder, 'a.txt'), 'mine');
  const recorded: string[] = [];
  const path = await placeFile(transfer, async (name) => {
    recorded.push(name);
    assert.equal(existsSync(name), false);
    // Somebody is faster.
    if (recorded.length === 1) writeFileSync(name, 'theirs');
  });
  assert.deepEqual(recorded, [join(folder, 'a (2).txt'), join(folder, 'a (3).txt')]);
  assert.equal(path, recorded[1]);
  assert.equal(readFileSync(join(folder, 'a (2).txt'), 'utf8'), 'theirs');
});

test('a crash before the name was taken: the file is whole, and gets it then', async (t) => {
  const { folder, transfer } = whole(t, 'a.txt');
  assert.equal(await findPlaced(transfer), 'whole');
  await placeFile(transfer, () => Promise.resolve());
  assert.deepEqual(readdirSync(folder), ['a.txt']);
});

test('a crash between the two names of one file: it has the one, and loses the other', async (t) => {
  const { folder, transfer } = whole(t, 'a.txt');
  linkSync(temporaryOf(transfer), transfer.placed);
  assert.equal(await findPlaced(transfer), 'placed');
  assert.deepEqual(readdirSync(folder), ['a.txt']);
});

test('a crash after the name was taken: the file that stands there is known by its content', async (t) => {
  const { folder, transfer } = whole(t, 'a.txt');
  await placeFile(transfer, () => Promise.resolve());
  assert.equal(await findPlaced(transfer), 'placed');
  writeFileSync(transfer.placed, 'no longer what was sent');
  assert.equal(await findPlaced(transfer), 'gone');
  assert.deepEqual(readdirSync(folder), ['a.txt'], 'and what stands there is left alone');
  rmSync(transfer.placed);
  assert.equal(await findPlaced(transfer), 'gone');
});

test('a crash on a disk without hard links: the empty file that held the name goes', async (t) => {
  const { folder, transfer } = whole(t, 'a.txt');
  writeFileSync(transfer.placed, '');
  assert.equal(await findPlaced(transfer), 'whole');
  await placeFile(transfer, () => Promise.resolve());
  assert.deepEqual(readdirSync(folder), ['a.txt']);
  assert.deepEqual(new Uint8Array(readFileSync(transfer.placed)), content);
});

test('a link or a folder under the recorded name is not the file', async (t) => {
  const { folder, transfer } = whole(t, 'a.txt');
  const outside = join(temporaryFolder(t), 'victim');
  writeFileSync(outside, content);
  rmSync(temporaryOf(transfer));
  symlinkSync(outside, transfer.placed);
  assert.equal(await findPlaced(transfer), 'gone');
  assert.deepEqual(readdirSync(folder), ['a.txt']);
});

// ---- uploads

function outgoing(t: TestContext): { readonly one: Sent; readonly path: string } {
  const path = join(temporaryFolder(t), 'a.txt');
  writeFileSync(path, content);
  const one = sent(path, 'a.txt');
  const chunks = Array.from({ length: 3 }, (_, at) => sha256(content.subarray(at * CHUNK, (at + 1) * CHUNK)));
  return { one: { ...one, transfer: { ...one.transfer, direction: 'up', chunks } }, path };
}

function uploading({ transfer: record, shape }: Sent, link: Link): Promise<Uint8Array> {
  const recipient = idOf<AccountId>(new Uint8Array(16));
  return upload({ link, record, shape, recipient, onProgress: nothing, stopped: never });
}

test('a server that takes every part and never has one is given up, and not by a flood', async (t) => {
  const { one } = outgoing(t);
  const link = linkTo(() => ({ $case: 'blob', value: { have: 0, finished: false } }));
  await assert.rejects(uploading(one, link), { code: 'TIMEOUT' });
  assert.ok(link.count <= 20, `${link.count} requests`);
});

test('a server that claims to have what it was never sent harms only the copy there', async (t) => {
  const { one } = outgoing(t);
  const link = linkTo((kind) =>
    kind === 'blobFinish' ? { $case: 'done', value: {} } : { $case: 'blob', value: { have: 2 ** 50, finished: true } },
  );
  assert.deepEqual(await uploading(one, link), one.root);
  assert.ok(link.count <= 3);
});

test('a file that changed since it was offered is never sealed under the key in use', async (t) => {
  const { one, path } = outgoing(t);
  const parts: Uint8Array[] = [];
  let have = 0;
  const link = linkTo((kind, value: control.BlobPut) => {
    if (kind === 'blobPut') {
      parts.push(value.part);
      have = value.offset + value.part.length;
      // Between two chunks.
      const changed = content.slice();
      changed[1500] = (changed[1500] ?? 0) ^ 1;
      writeFileSync(path, changed);
    }
    return { $case: 'blob', value: { have, finished: false } };
  });
  await assert.rejects(uploading(one, link), { code: 'FILE_UNREADABLE' });
  assert.equal(concatBytes(...parts).length, CHUNK + 16);
  // Again, as after a lost connection: the chunk that is as it was goes out with the very same bytes.
  have = 0;
  await assert.rejects(uploading(one, link), { code: 'FILE_UNREADABLE' });
  assert.deepEqual(parts[0], parts[1]);
});
