// Goal: the data of an older server is brought to this version without starting it, once, and nothing else is touched.
// Method: a real store in a folder, set back to the schema before; the file is looked at afterwards.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { defaultLimits } from '@securechat/wire';
import { migrateData } from '../src/migrate-data.ts';
import { openStore } from '../src/open-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'securechat-migrate-'));
after(() => rmSync(folder, { recursive: true }));

const refusal = (message: RegExp) => ({ exitCode: 2, message });
const open = (directory: string) => openStore({ directory, limits: defaultLimits, onFatal: () => undefined });

async function made(name: string): Promise<string> {
  const data = join(folder, name);
  await (await open(data)).close();
  return data;
}

test('an older schema becomes this one, a second time there is nothing to do', async () => {
  const data = await made('older');
  const db = new DatabaseSync(join(data, 'securechat.db'));
  db.exec(`UPDATE schema_version SET version = 1; DELETE FROM fact WHERE name = 'history'`);
  db.close();
  assert.deepEqual(await migrateData(data), { from: 1, to: 2 });
  assert.deepEqual(await migrateData(data), { from: 2, to: 2 });
});

test('a newer schema, a folder in use and one without a server are refused in a sentence', async () => {
  const data = await made('newer');
  const db = new DatabaseSync(join(data, 'securechat.db'));
  db.exec('UPDATE schema_version SET version = 99');
  db.close();
  await assert.rejects(migrateData(data), refusal(/written by a newer SecureChat/));
  const used = join(folder, 'used');
  const store = await open(used);
  await assert.rejects(migrateData(used), refusal(/is in use by another SecureChat server/));
  await store.close();
  await assert.rejects(migrateData(join(folder, 'nowhere')), refusal(/There is no server in the data folder/));
  assert.ok(!readdirSync(folder).includes('nowhere'), 'a mistyped path makes no folder');
});

test('a database that is none is said to be damaged, and left as it is', async () => {
  const data = await made('damaged');
  writeFileSync(join(data, 'securechat.db'), 'no database');
  await assert.rejects(migrateData(data), refusal(/is damaged/));
});
