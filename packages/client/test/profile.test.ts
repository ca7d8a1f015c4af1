/** Where accounts lie, and the pins of servers: they rise, they stay, and only a proven rotation moves them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { platform } from 'node:process';
import { test } from 'node:test';
import type { ServerRotation } from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import { parseServerAddress } from '@securechat/wire';
import { makeFolders } from '../src/make-folders.ts';
import { accountFolder, findAccount, makeAccountFolder, removeAccountFolder } from '../src/profile.ts';
import { pinOf, rememberServer } from '../src/servers-file.ts';
import { newStore, temporaryFolder } from './stores.ts';

const one = `sha256:${'a'.repeat(43)}` as Fingerprint;
const two = `sha256:${'b'.repeat(43)}` as Fingerprint;
const three = `sha256:${'c'.repeat(43)}` as Fingerprint;
const ws = parseServerAddress('ws://Example.org:4200');
const tcp = parseServerAddress('tcp://example.org:4201');
const withPin = (fingerprint: Fingerprint) => parseServerAddress(`ws://example.org:4200#${fingerprint}`);
const shown = (
  fingerprint: Fingerprint,
  more: { sequence?: number; opaqueKey?: string; path?: Fingerprint[] } = {},
) => ({
  pin: { fingerprint, sealingSequenceMin: more.sequence ?? 1, versionMin: 1, opaqueKey: more.opaqueKey },
  rotations: (more.path ?? []).map((old) => ({ old: { fingerprint: old } }) as unknown as ServerRotation),
});

test('folders are made down to the last, with their mode; below a file or /proc they are refused at once', (t) => {
  const folder = temporaryFolder(t);
  makeFolders(join(folder, 'a', 'b'), 0o700);
  makeFolders(join(folder, 'a', 'b'), 0o755);
  assert.equal(statSync(join(folder, 'a')).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, 'a', 'b')).mode & 0o777, 0o700);
  writeFileSync(join(folder, 'file'), '');
  const nowhere = [join(folder, 'file'), join(folder, 'file', 'below'), ...(platform === 'linux' ? ['/proc/x/y'] : [])];
  for (const path of nowhere) {
    assert.throws(() => makeFolders(path, 0o700), Error, path);
    assert.throws(() => rememberServer(path, ws, shown(one)), { code: 'PROFILE_UNWRITABLE' }, path);
  }
});

test('an unknown server has no pin; what was shown is remembered, owner only, and only rises', (t) => {
  const profile = join(temporaryFolder(t), 'profile');
  assert.deepEqual(pinOf(profile, ws), {
    fingerprint: undefined,
    sealingSequenceMin: 0,
    versionMin: 0,
    opaqueKey: undefined,
  });
  rememberServer(profile, ws, shown(one, { sequence: 5 }));
  rememberServer(profile, ws, shown(one, { sequence: 3, opaqueKey: 'key' }));
  assert.deepEqual(pinOf(profile, parseServerAddress('ws://example.ORG:4200')), {
    fingerprint: one,
    sealingSequenceMin: 5,
    versionMin: 1,
    opaqueKey: 'key',
  });
  assert.equal(pinOf(profile, tcp).fingerprint, undefined);
  assert.equal(statSync(profile).mode & 0o777, 0o700);
  for (const file of readdirSync(profile)) assert.equal(statSync(join(profile, file)).mode & 0o777, 0o600, file);
});

test('another key at a pinned address is SERVER_KEY_CHANGED, from the address and from the server', (t) => {
  const profile = temporaryFolder(t);
  rememberServer(profile, ws, shown(one, { opaqueKey: 'key' }));
  assert.throws(() => pinOf(profile, withPin(two)), { code: 'SERVER_KEY_CHANGED' });
  assert.throws(() => rememberServer(profile, ws, shown(two)), { code: 'SERVER_KEY_CHANGED' });
  assert.throws(() => rememberServer(profile, ws, shown(one, { opaqueKey: 'other' })), { code: 'SERVER_KEY_CHANGED' });
  assert.throws(() => rememberServer(profile, ws, shown(three, { path: [two] })), { code: 'SERVER_KEY_CHANGED' });
  assert.equal(pinOf(profile, ws).fingerprint, one);
  assert.equal(pinOf(profile, withPin(one)).opaqueKey, 'key');
});

test('the fingerprint of an address counts before the first connection', (t) => {
  const profile = temporaryFolder(t);
  assert.equal(pinOf(profile, withPin(two)).fingerprint, two);
  assert.throws(() => rememberServer(profile, withPin(two), shown(one)), { code: 'SERVER_KEY_CHANGED' });
});

test('a rotation moves the pin of every address of that server and keeps its account folders', (t) => {
  const profile = temporaryFolder(t);
  rememberServer(profile, ws, shown(one, { opaqueKey: 'key' }));
  rememberServer(profile, tcp, shown(one));
  const folder = accountFolder(profile, one, 'bob');
  rememberServer(profile, ws, shown(three, { path: [one, two] }));
  assert.equal(pinOf(profile, tcp).fingerprint, three);
  assert.equal(pinOf(profile, withPin(one)).fingerprint, three);
  assert.equal(pinOf(profile, ws).opaqueKey, 'key');
  assert.equal(accountFolder(profile, three, 'bob'), folder);
});

test('an account is found by any spelling of its name and any address of its server, and nowhere else', async (t) => {
  const profile = temporaryFolder(t);
  rememberServer(profile, ws, shown(one));
  rememberServer(profile, tcp, shown(one));
  assert.equal(findAccount(profile, ws, 'Bob'), undefined);
  const folder = accountFolder(profile, one, 'bob');
  makeAccountFolder(profile, folder);
  assert.equal(findAccount(profile, ws, 'Bob'), undefined);
  await (await newStore(folder)).close();
  assert.equal(findAccount(profile, ws, ' BOB '), folder);
  assert.equal(findAccount(profile, tcp, 'bob'), folder);
  assert.equal(findAccount(profile, parseServerAddress('tcp://example.org:9'), 'bob'), undefined);
  assert.notEqual(accountFolder(profile, two, 'bob'), folder);
  assert.ok(!folder.includes('bob'));
  removeAccountFolder(folder);
  assert.equal(existsSync(folder), false);
});

test('a damaged or newer servers.json is never taken for an empty one', (t) => {
  const profile = temporaryFolder(t);
  rememberServer(profile, ws, shown(one));
  const file = join(profile, 'servers.json');
  const good = readFileSync(file, 'utf8');
  for (const bad of [
    '',
    '{',
    '{"format":1}',
    good.replace('sha256', 'sha512'),
    good.replace('"versionMin": 1', '"versionMin": -1'),
  ]) {
    writeFileSync(file, bad);
    assert.throws(() => pinOf(profile, ws), { code: 'PROFILE_DAMAGED' }, bad);
    assert.throws(() => rememberServer(profile, ws, shown(two)), { code: 'PROFILE_DAMAGED' }, bad);
  }
  writeFileSync(file, good.replace('"format": 1', '"format": 2'));
  assert.throws(() => pinOf(profile, ws), { code: 'SCHEMA_NEWER' });
});
