/** Goal: a sealed backup says nothing without its pass phrase, comes back whole, and no changed bit goes unnoticed. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeBackup, restoreBackup, StartError, verifyBackup } from '@securechat/server';
import { systemEntropy } from '@securechat/crypto';
import { limits } from '@securechat/wire';
import { Content } from '../src/backup/sealed-content.ts';
import { sealFolder, unsealInto } from '../src/backup/sealed-file.ts';
import type { Stand } from './stand.ts';
import { makeStand } from './stand.ts';

const passphrase = 'three maps in a drawer';
const folder = mkdtempSync(join(tmpdir(), 'securechat-sealed-'));
after(() => rmSync(folder, { recursive: true }));

let stand: Stand;
before(async () => {
  stand = await makeStand();
  await stand.register('anna');
});
after(() => stand.stop());

const refused = (text: RegExp) => (error: unknown) => error instanceof StartError && text.test(error.message);

test('a running server is sealed into one private file, verified by its pass phrase alone, and put back', async () => {
  const file = join(folder, 'monday');
  const made = await makeBackup(stand.data, file, { nowMs: Date.now(), passphrase });
  assert.deepEqual([made.accounts, made.problems, made.sealed], [1, [], true]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['monday']);
  assert.ok(!existsSync(join(stand.data, 'backup.partial')));
  const bytes = readFileSync(file);
  for (const name of ['identity.pem', 'opaque.setup', 'slot.key'])
    assert.ok(!bytes.includes(readFileSync(join(stand.data, name)).subarray(0, 24)), name);
  assert.ok(!bytes.includes('opaque.setup') && !bytes.includes('SQLite format'));

  assert.deepEqual(await verifyBackup(file, passphrase), made);
  await assert.rejects(verifyBackup(file), refused(/is sealed/));
  await assert.rejects(verifyBackup(file, `${passphrase}.`), refused(/does not open/));
  await assert.rejects(makeBackup(stand.data, file, { nowMs: 0, passphrase }), refused(/there already/));

  const back = join(folder, 'back');
  await assert.rejects(restoreBackup(file, back, 'another pass phrase'), refused(/does not open/));
  assert.ok(!existsSync(back) && !existsSync(`${back}.partial`));
  assert.deepEqual((await restoreBackup(file, back, passphrase)).problems, []);
  assert.deepEqual(readFileSync(join(back, 'opaque.setup')), readFileSync(join(stand.data, 'opaque.setup')));
  assert.ok(!existsSync(join(back, 'manifest.json')));
});

test('a pass phrase of backupPassphraseCharsMin characters will do, one less is refused before anything is written', async () => {
  const count = limits.backupPassphraseCharsMin.value;
  const [short, enough] = [join(folder, 'short'), join(folder, 'enough')];
  await assert.rejects(
    makeBackup(stand.data, short, { nowMs: 0, passphrase: 'x'.repeat(count - 1) }),
    refused(/at least 12 characters/),
  );
  assert.ok(!existsSync(short));
  await makeBackup(stand.data, enough, { nowMs: 0, passphrase: 'x'.repeat(count) });
});

test('files of any size come back as they were, also at the edge of a chunk', async () => {
  // The head of a file of this name takes 2 + 5 + 8 bytes; a first file ends at, before and behind the edge of a chunk.
  const edge = 1024 * 1024 - 15;
  for (const size of [0, edge - 1, edge, edge + 1, 3 * 1024 * 1024]) {
    const [from, to] = [mkdtempSync(join(folder, 'from-')), mkdtempSync(join(folder, 'to-'))];
    writeFileSync(join(from, 'a.bin'), systemEntropy(size));
    writeFileSync(join(from, 'b.bin'), '');
    const file = join(folder, `sized-${size}`);
    await sealFolder(from, file, passphrase);
    await unsealInto(file, passphrase, to);
    for (const name of ['a.bin', 'b.bin'])
      assert.deepEqual(readFileSync(join(to, name)), readFileSync(join(from, name)));
  }
});

test('a changed bit, a chunk that is missing at the end, and one too many are noticed', async () => {
  const from = mkdtempSync(join(folder, 'from-'));
  writeFileSync(join(from, 'a.bin'), systemEntropy(2.5 * 1024 * 1024));
  const file = join(folder, 'three-chunks');
  await sealFolder(from, file, passphrase);
  const whole = readFileSync(file);
  const chunk = 1024 * 1024 + 16;
  const open = () => unsealInto(file, passphrase, mkdtempSync(join(folder, 'to-')));
  for (const at of [0, 16, 32 + chunk, whole.length - 1]) {
    writeFileSync(file, whole.with(at, (whole[at] ?? 0) ^ 1));
    await assert.rejects(open(), StartError, `byte ${at}`);
  }
  for (const length of [31, 32, 32 + 2 * chunk, whole.length - 1]) {
    writeFileSync(file, whole);
    truncateSync(file, length);
    await assert.rejects(open(), StartError, `${length} bytes`);
  }
  const [second, third] = [whole.subarray(32 + chunk, 32 + 2 * chunk), whole.subarray(32 + 2 * chunk)];
  const first = whole.subarray(0, 32 + chunk);
  for (const other of [
    [first, second, second, third],
    [first, third],
    [first, second, third, new Uint8Array(16)],
  ]) {
    writeFileSync(file, Buffer.concat(other));
    await assert.rejects(open(), StartError);
  }
});

test('names that lead elsewhere, and heads that never end, are no content', () => {
  const taken: string[] = [];
  const content = () => new Content((name) => (taken.push(name), { take: () => undefined, end: () => undefined }));
  const head = (name: string) => {
    const bytes = Buffer.from(name);
    return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes, new Uint8Array(8)]);
  };
  for (const name of ['../identity.pem', '/etc/passwd', 'blobs/../x', '', 'blobs/', 'a/b', '.hidden'])
    assert.equal(content().take(head(name)), false, name);
  assert.equal(content().take(head('a'.repeat(257))), false);
  assert.deepEqual(taken, []);
  const good = content();
  for (const byte of head('blobs/00ff')) assert.equal(good.take(Uint8Array.of(byte)), true);
  assert.deepEqual([good.complete, taken], [true, ['blobs/00ff']]);
  assert.equal(content().complete, false);
});
