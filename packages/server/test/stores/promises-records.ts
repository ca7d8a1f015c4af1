/** What a driver promises of records and key packages, and after its close. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId } from '@securechat/wire';
import { bytesNamed, idNamed, join, message, NOW_MS } from './stage.ts';
import { accepted, group, plain, small, storeError } from './place.ts';
import type { Places } from './place.ts';

export function promiseRecords(name: string, { begin, pair }: Places): void {
  test(`${name}: a one-time key package is handed out once, ever, to whoever asks first`, async () => {
    const place = await begin(small);
    await using at = place;
    const anna = await join(at.store, 'anna');
    const packages = Array.from({ length: 6 }, (_, index) => bytesNamed(`package ${index}`, 100));
    assert.equal(await at.store.putKeyPackages(anna.device, packages.slice(0, 3), bytesNamed('last')), 3);
    assert.equal(await at.store.putKeyPackages(anna.device, packages.slice(0, 3), undefined), 3);
    assert.equal(await at.store.putKeyPackages(anna.device, packages, undefined), 4);
    assert.deepEqual(plain(await at.store.keyPackageStock(anna.device)), { oneTime: 4, lastResort: true });
    const takes = await Promise.all(Array.from({ length: 8 }, () => at.store.takeKeyPackages([anna.device])));
    const taken = takes.map((each) => each.get(anna.device));
    const once = taken
      .filter((each) => each?.lastResort === false)
      .map((each) => Buffer.from(each!.keyPackage).toString());
    assert.equal(once.length, 4);
    assert.equal(new Set(once).size, 4);
    assert.deepEqual(
      taken.map((each) => each?.left),
      [3, 2, 1, 0, 0, 0, 0, 0],
    );
    assert.deepEqual(plain(taken[7]?.keyPackage), plain(bytesNamed('last')));
    // The client repeats an upload whose answer it missed: what was handed out stays out.
    assert.equal(await at.store.putKeyPackages(anna.device, packages.slice(0, 4), undefined), 0);
    await at.again();
    assert.equal(await at.store.putKeyPackages(anna.device, packages, undefined), 2);
    assert.equal((await at.store.takeKeyPackages([idNamed<DeviceId>('unknown')])).size, 0);
    const twice = await at.store.takeKeyPackages([anna.device, anna.device]);
    assert.deepEqual([twice.size, twice.get(anna.device)?.left], [1, 1]);
  });

  test(`${name}: records change by version, all of a write or none of it`, async () => {
    await using at = await begin();
    const value = bytesNamed('value');
    const write = (key: string, ifVersion: number | 'any', over = {}) =>
      ({ space: 'invite', key, ifVersion, value, ...over }) as const;
    assert.deepEqual(await at.store.put([write('a', 0), write('b', 0)]), { ok: true, rows: [] });
    assert.deepEqual(await at.store.put([write('c', 0), write('b', 0)]), { ok: false, rows: [] });
    assert.equal((await at.store.get('invite', ['c'])).size, 0);
    assert.equal((await at.store.put([write('a', 1)])).ok, true);
    assert.equal((await at.store.put([write('a', 1)])).ok, false);
    assert.equal((await at.store.put([write('a', 'any')])).ok, true);
    assert.deepEqual(
      plain((await at.store.get('invite', ['a', 'zz'])).get('a')),
      plain({ key: 'a', version: 3, value }),
    );
    assert.equal((await at.store.get('vault', ['a'])).size, 0);
    assert.equal((await at.store.put([write('b', 1, { value: null })])).ok, true);
    assert.equal((await at.store.put([write('b', 0)])).ok, true);
    const many = Array.from({ length: 65 }, (_, index) => write(`m${String(index).padStart(2, '0')}`, 0));
    await assert.rejects(at.store.put(many), storeError('invalid'));
    assert.equal((await at.store.put(many.slice(1))).ok, true);
    await assert.rejects(at.store.put([write('q', 0), write('q', 0)]), storeError('invalid'));
    assert.deepEqual(
      (await at.store.list('invite', 'm', 'm02', 3)).map((record) => record.key),
      ['m03', 'm04', 'm05'],
    );
    assert.deepEqual(
      (await at.store.list('invite', '', '', 2)).map((record) => record.key),
      ['a', 'b'],
    );
    const race = await Promise.all(Array.from({ length: 10 }, () => at.store.put([write('raced', 0)])));
    assert.equal(race.filter((each) => each.ok).length, 1);
  });

  test(`${name}: an expired record is not there, can be made anew, and is swept`, async () => {
    await using at = await begin();
    const expiresMs = NOW_MS + 1000;
    const write = { space: 'challenge', key: 'x', ifVersion: 0, value: bytesNamed('v'), expiresMs } as const;
    assert.equal((await at.store.put([write])).ok, true);
    at.clock.wallMs = expiresMs - 1;
    assert.equal((await at.store.get('challenge', ['x'])).size, 1);
    at.clock.wallMs = expiresMs;
    assert.equal((await at.store.get('challenge', ['x'])).size, 0);
    assert.deepEqual(await at.store.list('challenge', '', '', 10), []);
    assert.equal((await at.store.put([{ ...write, expiresMs: expiresMs + 5 }])).ok, true);
    assert.deepEqual(await at.store.maintain(expiresMs + 5, 1000), { more: false, rows: [] });
    at.clock.wallMs = NOW_MS;
    assert.equal((await at.store.get('challenge', ['x'])).size, 0);
  });

  test(`${name}: after close every call is refused, and what was asked before is answered`, async () => {
    const { place, anna } = await pair();
    const last = place.store.submit(message(anna, group));
    await place.store.close();
    accepted(await last);
    await place.store.close();
    await assert.rejects(place.store.submit(message(anna, group)), storeError('closed'));
    await assert.rejects(place.store.get('name', ['x']), storeError('closed'));
  });
}
