/** What lies on the disk: who can read it, what it shows, and what happens when it is damaged, older, newer or full. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { createStore, drawStoreKey, unlockKeys, unlockKeysWithRecovery } from '../src/stores/sqlite/open-store.ts';
import { newStore, password, plain, recoveryEntropy, reopen, temporaryFolder, text } from './stores.ts';

const canary = 'Zitronenfalter am Fenster';

/** A copy of one small account: making one costs a stretched password. */
function withStore(directory: string): void {
  cpSync(template, directory, { recursive: true });
  chmodSync(directory, 0o700);
}

let template = '';
before(async () => {
  template = mkdtempSync(join(tmpdir(), 'securechat-template-'));
  const store = await newStore(template, [
    { kind: 'put', collection: 'account', key: 'self', value: text('state 1') },
    { kind: 'put', collection: 'contact', key: 'bob', value: text('pin of bob') },
    { kind: 'put', collection: 'contact', key: 'carol', value: text('pin of carol') },
    { kind: 'message', conversation: 'bob', id: 'm1', value: text('one') },
    { kind: 'message', conversation: 'bob', id: 'm2', value: text('two') },
  ]);
  await store.close();
});
after(() => rmSync(template, { recursive: true, force: true }));

function edit(directory: string, sql: string): void {
  const database = new DatabaseSync(join(directory, 'store.db'));
  database.exec(sql);
  database.close();
}

test('the password opens the store, another one does not, and nothing but owner rights are on the files', async (t) => {
  const directory = join(temporaryFolder(t), 'account');
  withStore(directory);
  await assert.rejects(unlockKeys({ directory, password: 'correct horse batterz' }), { code: 'AUTH_FAILED' });
  const keys = await unlockKeys({ directory, password });
  const store = await keys.open();
  assert.equal(plain(await store.get('account', 'self')), 'state 1');
  await store.commit([{ kind: 'put', collection: 'account', key: 'self', value: text('state 2') }]);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  for (const file of readdirSync(directory)) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
  await store.close();
});

test('the recovery words open the store, and a new password replaces the old one', async (t) => {
  const directory = temporaryFolder(t);
  withStore(directory);
  const other = new Uint8Array(16).fill(8);
  await assert.rejects(unlockKeysWithRecovery({ directory, recoveryEntropy: other }), { code: 'RECOVERY_WORDS_WRONG' });
  const keys = await unlockKeysWithRecovery({ directory, recoveryEntropy });
  const store = await keys.open();
  keys.wipe();
  await store.rewrap('a new password');
  await store.close();
  await assert.rejects(unlockKeys({ directory, password }), { code: 'AUTH_FAILED' });
  const again = await (await unlockKeys({ directory, password: 'a new password' })).open();
  assert.equal(plain(await again.get('contact', 'bob')), 'pin of bob');
  await again.close();
  await (await reopen(directory)).close();
});

test('a password is the same in either Unicode spelling', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory);
  await store.rewrap('Grüße ﬁne');
  await store.close();
  (await unlockKeys({ directory, password: 'Gru\u0308ße fine' })).wipe();
});

test('nothing readable lies in the folder while it is open and when it is closed', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory);
  const insist = (when: string): void => {
    const forms = [canary, 'name-of-bob', 'Zitronenfalter'].flatMap((word) => {
      const utf8 = Buffer.from(word, 'utf8');
      const hex = utf8.toString('hex');
      // Base64 of the word at each of its three alignments, cut to what does not depend on neighbours.
      const base64 = [0, 1, 2].map((pad) => {
        const encoded = Buffer.concat([Buffer.alloc(pad), utf8]).toString('base64');
        return encoded.slice(pad === 0 ? 0 : 4, -4);
      });
      return [
        utf8,
        Buffer.from(word, 'utf16le'),
        Buffer.from(hex),
        Buffer.from(hex.toUpperCase()),
        ...base64.map((b) => Buffer.from(b)),
      ];
    });
    for (const file of readdirSync(directory)) {
      const bytes = readFileSync(join(directory, file));
      for (const form of forms) assert.equal(bytes.indexOf(form), -1, `${when}: ${file} shows ${form.toString()}`);
    }
  };
  for (let round = 0; round < 20; round += 1)
    await store.commit([
      { kind: 'message', conversation: 'name-of-bob', id: `id ${round}`, value: text(canary.repeat(20)) },
      { kind: 'put', collection: 'contact', key: 'name-of-bob', value: text(canary) },
    ]);
  insist('open');
  await store.close();
  insist('closed');
});

test('a replaced record leaves the disk with the next tick', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory, [{ kind: 'put', collection: 'group', key: 'g', value: text('old state') }]);
  store.tick();
  const database = readFileSync(join(directory, 'store.db'));
  await store.commit([{ kind: 'put', collection: 'group', key: 'g', value: text('new state') }]);
  store.tick();
  assert.equal(statSync(join(directory, 'store.db-wal')).size, 0);
  // The old ciphertext: what the file had and has no more. Random bytes of 20 do not come by chance.
  const row = new Uint8Array(recordOf(database));
  assert.notEqual(database.indexOf(row), -1);
  assert.equal(readFileSync(join(directory, 'store.db')).indexOf(row), -1);
  await store.close();

  function recordOf(bytes: Buffer): Uint8Array {
    const copy = join(temporaryFolder(t), 'copy.db');
    writeFileSync(copy, bytes);
    const reader = new DatabaseSync(copy);
    const found = reader.prepare('SELECT value FROM record WHERE collection = 5').get()?.['value'];
    reader.close();
    assert.ok(found instanceof Uint8Array);
    return found.slice(13);
  }
});

const damages: readonly (readonly [what: string, sql: string])[] = [
  ['a byte more in a record', "UPDATE record SET value = cast(value || x'00' AS BLOB) WHERE collection = 3"],
  [
    'two records exchanged',
    'UPDATE record SET value = (SELECT value FROM record r WHERE r.collection = 3 AND r.rowid <> record.rowid) WHERE collection = 3',
  ],
  ['a record moved to another collection', 'UPDATE record SET collection = 4 WHERE collection = 3'],
  ['two messages exchanged', 'UPDATE message SET position = -position; UPDATE message SET position = 3 + position'],
];
for (const [what, sql] of damages)
  test(`${what} is PROFILE_DAMAGED`, async (t) => {
    const directory = temporaryFolder(t);
    withStore(directory);
    edit(directory, sql);
    const store = await reopen(directory);
    const read = async (): Promise<void> => {
      await store.all('contact');
      await store.all('conversation');
      await store.messages('bob', { limit: 10 });
    };
    await assert.rejects(read(), { code: 'PROFILE_DAMAGED' });
    await store.close();
  });

test('missing, empty, cut, foreign and scribbled files are PROFILE_DAMAGED, never a fresh start', async (t) => {
  const directory = temporaryFolder(t);
  withStore(directory);
  const original = {
    store: readFileSync(join(directory, 'store.db')),
    keys: readFileSync(join(directory, 'keys.json')),
  };
  const cases: readonly (readonly [string, () => void])[] = [
    ['store.db missing', () => rmSync(join(directory, 'store.db'))],
    ['store.db empty', () => truncateSync(join(directory, 'store.db'), 0)],
    ['store.db of something else', () => writeFileSync(join(directory, 'store.db'), 'x'.repeat(8192))],
    ['keys.json cut', () => truncateSync(join(directory, 'keys.json'), 100)],
    ['keys.json not ours', () => writeFileSync(join(directory, 'keys.json'), '{"format":1}')],
    ['keys.json huge', () => writeFileSync(join(directory, 'keys.json'), ' '.repeat(2 ** 20 + 1))],
  ];
  for (const [what, damage] of cases) {
    writeFileSync(join(directory, 'store.db'), original.store);
    writeFileSync(join(directory, 'keys.json'), original.keys);
    damage();
    await assert.rejects(reopen(directory), { code: 'PROFILE_DAMAGED' }, what);
  }
});

test('a header that asks for absurd work is refused before the work', async (t) => {
  const directory = temporaryFolder(t);
  withStore(directory);
  const header = JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')) as {
    password: Record<string, unknown>;
  };
  header.password['memoryKiB'] = 2 ** 30;
  writeFileSync(join(directory, 'keys.json'), JSON.stringify(header));
  await assert.rejects(unlockKeys({ directory, password }), { code: 'PROFILE_DAMAGED' });
});

test('files of a newer version are SCHEMA_NEWER and stay as they are', async (t) => {
  const directory = temporaryFolder(t);
  withStore(directory);
  edit(directory, 'PRAGMA user_version = 99');
  await assert.rejects(reopen(directory), { code: 'SCHEMA_NEWER' });
  const header = readFileSync(join(directory, 'keys.json'), 'utf8').replace('"format": 1', '"format": 2');
  writeFileSync(join(directory, 'keys.json'), header);
  await assert.rejects(reopen(directory), { code: 'SCHEMA_NEWER' });
  assert.equal(readFileSync(join(directory, 'keys.json'), 'utf8'), header);
});

test('an older store.db put back beside a newer keys.json is noticed', async (t) => {
  const directory = temporaryFolder(t);
  withStore(directory);
  copyFileSync(join(directory, 'store.db'), join(directory, 'copy'));
  await (await reopen(directory)).close();
  copyFileSync(join(directory, 'copy'), join(directory, 'store.db'));
  await assert.rejects(reopen(directory), { code: 'PROFILE_DAMAGED', message: /older than its keys\.json/ });
});

test('a store that is there is not created over, and a half-made one is', async (t) => {
  const directory = temporaryFolder(t);
  writeFileSync(join(directory, 'store.db'), 'left by a crash');
  await (await newStore(directory)).close();
  await assert.rejects(newStore(directory), { code: 'ALREADY_LOGGED_IN' });
});

test('a profile that cannot be written says so', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(newStore(join(folder, 'file', 'account')), { code: 'PROFILE_UNWRITABLE' });
  await assert.rejects(newStore(join(folder, 'file')), { code: 'PROFILE_UNWRITABLE' });
});

test('two processes cannot have one store open', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory);
  await assert.rejects(reopen(directory), { code: 'PROFILE_LOCKED' });
  await store.close();
  await (await reopen(directory)).close();
});

test('a full disk loses nothing and halves nothing, and the store goes on when there is room again', async (t) => {
  const folder = temporaryFolder(t);
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'securechat-test', disk]).status !== 0) {
    t.diagnostic('not run: no small disk can be mounted here');
    return;
  }
  try {
    await insistOnFullDisk(disk);
  } finally {
    spawnSync('umount', [disk]);
  }
});

async function insistOnFullDisk(disk: string): Promise<void> {
  const directory = join(disk, 'account');
  const store = await newStore(directory, [{ kind: 'put', collection: 'account', key: 'self', value: text('0') }]);
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(600_000));
  let stored = 0;
  const write = (round: number): Promise<void> =>
    store.commit([
      { kind: 'message', conversation: 'bob', id: String(round), value: new Uint8Array(30_000).fill(round) },
      { kind: 'put', collection: 'account', key: 'self', value: text(String(round)) },
    ]);
  const fill = async (): Promise<void> => {
    for (let round = 1; round < 200; round += 1) {
      await write(round);
      stored = round;
    }
  };
  await assert.rejects(fill(), { code: 'PROFILE_UNWRITABLE' });
  assert.ok(stored > 5);
  await assert.rejects(write(stored + 1), { code: 'PROFILE_UNWRITABLE' });
  assert.equal(plain(await store.get('account', 'self')), String(stored));
  assert.equal(await store.hasMessage('bob', String(stored + 1)), false);
  rmSync(join(disk, 'ballast'));
  await write(stored + 1);
  await store.close();
  const again = await reopen(directory);
  assert.equal(plain(await again.get('account', 'self')), String(stored + 1));
  assert.equal((await again.messages('bob', { limit: 1000 })).length, stored + 1);
  await again.close();
}

test('killed in the middle of commits, the store has all that was acknowledged and nothing halved', async (t) => {
  const directory = temporaryFolder(t);
  await (await newStore(directory)).close();
  for (let cycle = 0; cycle < 4; cycle += 1) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'store-writer.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (piece: Buffer) => {
      output += piece.toString();
      if (output.split('\n').length > 30 + cycle * 7) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const acknowledged = Number(
      output
        .trimEnd()
        .split('\n')
        .filter((line) => /^\d+$/.test(line))
        .at(-1),
    );
    const store = await reopen(directory);
    const counter = Number(plain(await store.get('account', 'counter')));
    assert.ok(counter >= acknowledged, `${counter} is less than ${acknowledged}`);
    const messages = await store.messages('bob', { limit: 100_000 });
    assert.deepEqual(
      messages.map(({ id }) => id),
      Array.from({ length: counter }, (_, index) => String(index + 1)),
    );
    assert.equal((await store.all('outbox')).size, counter % 10);
    await store.close();
  }
});

test('the entropy behind the words may be wiped while the key of a new store is still being wrapped', async (t) => {
  const directory = join(temporaryFolder(t), 'account');
  const given = recoveryEntropy.slice();
  const drawn = drawStoreKey({ password, recoveryEntropy: given });
  given.fill(0);
  await (await createStore({ directory, key: await drawn, initial: [] })).close();
  await (await reopen(directory)).close();
});
