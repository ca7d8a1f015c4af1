/** The SQLite driver against what disks and people do: kill, full disk, failing fsync, wrong files. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ClientId, DeviceId, GroupId, Limits } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { Store } from '../../src/stores/port.ts';
import { StoreError } from '../../src/stores/port.ts';
import { dataFolderProblem, openSqliteStore } from '../../src/stores/sqlite/index.ts';
import { actorNamed, attach, bytesNamed, commit, founding, idNamed, join, message } from '../stores/stage.ts';

const folder = mkdtempSync(joinPath(tmpdir(), 'securechat-faults-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => joinPath(folder, String((folders += 1)));
const group = idNamed<GroupId>('group');
const child = joinPath(import.meta.dirname, '../stores/crash-child.ts');

async function open(
  t: TestContext,
  directory: string,
  limits: Limits = defaultLimits,
  ballastBytes = 64 * 1024,
): Promise<Store> {
  const store = await openSqliteStore({ directory, limits, ballastBytes, onFatal: (error) => assert.fail(error) });
  t.after(() => store.close());
  return store;
}

function storeError(code: StoreError['code']): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code;
}

test('one call that fails in a group takes nobody with it, and leaves nothing of itself', async (t) => {
  const store = await open(t, newFolder());
  const anna = await join(store, 'anna');
  const bert = await join(store, 'bert');
  const calls = [
    store.submit(founding(anna, bert, group)),
    store.submit(message(anna, group)),
    store.attach(anna.device, -1, 0),
    store.submit(message(anna, group)),
    store.block(bert.account, anna.account, true, false),
    store.attach(anna.device, -2, 0),
    store.submit(message(anna, group)),
    store.block(bert.account, anna.account, false, false),
    store.submit(commit(bert, group)),
  ];
  const results = await Promise.allSettled<unknown>(calls);
  assert.deepEqual(
    results.map((result) =>
      result.status === 'rejected' ? 'failed' : ((result.value as { kind?: string }).kind ?? 'done'),
    ),
    ['accepted', 'accepted', 'failed', 'accepted', 'done', 'failed', 'refused', 'done', 'accepted'],
  );
  const rows = await store.fetch(bert.device, 0, 100, 1e9);
  assert.deepEqual(
    rows.map((row) => [row.seq, row.kind]),
    [
      [1, 'invitation'],
      [2, 'message'],
      [3, 'message'],
    ],
  );
  await store.close();
});

test('what is acknowledged is gone from the files, not only from the tables', async (t) => {
  const directory = newFolder();
  const store = await open(t, directory);
  const anna = await join(store, 'anna');
  const bert = await join(store, 'bert');
  // A second device of Bert, so that bodies are shared: they go with the last row, not with the first.
  const second = { ...bert, device: idNamed<DeviceId>('bert.2') };
  const { account } = bert;
  await store.put([], { account, sequence: 1, add: [second.device], remove: [], cause: 'RECIPIENT_RESET' });
  await attach(store, second);
  const devices = [anna.device, bert.device, second.device];
  await store.submit(founding(anna, bert, group, { founding: { devices } }));
  const secret = 'a-canary-in-the-payload';
  for (let count = 0; count < 50; count += 1) {
    await store.submit(message(anna, group, { payload: bytesNamed(secret, 9000) }));
    await store.submit(message(anna, group, { payload: bytesNamed(secret, 60) }));
  }
  await store.putKeyPackages(bert.device, [bytesNamed(`${secret} package`, 3000)], undefined);
  const found = (): boolean =>
    readdirSync(directory).some((name) => readFileSync(joinPath(directory, name)).includes(secret));
  assert.equal(found(), true);
  await store.ack(bert.device, bert.generation, 101);
  assert.equal((await store.fetch(second.device, 0, 1000, 1e9)).length, 101);
  await store.ack(second.device, second.generation, 101);
  await store.takeKeyPackages([bert.device]);
  await store.close();
  assert.equal(found(), false);
  const db = new DatabaseSync(joinPath(directory, 'securechat.db'), { readOnly: true });
  for (const table of ['body', 'mailbox', 'resync'])
    assert.equal(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'], 0, table);
  assert.equal(db.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
  db.close();
});

test('folder and files are private, and an open folder is named', async (t) => {
  const directory = newFolder();
  const store = await open(t, directory);
  const anna = await join(store, 'anna');
  assert.ok(anna);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const modes = readdirSync(directory).map((name) => [
    name,
    (statSync(joinPath(directory, name)).mode & 0o777).toString(8),
  ]);
  assert.deepEqual(Object.fromEntries(modes), {
    ballast: '600',
    'securechat.db': '600',
    'securechat.db-shm': '600',
    'securechat.db-wal': '600',
    'securechat.lock': '600',
  });
  assert.equal(dataFolderProblem(directory), undefined);
  chmodSync(directory, 0o750);
  assert.match(dataFolderProblem(directory) ?? '', /open to other users/);
  await store.close();
});

test('a folder in use is refused, and free again after close', async (t) => {
  const directory = newFolder();
  const store = await open(t, directory);
  await assert.rejects(open(t, directory), storeError('in-use'));
  await store.close();
  await (await open(t, directory)).close();
});

test('a newer schema and a foreign database are refused and left as they are', async (t) => {
  const newer = newFolder();
  await (await open(t, newer)).close();
  const path = joinPath(newer, 'securechat.db');
  const db = new DatabaseSync(path);
  db.exec('UPDATE schema_version SET version = 999');
  db.close();
  await assert.rejects(open(t, newer), storeError('schema-newer'));
  const again = new DatabaseSync(path);
  assert.equal(again.prepare('SELECT version FROM schema_version').get()?.['version'], 999);
  again.close();

  const foreign = newFolder();
  mkdirSync(foreign, { mode: 0o700 });
  const other = new DatabaseSync(joinPath(foreign, 'securechat.db'));
  other.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)');
  other.close();
  await assert.rejects(open(t, foreign), storeError('corrupt'));

  const rubbish = newFolder();
  mkdirSync(rubbish, { mode: 0o700 });
  writeFileSync(
    joinPath(rubbish, 'securechat.db'),
    'not a database at all, but long enough to have a header'.repeat(50),
  );
  await assert.rejects(open(t, rubbish), storeError('corrupt'));
});

test('killed at any moment: nothing accepted is lost, numbers have no gap, no key package comes twice', async (t) => {
  const directory = newFolder();
  const sent = new Map<string, number>();
  const taken: string[] = [];
  let acked = 0;
  for (let round = 0; round < 4; round += 1) {
    for (const line of await runAndKill(directory, round, 40 + round * 35)) {
      const [what, first = '', second] = line.split(' ');
      if (what === 'sent') sent.set(first, Number(second));
      if (what === 'acking') acked = Math.max(acked, Number(first));
      if (what === 'took') taken.push(first);
      assert.notEqual(what, 'fatal');
    }
    const store = await open(t, directory, { ...defaultLimits, mailboxRowsMax: 1_000_000 });
    const anna = await attach(store, actorNamed('anna'));
    const rows = await store.fetch(actorNamed('bert').device, 0, 4096, 1e12);
    const first = rows[0]?.seq ?? 0;
    assert.ok(first <= acked + 1, 'a row beyond the acknowledged ones is missing');
    assert.deepEqual(
      rows.map((row) => row.seq),
      rows.map((_row, index) => first + index),
    );
    const last = rows.at(-1)?.seq ?? 0;
    for (const seq of sent.values()) assert.ok(seq <= last, 'an accepted message is missing');
    // Its sender, who did not see the answer, asks again.
    const [id, seq] = [...sent].at(-1) ?? [];
    if (id !== undefined) {
      const number = Buffer.from(id, 'base64url').readUInt32BE(12);
      const lost = message({ ...anna, submitNumber: number - 1 }, group, { id: id as ClientId });
      const result = await store.submit(lost);
      assert.ok(result.kind === 'accepted' && result.repeat, `${id} ${seq}`);
    }
    await store.close();
  }
  assert.ok(sent.size > 100, `only ${sent.size} messages`);
  assert.ok(taken.length > 4);
  assert.equal(new Set(taken).size, taken.length);
});

/** What a child has done before its end comes nearer: a busy machine gets nowhere in some milliseconds. */
const busy = (text: string): boolean =>
  (text.match(/^sent .*$/gm)?.length ?? 0) > 26 && (text.match(/^took .*$/gm)?.length ?? 0) > 2;

/** The lines of the child, killed (SIGKILL) so many ms after it got under way. */
async function runAndKill(directory: string, round: number, afterMs: number): Promise<string[]> {
  const running = spawn(process.execPath, [child, directory, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let ending: NodeJS.Timeout | undefined;
  running.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    if (ending === undefined && busy(text)) ending = setTimeout(() => running.kill('SIGKILL'), afterMs);
  });
  await new Promise((resolve) => running.once('close', resolve));
  // The last line may be cut.
  return text.split('\n').slice(0, -1);
}

test('full disk: messages are refused, acknowledgements go through, and it recovers without a restart', async (t) => {
  const directory = newFolder();
  mkdirSync(directory, { mode: 0o700 });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=700', 'tmpfs', directory]).status !== 0)
    return t.skip('a small file system cannot be mounted here');
  let store: Store | undefined;
  try {
    const limits = { ...defaultLimits, mailboxBytesMax: 2 ** 40 };
    store = await open(t, directory, limits, 1024 * 1024);
    const anna = await join(store, 'anna');
    const bert = await join(store, 'bert');
    await store.submit(founding(anna, bert, group));
    let accepted = 0;
    const fill = async (): Promise<StoreError> => {
      for (;;)
        try {
          const result = await store!.submit(
            message(anna, group, { payload: bytesNamed('x', 20_000), chainNumber: accepted + 1 }),
          );
          assert.equal(result.kind, 'accepted');
          accepted += 1;
        } catch (error) {
          return error as StoreError;
        }
    };
    // The checkpoint after a failure makes some room; full is when nothing is accepted in between.
    let failure = await fill();
    for (let before = -1; before !== accepted;) {
      before = accepted;
      failure = await fill();
    }
    assert.deepEqual([failure.code, failure.retry, failure.outcome], ['full', 'same', 'none']);
    assert.ok(accepted > 50);
    // What needs room is refused, also in order; reading, attaching and acknowledging go on.
    await assert.rejects(
      store.put([{ space: 'server', key: 'x', ifVersion: 0, value: bytesNamed('v') }]),
      storeError('full'),
    );
    await attach(store, bert);
    const rows = await store.fetch(bert.device, 0, 1000, 1e9);
    assert.equal(rows.length, accepted + 1);
    for (const row of rows) await store.ack(bert.device, bert.generation, row.seq);
    assert.deepEqual(await store.fetch(bert.device, 0, 1000, 1e9), []);
    // Attempts to lay the ballast again are a second apart.
    const before = accepted;
    const endsAt = Date.now() + 60_000;
    while (accepted < before + 20 && Date.now() < endsAt) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await store.submit(message(anna, group, { payload: bytesNamed('y', 2000), chainNumber: accepted + 1 })).then(
        (result) => (accepted += result.kind === 'accepted' ? 20 : 0),
        () => undefined,
      );
    }
    assert.ok(accepted >= before + 20, 'it did not recover');
    assert.ok(readdirSync(directory).includes('ballast'));
  } finally {
    await store?.close();
    execFileSync('umount', [directory]);
  }
});

// From the 60th on: SQLite repeats a checkpoint whose fsync failed later on, since its pages are still in the log; a commit
// it must not survive.
test('a failing fsync is fatal: outcome unknown, nothing is written afterwards, and what was accepted is there', (t) => {
  const directory = newFolder();
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('strace is not installed');
  const first = spawnSync(
    'strace',
    [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      'trace=fsync',
      '-e',
      'inject=fsync:error=EIO:when=60+',
      process.execPath,
      child,
      directory,
      '0',
    ],
    { encoding: 'utf8', timeout: 300_000 },
  );
  if (first.stdout === '') return t.skip('strace may not trace here');
  const lines = first.stdout.trim().split('\n');
  assert.equal(lines.at(-1), 'fatal unavailable unknown');
  assert.equal(first.status, 4);
  const last = Math.max(...lines.filter((line) => line.startsWith('sent')).map((line) => Number(line.split(' ')[2])));
  const db = new DatabaseSync(joinPath(directory, 'securechat.db'));
  const next = Number(db.prepare('SELECT max(mailbox_next) AS next FROM device').get()?.['next']);
  db.close();
  assert.ok(next > last && last > 1);
});
