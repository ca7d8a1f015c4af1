/** A client that stays connected for months: what comes of age is replaced while it runs, as at an attach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@securechat/crypto';
import { toBase64url } from '@securechat/wire';
import type { KeyPackageRecord } from '../src/core/record-key-package.ts';
import { replenish } from '../src/shell/people/key-packages.ts';
import type { Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** What lies at the server for others to claim from Bob. */
function offered({ office, bob }: Play): string[] {
  const device = office.devices.get(bob.record.device);
  const { keyPackages = [], lastResort = new Uint8Array(0) } = device ?? {};
  return [...keyPackages, lastResort].map(toBase64url);
}

test('after 60 days connected every key package at the server is a fresh one', () =>
  on(async (play) => {
    const { bob } = play;
    const before = offered(play);
    assert.ok(before.length > 10);
    bob.nowMs = () => Date.now() + 61 * DAY_MS;
    bob.engine.renewal.pulse();
    await until(
      () => offered(play).length === before.length && offered(play).every((one) => !before.includes(one)),
      () => 'as many fresh packages',
    );
    const records = [...bob.engine.ledger.keyPackages.values()].map(({ keyPackage }) => toBase64url(keyPackage));
    assert.ok(
      [...before, ...offered(play)].every((one) => records.includes(one)),
      'invitations under the old packages can still be read',
    );
  }));

test('a last-resort package is replaced each month while connected', () =>
  on(async (play) => {
    const { bob } = play;
    const before = offered(play);
    bob.nowMs = () => Date.now() + 31 * DAY_MS;
    bob.engine.renewal.pulse();
    await until(
      () => offered(play).at(-1) !== before.at(-1),
      () => 'a fresh last-resort package',
    );
    assert.deepEqual(offered(play).slice(0, -1), before.slice(0, -1), 'the others are good for longer');
  }));

test('one day is seen to once, however often the pulse comes', () =>
  on(async ({ bob, office }) => {
    const puts = () => office.requests.filter((kind) => kind === 'putKeyPackages').length;
    const before = puts();
    const asked = async (times: number): Promise<void> => {
      for (let minute = 0; minute < 5; minute += 1) bob.engine.renewal.pulse();
      await until(
        () => puts() >= before + times,
        () => 'a question how many are left',
      );
    };
    await asked(1);
    bob.nowMs = () => Date.now() + DAY_MS;
    // Whatever the first day asked for besides would come before this.
    await asked(2);
    assert.equal(puts(), before + 2);
  }));

test('a server that always has packages of another life, and no last-resort one, does not fill the disk', () =>
  on(async (play) => {
    const { ledger } = play.bob.engine;
    const madeMs = Date.now();
    // As many as are kept, but for ten.
    const record = (at: number): KeyPackageRecord => ({
      reference: sha256(new Uint8Array([at >> 8, at & 255])),
      keyPackage: new Uint8Array(8),
      secrets: new Uint8Array(8),
      lastResort: false,
      published: true,
      madeMs,
    });
    const fill = Array.from({ length: 990 - ledger.keyPackages.size }, (_, at) => record(at));
    await ledger.commit(fill.map((value) => ({ put: 'keyPackage', value })));
    for (let attach = 0; attach < 3; attach += 1) {
      await replenish(play.bob.engine, 2 ** 30, false, true);
      await replenish(play.bob.engine, 0, false);
    }
    assert.equal(ledger.keyPackages.size, 1000);
    // What is left to be offered is one that can be opened.
    const [lastResort] = [...ledger.keyPackages.values()].filter((one) => one.lastResort);
    assert.equal(offered(play).at(-1), toBase64url(lastResort?.keyPackage ?? new Uint8Array(0)));
  }));
