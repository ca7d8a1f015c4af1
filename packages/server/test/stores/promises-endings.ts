/** What a driver promises of what ends: devices, accounts, rows that nobody fetches, and who is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId, GroupId } from '@securechat/wire';
import { codes, control, defaultLimits } from '@securechat/wire';
import type { AppendedRow } from '../../src/stores/port.ts';
import { bytesNamed, commit, founding, idNamed, join, message, NOW_MS } from './stage.ts';
import { accepted, all, DAY_MS, group, kinds, refused, seqs } from './place.ts';
import type { Places } from './place.ts';

export function promiseEndings(name: string, { begin, pair }: Places): void {
  test(`${name}: an ended device is fenced, and what it never got bounces to the senders, once each`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const lost = message(anna, group);
    accepted(await at.store.submit(lost));
    accepted(await at.store.submit(commit(anna, group)));
    const change = { account: bert.account, sequence: 2, add: [idNamed<DeviceId>('bert.new')], remove: [bert.device] };
    const { ok, rows } = await at.store.put([], { ...change, cause: 'RECIPIENT_RESET' });
    assert.equal(ok, true);
    assert.equal(rows.length, 1);
    assert.deepEqual([rows[0]?.device, rows[0]?.kind, rows[0]?.seq], [anna.device, 'bounce', 1]);
    const bounce = control.Bounce.decode(rows[0]!.payload);
    assert.equal(Buffer.from(bounce.id).toString('base64url'), lost.submit.id);
    assert.equal(bounce.code, codes.RECIPIENT_RESET.number);
    assert.deepEqual(kinds(await all(at.store, anna)), ['bounce']);
    assert.deepEqual(await all(at.store, bert), []);
    assert.equal(await at.store.attach(bert.device, 0, NOW_MS), undefined);
    assert.equal(refused(await at.store.submit(message(bert, group))), 'DEVICE_REVOKED');
    assert.equal(refused(await at.store.submit(message(anna, group, { epoch: 2 }))), 'DEVICES_CHANGED');
    // An id that was used is not used again, and nobody removes the device of another.
    assert.equal(
      (await at.store.put([], { ...change, add: [bert.device], remove: [], cause: 'RECIPIENT_RESET' })).ok,
      false,
    );
    assert.equal(
      (await at.store.put([], { ...change, add: [], remove: [anna.device], cause: 'RECIPIENT_RESET' })).ok,
      false,
    );
  });

  test(`${name}: what came back to a device that has ended comes to the one that took its place, read or not`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const [first, second] = [message(anna, group), message(anna, group, { chainNumber: 2 })];
    accepted(await at.store.submit(first));
    accepted(await at.store.submit(second));
    const reset = (of: typeof anna, add: DeviceId, remove: DeviceId, sequence: number) =>
      at.store.put([], { account: of.account, sequence, add: [add], remove: [remove], cause: 'RECIPIENT_RESET' });
    const [next, last] = [idNamed<DeviceId>('anna.next'), idNamed<DeviceId>('anna.last')];
    // Sent by a device that has ended when they come back.
    assert.deepEqual((await reset(anna, next, anna.device, 2)).rows, []);
    const { rows } = await reset(bert, idNamed<DeviceId>('bert.new'), bert.device, 2);
    assert.deepEqual(
      rows.map((row) => [row.device, row.kind, row.seq]),
      [
        [next, 'bounce', 1],
        [next, 'bounce', 2],
      ],
    );
    // Not read by the one that they came back to.
    const passedOn = await reset(anna, last, next, 3);
    assert.deepEqual(
      passedOn.rows.map((row) => [row.device, row.kind, row.seq]),
      [
        [last, 'bounce', 1],
        [last, 'bounce', 2],
      ],
    );
    const ids = await at.store.fetch(last, 0, 10, 10_000);
    assert.deepEqual(
      ids.map(({ payload }) => Buffer.from(control.Bounce.decode(payload).id).toString('base64url')),
      [first.submit.id, second.submit.id],
    );
  });

  test(`${name}: a founding that never arrived bounces once, with its first message`, async () => {
    await using at = await begin();
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    accepted(await at.store.submit(founding(anna, bert, group, { founding: { firstMessage: bytesNamed('hi') } })));
    const change = { account: bert.account, sequence: 2, add: [], remove: [bert.device], cause: 'RECIPIENT_RESET' };
    assert.equal((await at.store.put([], change as never)).rows.length, 1);
  });

  test(`${name}: with another device of the account left nothing bounces`, async () => {
    await using at = await begin();
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    const second = idNamed<DeviceId>('bert.2');
    const change = { account: bert.account, sequence: 1, add: [second], remove: [], cause: 'RECIPIENT_RESET' } as const;
    await at.store.put([], change);
    const devices = [anna.device, bert.device, second];
    accepted(await at.store.submit(founding(anna, bert, group, { founding: { devices } })));
    const ended = await at.store.put([], { ...change, add: [], remove: [second] });
    assert.deepEqual(ended, { ok: true, rows: [] });
    assert.equal((await all(at.store, bert)).length, 1);
  });

  test(`${name}: what an own other device never got does not bounce: the peer may have it`, async () => {
    await using at = await begin();
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    const second = idNamed<DeviceId>('anna.2');
    const change = { account: anna.account, sequence: 1, remove: [], cause: 'RECIPIENT_RESET' } as const;
    await at.store.put([], { ...change, add: [second] });
    const devices = [anna.device, second, bert.device];
    accepted(await at.store.submit(founding(anna, bert, group, { founding: { devices } })));
    const rows = await at.store.deleteAccount(anna.account, NOW_MS);
    assert.deepEqual([rows, kinds(await all(at.store, bert))], [[], ['invitation']]);
  });

  test(`${name}: a deleted account is gone, its name stays, and what it never read bounces`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    accepted(await at.store.submit(message(anna, group)));
    accepted(await at.store.submit(message(bert, group)));
    await at.store.block(bert.account, anna.account, true, true);
    await at.store.block(anna.account, bert.account, true, false);
    const value = bytesNamed('v');
    await at.store.put([
      { space: 'name', key: 'bert', ifVersion: 0, value },
      { space: 'account', key: bert.account, ifVersion: 0, value },
      { space: 'vault', key: bert.account, ifVersion: 0, value },
      { space: 'counter', key: `${bert.account}/lookups`, ifVersion: 0, value },
      { space: 'counter', key: `${anna.account}/lookups`, ifVersion: 0, value },
    ]);
    const rows = await at.store.deleteAccount(bert.account, NOW_MS);
    assert.deepEqual(
      rows.map((row) => [row.device, row.kind, control.Bounce.decode(row.payload).code]),
      [[anna.device, 'bounce', codes.NO_SUCH_USER.number]],
    );
    assert.equal(await at.store.attach(bert.device, 0, NOW_MS), undefined);
    assert.equal((await at.store.get('name', ['bert'])).size, 1);
    assert.equal((await at.store.get('account', [bert.account])).size, 0);
    assert.equal((await at.store.get('vault', [bert.account])).size, 0);
    assert.equal((await at.store.list('counter', '', '', 10)).length, 1);
    assert.deepEqual([await at.store.blocks(bert.account), await at.store.blocks(anna.account)], [[], []]);
    assert.deepEqual(await at.store.contacts(anna.account), []);
    assert.equal(refused(await at.store.submit(message(anna, group))), 'NO_SUCH_GROUP');
    assert.equal(refused(await at.store.submit(founding(anna, bert, idNamed<GroupId>('new')))), 'DEVICES_CHANGED');
    // What it had sent before is still delivered.
    assert.deepEqual(kinds(await all(at.store, anna)), ['message', 'bounce']);
    await at.again();
    assert.deepEqual(await at.store.deleteAccount(bert.account, NOW_MS), []);
  });

  test(`${name}: rows expire after mailboxDays (30) of running, leave one tombstone, and their senders are told`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const pass = async (days: number): Promise<readonly AppendedRow[]> => {
      at.clock.wallMs += days * DAY_MS;
      at.clock.upMs += days * DAY_MS;
      const { more, rows } = await at.store.maintain(at.clock.wallMs, 1000);
      assert.equal(more, false);
      return rows;
    };
    accepted(await at.store.submit(message(anna, group)));
    accepted(await at.store.submit(message(anna, group)));
    await pass(defaultLimits.mailboxDays - 10);
    accepted(await at.store.submit(message(anna, group)));
    await pass(10);
    assert.deepEqual(seqs(await all(at.store, bert)), [2, 3, 4]);
    const announced = await pass(1);
    const rows = await all(at.store, bert);
    assert.deepEqual(
      [seqs(rows), kinds(rows)],
      [
        [3, 4],
        ['expired', 'message'],
      ],
    );
    assert.deepEqual({ ...control.Missing.decode(rows[0]!.payload) }, { from: 2, to: 3, count: 2 });
    const bounces = await all(at.store, anna);
    assert.deepEqual(kinds(bounces), ['bounce', 'bounce']);
    assert.deepEqual(
      announced,
      bounces.map((row) => ({ device: anna.device, ...row })),
      'and what is to be announced is just that',
    );
    // A tombstone alone stays as it is; with later rows it grows.
    await pass(5);
    assert.equal((await all(at.store, bert)).length, 2);
    await pass(30);
    const last = await all(at.store, bert);
    assert.deepEqual([seqs(last), kinds(last)], [[4], ['expired']]);
    assert.deepEqual({ ...control.Missing.decode(last[0]!.payload) }, { from: 2, to: 4, count: 3 });
    assert.equal(accepted(await at.store.submit(message(anna, group))).rows[0]?.seq, 5);
    await at.store.ack(bert.device, bert.generation, 5);
    assert.deepEqual(await all(at.store, bert), []);
  });

  test(`${name}: a commit that expires comes back as what it is: its group cannot be followed any more`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const [first, keys] = [message(anna, group), commit(anna, group)];
    accepted(await at.store.submit(first));
    accepted(await at.store.submit(keys));
    at.clock.wallMs += (defaultLimits.mailboxDays + 1) * DAY_MS;
    at.clock.upMs += (defaultLimits.mailboxDays + 1) * DAY_MS;
    await at.store.maintain(at.clock.wallMs, 1000);
    const bounces = (await all(at.store, anna)).map((row) => control.Bounce.decode(row.payload));
    // Before them bert had an invitation, which comes back to anna as well.
    assert.deepEqual(
      bounces
        .slice(-2)
        .map(({ id, code, commit: ofCommit }) => [Buffer.from(id).toString('base64url'), code, ofCommit]),
      [
        [first.submit.id, codes.EXPIRED.number, undefined],
        [keys.submit.id, codes.EXPIRED.number, true],
      ],
    );
    assert.deepEqual(kinds(await all(at.store, bert)), ['expired']);
  });

  test(`${name}: a bounce outlives its days: it comes again under a new number, and is not counted as gone`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const pass = async (days: number) => {
      at.clock.wallMs += days * DAY_MS;
      at.clock.upMs += days * DAY_MS;
      return (await at.store.maintain(at.clock.wallMs, 1000)).rows;
    };
    accepted(await at.store.submit(message(anna, group)));
    await pass(defaultLimits.mailboxDays + 1);
    const [bounce] = await all(at.store, anna);
    assert.equal(bounce?.kind, 'bounce');
    const announced = await pass(defaultLimits.mailboxDays + 1);
    const rows = await all(at.store, anna);
    assert.deepEqual(kinds(rows), ['expired', 'bounce']);
    assert.deepEqual({ ...control.Missing.decode(rows[0]!.payload) }, { from: bounce.seq, to: bounce.seq, count: 0 });
    assert.deepEqual([rows[1]!.seq, rows[1]!.payload], [bounce.seq + 1, bounce.payload]);
    assert.deepEqual(announced, [{ device: anna.device, ...rows[1] }]);
    await at.store.ack(anna.device, anna.generation, bounce.seq + 1);
    assert.deepEqual(await all(at.store, anna), []);
    await at.store.ack(bert.device, bert.generation, 100);
  });

  test(`${name}: a clock that jumps expires nothing, and neither does time switched off`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    accepted(await at.store.submit(message(anna, group)));
    const keeps = async (): Promise<void> => {
      await at.store.maintain(at.clock.wallMs, 1000);
      assert.deepEqual(kinds(await all(at.store, bert)), ['message']);
    };
    await keeps();
    at.clock.wallMs += 31 * DAY_MS;
    at.clock.upMs += 60_000;
    await keeps();
    at.clock.wallMs -= 365 * DAY_MS;
    at.clock.upMs += 60_000;
    await keeps();
    // The monotonic clock ran on while the wall clock stood still.
    at.clock.upMs += 40 * DAY_MS;
    await keeps();
    // Off for a year: the monotonic clock of the machine may even start again.
    await at.again(() => {
      at.clock.wallMs += 365 * DAY_MS;
      at.clock.upMs = 5;
    });
    await keeps();
    for (let day = 0; day < 31; day += 1) {
      at.clock.wallMs += DAY_MS;
      at.clock.upMs += DAY_MS;
      await at.store.maintain(at.clock.wallMs, 1000);
    }
    assert.deepEqual(kinds(await all(at.store, bert)), ['expired']);
  });

  test(`${name}: maintenance keeps its budget and says that there is more`, async () => {
    await using at = await begin();
    const expiresMs = NOW_MS + 1;
    for (let block = 0; block < 10; block += 1)
      await at.store.put(
        Array.from({ length: 50 }, (_, index) => ({
          space: 'challenge' as const,
          key: `${block}/${index}`,
          ifVersion: 0,
          value: bytesNamed('v'),
          expiresMs,
        })),
      );
    assert.equal((await at.store.maintain(expiresMs, 0)).more, true);
    assert.equal((await at.store.maintain(expiresMs, 1000)).more, false);
  });
}
