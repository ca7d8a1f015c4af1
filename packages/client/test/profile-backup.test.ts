/** Goal: a profile that is put back from a backup works like the one it was made of. Method: one account, copied twice. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUpProfile, restoreProfile } from '../src/profile-backup.ts';
import { newStore, temporaryFolder } from './stores.ts';

test('a backup takes the pins and the server used last with it, for their owner alone, and does without either', async (t) => {
  const folder = temporaryFolder(t);
  const [profile, copy, back] = ['profile', 'copy', 'back'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const account = join(profile, 'accounts', '0123456789abcdef0123456789abcdef');
  mkdirSync(account, { recursive: true });
  await (await newStore(account)).close();
  const files = { 'servers.json': '{"format":1}', 'last-server': 'ws://127.0.0.1:4200\n' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(profile, name), text, { mode: 0o600 });
  assert.deepEqual(await backUpProfile(profile, copy), { accounts: 1 });
  assert.deepEqual(await restoreProfile(copy, back), { accounts: 1 });
  for (const [name, text] of Object.entries(files)) {
    assert.equal(readFileSync(join(back, name), 'utf8'), text);
    if (process.platform !== 'win32') assert.equal(statSync(join(back, name)).mode & 0o077, 0);
  }
  for (const name of Object.keys(files)) rmSync(join(copy, name));
  rmSync(back, { recursive: true });
  assert.deepEqual(await restoreProfile(copy, back), { accounts: 1 });
  assert.equal(existsSync(join(back, 'last-server')), false);
});
