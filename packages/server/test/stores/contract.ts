/**
 * What every storage driver keeps (packages/server/src/stores/port.ts). A driver's test file calls `holdsContract` with a
 * way to open it. One test compares random histories with the model; the others name the promises one by one.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { AccountId, DeviceId, GroupId, Limits } from '@securechat/wire';
import { codes, control, defaultLimits } from '@securechat/wire';
import type { AppendedRow, FoundingFacts, Store, Submission, SubmitResult } from '../../src/stores/port.ts';
import { StoreError } from '../../src/stores/port.ts';
import { ModelStore } from './model.ts';
import type { Actor } from './stage.ts';
import { attach, bytesNamed, commit, founding, idNamed, join, message, NOW_MS, senderOf } from './stage.ts';

export interface DriverOptions {
  readonly directory: string;
  readonly limits: Limits;
  readonly clock: TestClock;
}

export type OpenDriver = (options: DriverOptions) => Promise<Store>;

/** Both clocks stand still unless a test moves them. */
export class TestClock {
  wallMs = NOW_MS;
  upMs = 0;
  now(): number {
    return this.wallMs;
  }
  monotonicMs(): number {
    return this.upMs;
  }
}

const DAY_MS = 24 * 60 * 60 * 1000;
const small: Limits = {
  ...defaultLimits,
  mailboxRowsMax: 6,
  mailboxReservedRows: 3,
  mailboxBytesMax: 4000,
  keyPackagesStoredMax: 4,
  blocksMax: 2,
};

export function holdsContract(name: string, open: OpenDriver): void {
  const folder = mkdtempSync(joinPath(tmpdir(), 'securechat-store-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let folders = 0;

  /** A store in a new folder; `again` closes it and opens the same folder. */
  async function begin(limits: Limits = defaultLimits) {
    folders += 1;
    const options = { directory: joinPath(folder, String(folders)), limits, clock: new TestClock() };
    const place = {
      ...options,
      store: await open(options),
      again: async (): Promise<void> => {
        await place.store.close();
        place.store = await open(options);
      },
      [Symbol.asyncDispose]: (): Promise<void> => place.store.close(),
    };
    return place;
  }

  const group = idNamed<GroupId>('group');

  /** Anna and Bert, attached, in one group of epoch 1; Bert's mailbox is empty. */
  async function pair(limits?: Limits) {
    const place = await begin(limits);
    const anna = await join(place.store, 'anna');
    const bert = await join(place.store, 'bert');
    accepted(await place.store.submit(founding(anna, bert, group)));
    await place.store.ack(bert.device, bert.generation, 1);
    return { place, anna, bert };
  }

  const all = (store: Store, actor: Actor, after = 0) => store.fetch(actor.device, after, 1000, 1e9);

  test(`${name}: a submission is stored once, numbered, fetched, acknowledged and gone`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const first = accepted(await at.store.submit(message(anna, group, { payload: bytesNamed('hello') })));
    assert.deepEqual(first.devices, [{ device: bert.device, state: 'stored' }]);
    assert.deepEqual(first.peers, [bert.account]);
    const row = { seq: 2, kind: 'message', group, storedAtMs: NOW_MS, payload: bytesNamed('hello') };
    assert.deepEqual(first.rows, [{ device: bert.device, ...row }]);
    assert.deepEqual(plain(await all(at.store, bert)), plain([row]));
    assert.deepEqual(await all(at.store, anna), []);
    await at.again();
    await attach(at.store, bert, 1);
    assert.deepEqual(plain(await all(at.store, bert, 1)), plain([row]));
    await at.store.ack(bert.device, bert.generation, 2);
    await at.store.ack(bert.device, bert.generation, 2);
    assert.deepEqual(await all(at.store, bert), []);
    // The number goes on where it was, although nothing is stored any more.
    await at.again();
    await attach(at.store, anna);
    const next = accepted(await at.store.submit(message(anna, group)));
    assert.equal(next.rows[0]?.seq, 3);
  });

  test(`${name}: the same submission again gets the first answer, also after a restart, and stores nothing`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const submission = message(anna, group);
    const first = accepted(await at.store.submit(submission));
    await at.again();
    await attach(at.store, anna);
    const again = { ...submission, sender: senderOf(anna), submit: { ...submission.submit, lowestUnresolved: 1 } };
    const repeat = accepted(await at.store.submit(again));
    assert.deepEqual(
      [repeat.repeat, repeat.devices, repeat.peers, repeat.rows],
      [true, first.devices, first.peers, []],
    );
    assert.equal((await all(at.store, bert)).length, 1);
    const other = { ...again, submit: { ...again.submit, payload: bytesNamed('other') } };
    assert.equal(refused(await at.store.submit(other)), 'ID_REUSED');
    for (const over of [
      { kind: 'commit' as const },
      { epoch: 2 },
      { chainNumber: 99 },
      { group: idNamed<GroupId>('x') },
    ])
      assert.equal(refused(await at.store.submit({ ...again, submit: { ...again.submit, ...over } })), 'ID_REUSED');
  });

  test(`${name}: a refusal leaves nothing: the same id is accepted later under a fresh number`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const submission = message(anna, group);
    const limited = { ...submission, refusal: { code: 'RATE_LIMITED' as const, detail: { retryAfterMs: 50 } } };
    const result = await at.store.submit(limited);
    assert.deepEqual(result, { kind: 'refused', code: 'RATE_LIMITED', detail: { retryAfterMs: 50 } });
    assert.deepEqual(await all(at.store, bert), []);
    anna.submitNumber += 1;
    const again = { ...submission, submit: { ...submission.submit, submitNumber: anna.submitNumber } };
    assert.equal(accepted(await at.store.submit(again)).repeat, false);
    // Accepted is accepted: a limit that comes later does not take it back.
    assert.equal(accepted(await at.store.submit({ ...again, refusal: limited.refusal })).repeat, true);
  });

  test(`${name}: ids below the lowest unresolved number are forgotten`, async () => {
    const { place, anna } = await pair();
    await using at = place;
    const early = message(anna, group);
    accepted(await at.store.submit(early));
    const kept = message(anna, group, { lowestUnresolved: early.submit.submitNumber });
    accepted(await at.store.submit(kept));
    assert.equal(accepted(await at.store.submit(early)).repeat, true);
    accepted(await at.store.submit(message(anna, group)));
    assert.equal(refused(await at.store.submit(early)), 'STATE_ROLLED_BACK');
    assert.equal(refused(await at.store.submit(kept)), 'STATE_ROLLED_BACK');
  });

  test(`${name}: after a refusal later chain numbers wait until the refused one is accepted, per attach`, async () => {
    const { place, anna } = await pair();
    await using at = place;
    const stale = message(anna, group, { chainNumber: 5, epoch: 9 });
    assert.equal(refused(await at.store.submit(stale)), 'EPOCH_STALE');
    assert.equal(refused(await at.store.submit(message(anna, group, { chainNumber: 6 }))), 'PREDECESSOR_REFUSED');
    accepted(await at.store.submit(commit(anna, group)));
    accepted(await at.store.submit(message(anna, group, { chainNumber: 5, epoch: 2 })));
    assert.equal(
      refused(await at.store.submit(message(anna, group, { chainNumber: 7, epoch: 2 }))),
      'PREDECESSOR_REFUSED',
    );
    accepted(await at.store.submit(message(anna, group, { chainNumber: 6, epoch: 2 })));
    accepted(await at.store.submit(message(anna, group, { chainNumber: 7, epoch: 2 })));
    assert.equal(refused(await at.store.submit(message(anna, group, { chainNumber: 8 }))), 'EPOCH_STALE');
    await attach(at.store, anna);
    accepted(await at.store.submit(message(anna, group, { chainNumber: 9, epoch: 2 })));
  });

  test(`${name}: attach fences: an older generation neither submits nor acknowledges`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    accepted(await at.store.submit(message(anna, group)));
    const old = { ...anna };
    await attach(at.store, anna);
    assert.equal(anna.generation, old.generation + 1);
    assert.equal(refused(await at.store.submit(message(old, group))), 'SESSION_REPLACED');
    await attach(at.store, bert, 1);
    await at.store.ack(bert.device, bert.generation - 1, 99);
    assert.equal((await all(at.store, bert)).length, 1);
    assert.equal(await at.store.attach(idNamed<DeviceId>('unknown'), 0, NOW_MS), undefined);
  });

  test(`${name}: attach acknowledges what the device has stored, and tells numbers`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
    const attached = await at.store.attach(bert.device, 3, NOW_MS);
    assert.deepEqual([attached?.mailboxNext, attached?.submitNumberHighest], [5, 0]);
    assert.deepEqual(seqs(await all(at.store, bert)), [4]);
    assert.equal((await at.store.attach(anna.device, 0, NOW_MS))?.submitNumberHighest, 4);
    await assert.rejects(at.store.attach(anna.device, -1, NOW_MS), storeError('invalid'));
    await assert.rejects(at.store.attach(anna.device, 2 ** 53, NOW_MS), storeError('invalid'));
  });

  test(`${name}: a cursor ahead of the store (a restored copy) loses nothing: waiting rows move above it`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
    await attach(at.store, bert, 50);
    assert.deepEqual(seqs(await all(at.store, bert, 50)), [51, 52, 53]);
    assert.equal(accepted(await at.store.submit(message(anna, group))).rows[0]?.seq, 54);
    await at.store.ack(bert.device, bert.generation, 54);
    await attach(at.store, bert, 99);
    assert.equal(accepted(await at.store.submit(message(anna, group))).rows[0]?.seq, 100);
  });

  test(`${name}: a cursor of another history acknowledges nothing, wherever it stands`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 9; count += 1) accepted(await at.store.submit(message(anna, group)));
    const { history } = (await at.store.attach(bert.device, 0, NOW_MS)) ?? {};
    assert.ok(history !== undefined && Number.isSafeInteger(history));
    // A device that comes back late to a restored copy: by now its old numbers were given out again, to other rows.
    const attached = await at.store.attach(bert.device, 6, NOW_MS, history + 1);
    assert.deepEqual([attached?.mailboxNext, attached?.history], [16, history]);
    assert.deepEqual(seqs(await all(at.store, bert, 6)), [7, 8, 9, 10, 11, 12, 13, 14, 15]);
    // Its answer may be lost: the same again changes nothing.
    assert.equal((await at.store.attach(bert.device, 6, NOW_MS, history + 1))?.mailboxNext, 16);
    assert.equal((await all(at.store, bert, 6)).length, 9);
    assert.equal((await at.store.attach(bert.device, 8, NOW_MS, history))?.mailboxNext, 16);
    assert.deepEqual(seqs(await all(at.store, bert)), [9, 10, 11, 12, 13, 14, 15]);
  });

  test(`${name}: fetch keeps its bounds, and gives at least one row`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    for (let count = 0; count < 5; count += 1) accepted(await at.store.submit(message(anna, group)));
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 2, 1e9)), [2, 3]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 3, 2, 1e9)), [4, 5]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 600)), [2, 3]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 599)), [2]);
    assert.deepEqual(seqs(await at.store.fetch(bert.device, 0, 100, 1)), [2]);
    assert.deepEqual(await at.store.fetch(idNamed<DeviceId>('unknown'), 0, 100, 1e9), []);
  });

  test(`${name}: submissions under way at once get gap-free numbers in the order of their answers`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const results = await Promise.all(Array.from({ length: 300 }, () => at.store.submit(message(anna, group))));
    assert.deepEqual(
      results.map((result) => accepted(result).rows[0]?.seq),
      results.map((_result, index) => index + 2),
    );
    // Each row holds its own message, whatever went to the writer together.
    assert.deepEqual(
      (await all(at.store, bert)).map((row) => Buffer.from(row.payload).toString().replaceAll('\0', '')),
      results.map((_result, index) => `message ${index + 2}`),
    );
  });

  test(`${name}: of two foundings of one slot at once exactly one wins, and the loser learns of the winner`, async () => {
    await using at = await begin();
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    const [theirs, ours] = [idNamed<GroupId>('by bert'), idNamed<GroupId>('by anna')];
    const results = await Promise.all([
      at.store.submit(founding(anna, bert, ours)),
      at.store.submit(founding(bert, anna, theirs)),
    ]);
    assert.deepEqual(results.map((result) => result.kind).sort(), ['accepted', 'refused']);
    const lost = results.find((result) => result.kind === 'refused');
    assert.ok(lost?.kind === 'refused' && lost.code === 'SLOT_TAKEN' && lost.detail.generation === 1);
    assert.equal(lost.detail.devices?.length, 2);
    const won = results[0].kind === 'accepted' ? ours : theirs;
    const gone = won === ours ? theirs : ours;
    accepted(await at.store.submit(message(anna, won)));
    assert.equal(refused(await at.store.submit(message(anna, gone))), 'NO_SUCH_GROUP');
    // A successor supersedes.
    const next = idNamed<GroupId>('successor');
    accepted(await at.store.submit(founding(bert, anna, next, { founding: { generation: 2, predecessor: won } })));
    const late = await at.store.submit(message(anna, won));
    assert.ok(late.kind === 'refused' && late.code === 'GROUP_SUPERSEDED' && late.detail.generation === 2);
  });

  test(`${name}: of many commits in one epoch exactly one wins`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => at.store.submit(commit(index % 2 === 0 ? anna : bert, group))),
    );
    assert.equal(results.filter((result) => result.kind === 'accepted').length, 1);
    const stale = results.find((result) => result.kind === 'refused');
    assert.ok(stale?.kind === 'refused' && stale.code === 'EPOCH_STALE' && stale.detail.epoch === 2);
    accepted(await at.store.submit(message(bert, group, { epoch: 2 })));
  });

  test(`${name}: the mailbox is full at its limit and not before, in rows and in bytes`, async () => {
    for (const limits of [
      { ...defaultLimits, mailboxRowsMax: 3 },
      { ...defaultLimits, mailboxBytesMax: 900 },
    ]) {
      const { place, anna, bert } = await pair(limits);
      await using at = place;
      for (let count = 0; count < 3; count += 1) accepted(await at.store.submit(message(anna, group)));
      assert.equal(refused(await at.store.submit(message(anna, group, { chainNumber: 9 }))), 'MAILBOX_FULL');
      accepted(await at.store.submit(commit(anna, group)));
      await at.store.ack(bert.device, bert.generation, 3);
      accepted(await at.store.submit(message(anna, group, { chainNumber: 9, epoch: 2 })));
    }
  });

  test(`${name}: one full device of two gets one resync row, until it was acknowledged`, async () => {
    await using at = await begin({ ...defaultLimits, mailboxRowsMax: 2 });
    const anna = await join(at.store, 'anna');
    const bert = await join(at.store, 'bert');
    const second = { ...bert, device: idNamed<DeviceId>('bert.2') };
    await at.store.put([], {
      account: bert.account,
      sequence: 1,
      add: [second.device],
      remove: [],
      cause: 'RECIPIENT_RESET',
    });
    await attach(at.store, second);
    const devices = [anna.device, bert.device, second.device];
    accepted(await at.store.submit(founding(anna, bert, group, { founding: { devices } })));
    for (let seq = 1; seq <= 5; seq += 1) {
      await at.store.ack(bert.device, bert.generation, seq);
      accepted(await at.store.submit(message(anna, group, { chainNumber: seq })));
    }
    assert.deepEqual(kinds(await all(at.store, second)), ['invitation', 'message', 'resync']);
    await at.store.ack(second.device, second.generation, 1);
    const states = accepted(await at.store.submit(message(anna, group, { chainNumber: 6 }))).devices;
    assert.deepEqual(states.map((each) => each.state).sort(), ['resync', 'stored']);
    await at.store.ack(second.device, second.generation, 3);
    accepted(await at.store.submit(message(anna, group, { chainNumber: 7 })));
    for (const chainNumber of [8, 9]) {
      await at.store.ack(bert.device, bert.generation, 99);
      accepted(await at.store.submit(message(anna, group, { chainNumber })));
    }
    assert.deepEqual(kinds(await all(at.store, second)), ['message', 'message', 'resync']);
  });

  test(`${name}: online-only is refused when no device of the peer is attached`, async () => {
    const { place, anna, bert } = await pair();
    await using at = place;
    const online = (): Submission => message(anna, group, { onlineOnly: true, chainNumber: 1 });
    accepted(await at.store.submit(online()));
    await at.store.detach(bert.device, bert.generation - 1);
    accepted(await at.store.submit(online()));
    await at.store.detach(bert.device, bert.generation);
    assert.equal(refused(await at.store.submit(online())), 'RECIPIENT_OFFLINE');
    const server = { ...message(anna, group, { chainNumber: 1 }), onlineOnly: true };
    assert.equal(refused(await at.store.submit(server)), 'RECIPIENT_OFFLINE');
    await attach(at.store, bert);
    accepted(await at.store.submit(online()));
    await at.again();
    await attach(at.store, anna);
    assert.equal(refused(await at.store.submit(online())), 'RECIPIENT_OFFLINE');
  });

  test(`${name}: blocks refuse, quiet ones swallow, both only that direction, up to their limit`, async () => {
    const { place, anna, bert } = await pair(small);
    await using at = place;
    assert.equal(await at.store.block(bert.account, anna.account, true, false), true);
    assert.equal(refused(await at.store.submit(message(anna, group, { chainNumber: 1 }))), 'BLOCKED');
    accepted(await at.store.submit(message(bert, group)));
    assert.equal(await at.store.block(bert.account, anna.account, true, true), true);
    const quiet = message(anna, group, { chainNumber: 1 });
    assert.deepEqual(accepted(await at.store.submit(quiet)).devices, [{ device: bert.device, state: 'stored' }]);
    assert.equal(accepted(await at.store.submit(quiet)).repeat, true);
    assert.deepEqual(await all(at.store, bert), []);
    assert.deepEqual(await at.store.contacts(bert.account), []);
    assert.equal(await at.store.block(bert.account, idNamed<AccountId>('c'), true, false), true);
    assert.equal(await at.store.block(bert.account, idNamed<AccountId>('d'), true, false), false);
    assert.equal(await at.store.block(bert.account, anna.account, true, true), true);
    assert.deepEqual(plain(await at.store.blocks(bert.account)), [
      { account: anna.account, quiet: true },
      { account: idNamed<AccountId>('c'), quiet: false },
    ]);
    assert.equal(await at.store.block(bert.account, anna.account, false, false), true);
    accepted(await at.store.submit(message(anna, group, { chainNumber: 2 })));
    assert.deepEqual(await at.store.contacts(bert.account), [anna.account]);
    assert.deepEqual(await at.store.contacts(anna.account), [bert.account]);
  });

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
    await at.store.close();
    at.clock.wallMs += 365 * DAY_MS;
    at.clock.upMs = 5;
    at.store = await open(at);
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

  test(`${name}: after close every call is refused, and what was asked before is answered`, async () => {
    const { place, anna } = await pair();
    const last = place.store.submit(message(anna, group));
    await place.store.close();
    accepted(await last);
    await place.store.close();
    await assert.rejects(place.store.submit(message(anna, group)), storeError('closed'));
    await assert.rejects(place.store.get('name', ['x']), storeError('closed'));
  });

  test(`${name}: random histories answer as the model does`, async () => {
    await using at = await begin(small);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryStep, { minLength: 40, maxLength: 120 }), async (steps) => {
        run += 1;
        await playBoth(at, `${run}`, steps);
      }),
      { includeErrorInReport: true, numRuns: Number(process.env['SECURECHAT_RUNS'] ?? 25), endOnFailure: true },
    );
  });
}

type Place = { store: Store; readonly limits: Limits; readonly clock: TestClock; again(): Promise<void> };

/** [what, who, with whom, a number to choose by, a flag] */
type Step = readonly [what: (typeof what)[number], who: number, whom: number, pick: number, flag: boolean];

const what = [
  ...Array.from({ length: 16 }, () => 'message' as const),
  'found',
  'commit',
  'resend',
  'attach',
  'detach',
  'ack',
  'ack',
  'fetch',
  'block',
  'putKeys',
  'takeKeys',
  'second',
  'reset',
  'delete',
  'record',
  'restart',
] as const;

const arbitraryStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(...what),
  fc.nat(2),
  fc.integer({ min: 1, max: 2 }),
  fc.nat(11),
  fc.boolean(),
);

/** A person with one device or two. */
interface Role {
  readonly account: AccountId;
  devices: Actor[];
  sequence: number;
  made: number;
}

/** The same steps on store and model; every answer, and at the end every mailbox, must be equal. */
async function playBoth(at: Place, run: string, steps: readonly Step[]): Promise<void> {
  const model = new ModelStore(at.limits, () => at.clock.now());
  const roles: Role[] = [];
  const places = new Map<string, { group: GroupId; generation: number; epoch: number; chain: number }>();
  const sent: Submission[] = [];
  let groups = 0;

  const both = async <T>(call: (store: Store) => Promise<T>): Promise<T> => {
    const [real, expected] = [await call(at.store), await call(model)];
    assert.deepEqual(plain(real), plain(expected));
    return real;
  };
  const change = ({ account, sequence }: Role, add: DeviceId[], remove: DeviceId[]) =>
    both((store) => store.put([], { account, sequence, add, remove, cause: 'RECIPIENT_RESET' }));
  const attachBoth = async (actor: Actor, storedUpTo: number): Promise<void> => {
    // Every seventh cursor comes from a history that no store draws.
    const foreign = storedUpTo % 7 === 6 ? 2 ** 47 : undefined;
    const attached = await both(async (store) => {
      const answer = await store.attach(actor.device, storedUpTo, NOW_MS, foreign);
      return answer && { ...answer, history: 0 };
    });
    actor.generation = attached?.generation ?? 0;
  };
  const newDevice = (role: Role): Actor => {
    role.made += 1;
    const device = idNamed<DeviceId>(`${run}${role.account.slice(0, 8)}`, role.made);
    return { account: role.account, device, generation: 0, submitNumber: 0 };
  };
  const forgetPlaces = ({ account }: Role): void => {
    for (const key of places.keys()) if (key.includes(account)) places.delete(key);
  };
  for (const name of ['a', 'b', 'c']) {
    const role: Role = { account: idNamed<AccountId>(`${name}${run}`), devices: [], sequence: 1, made: 0 };
    role.devices = [newDevice(role)];
    roles.push(role);
    await change(role, [role.devices[0]!.device], []);
    await attachBoth(role.devices[0]!, 0);
  }
  const send = async (submission: Submission): Promise<SubmitResult> => {
    sent.push(submission);
    return both((store) => store.submit(submission));
  };

  const found = async (role: Role, peer: Role, { pick, flag }: { pick: number; flag: boolean }): Promise<void> => {
    groups += 1;
    const group = idNamed<GroupId>(`${run}group`, groups);
    const key = pairOf(role, peer);
    const generation = pick === 0 ? 3 : (places.get(key)?.generation ?? 0) + 1;
    const founded: Partial<FoundingFacts> = {
      slot: createHash('sha256')
        .update(`${run} ${key} ${role.sequence + peer.sequence}`)
        .digest(),
      peer: peer.account,
      generation,
      ownSequence: role.sequence,
      peerSequence: peer.sequence,
      devices: [...role.devices, ...peer.devices].map((each) => each.device),
      firstMessage: flag ? bytesNamed(`${run} first ${groups}`, 50) : undefined,
    };
    const over = { submit: { chainNumber: 1, payload: bytesNamed(`found ${groups}`) }, founding: founded };
    const [actor, target] = [role, peer].map(({ devices }) => devices[pick % devices.length]!) as [Actor, Actor];
    const result = await send(founding(actor, target, group, over));
    if (result.kind === 'accepted') places.set(key, { group, generation, epoch: 1, chain: 1 });
  };
  const sendMessage = async (
    role: Role,
    peer: Role,
    { pick, flag }: { pick: number; flag: boolean },
  ): Promise<void> => {
    const actor = role.devices[pick % role.devices.length]!;
    if (places.get(pairOf(role, peer)) === undefined) await found(role, peer, { pick: 1, flag });
    const place = places.get(pairOf(role, peer));
    if (place === undefined) return;
    place.chain += flag || pick > 2 ? 1 : 0;
    const result = await send(
      message(actor, place.group, {
        epoch: pick === 0 ? place.epoch + 1 : place.epoch,
        chainNumber: place.chain,
        onlineOnly: pick === 1,
        lowestUnresolved: Math.max(0, actor.submitNumber - pick),
        payload: bytesNamed(`${run} ${sent.length}`, 20 + pick * 100),
      }),
    );
    if (result.kind === 'refused' && result.code === 'DEVICES_CHANGED') await found(role, peer, { pick: 1, flag });
    // The client tries again from the refused number on; numbers are never below zero.
    if (result.kind === 'refused') place.chain = Math.max(0, place.chain - 1);
  };

  for (const [step, who, distance, pick, flag] of steps) {
    const role = roles[who]!;
    const actor = role.devices[pick % role.devices.length]!;
    const peer = roles[(who + distance) % 3]!;
    const target = peer.devices[pick % peer.devices.length]!;
    const place = places.get(pairOf(role, peer));
    const wrong = pick === 0;
    switch (step) {
      case 'message':
        await sendMessage(role, peer, { pick, flag });
        break;
      case 'found':
        await found(role, peer, { pick, flag });
        break;
      case 'commit': {
        if (place === undefined) break;
        const result = await send(commit(actor, place.group, { epoch: wrong ? 99 : place.epoch }));
        if (result.kind === 'accepted') place.epoch += 1;
        break;
      }
      case 'resend': {
        const old = sent.at(-1 - (pick % 4));
        const owner = roles.flatMap((each) => each.devices).find((each) => each.device === old?.sender.device);
        if (old === undefined || owner === undefined) break;
        const changes = wrong ? [{ payload: bytesNamed('changed') }, { epoch: 77 }][flag ? 0 : 1] : {};
        const submit = { ...old.submit, ...changes };
        await both((store) => store.submit({ ...old, sender: senderOf(owner), submit }));
        break;
      }
      case 'attach':
        await attachBoth(actor, flag ? 0 : pick);
        break;
      case 'detach':
        await both((store) => store.detach(actor.device, actor.generation - (flag ? 1 : 0)));
        break;
      case 'ack':
        await both((store) =>
          store.ack(actor.device, actor.generation - (wrong && flag ? 1 : 0), wrong ? 99 : pick * 3),
        );
        break;
      case 'fetch':
        await both((store) => store.fetch(actor.device, pick, 1 + pick, flag ? 500 : 5000));
        break;
      case 'block':
        await both((store) => store.block(role.account, peer.account, pick < 5, flag));
        await both((store) => store.blocks(role.account));
        break;
      case 'putKeys': {
        const keys = Array.from({ length: pick % 4 }, (_, index) => bytesNamed(`${actor.device} ${pick} ${index}`, 60));
        const last = flag ? bytesNamed(`last ${pick}`) : undefined;
        await both((store) => store.putKeyPackages(actor.device, keys, last, wrong));
        break;
      }
      case 'takeKeys':
        await both((store) => store.takeKeyPackages([actor.device, target.device]));
        break;
      case 'second': {
        // A second device comes, or the first one goes.
        const [first, second] = role.devices;
        if (second === undefined) {
          role.devices.push(newDevice(role));
          await change(role, [role.devices[1]!.device], []);
          await attachBoth(role.devices[1]!, 0);
        } else {
          role.devices = [second];
          await change(role, [], [first!.device]);
        }
        break;
      }
      case 'reset': {
        const old = role.devices.map((each) => each.device);
        role.sequence += 1;
        role.devices = [newDevice(role)];
        await change(role, [role.devices[0]!.device], old);
        forgetPlaces(role);
        if (flag) await attachBoth(role.devices[0]!, 0);
        break;
      }
      case 'delete':
        // Rare, since it ends what can happen with the person; half the time the same account id comes back.
        if (pick > 2) break;
        await both((store) => store.deleteAccount(role.account, NOW_MS));
        forgetPlaces(role);
        if (!flag) break;
        role.devices = [newDevice(role)];
        await change(role, [role.devices[0]!.device], []);
        await attachBoth(role.devices[0]!, 0);
        break;
      case 'record': {
        const key = `${run}/${pick % 3}`;
        const value = flag ? bytesNamed(`${pick}`) : null;
        const ifVersion = pick < 3 ? 'any' : pick % 4;
        await both((store) => store.put([{ space: 'server', key, ifVersion, value }]));
        await both((store) => store.get('server', [key]));
        await both((store) => store.list('server', `${run}/`, '', 10));
        break;
      }
      case 'restart':
        if (pick > 1) break;
        await at.again();
        model.restart();
        break;
    }
  }
  for (const role of roles) {
    await both((store) => store.contacts(role.account));
    for (const { device } of role.devices) {
      await both((store) => store.fetch(device, 0, 1000, 1e9));
      await both((store) => store.keyPackageStock(device));
    }
  }
  // Nothing of this run is left over for the next one, and bounces on the way are the same ones too.
  for (const role of roles) await both((store) => store.deleteAccount(role.account, NOW_MS));
}

function pairOf(one: Role, other: Role): string {
  return [one.account, other.account].sort().join();
}

function accepted(result: SubmitResult): Extract<SubmitResult, { kind: 'accepted' }> {
  if (result.kind === 'refused') assert.fail(`refused: ${result.code}`);
  return result;
}

function refused(result: SubmitResult): string {
  return result.kind === 'refused' ? result.code : result.kind;
}

function storeError(code: StoreError['code']): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code;
}

const seqs = (rows: readonly { readonly seq: number }[]): number[] => rows.map((row) => row.seq);
const kinds = (rows: readonly { readonly kind: string }[]): string[] => rows.map((row) => row.kind);

/** Byte strings as hex, maps as arrays: Buffers, views and plain arrays of the same bytes are equal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  return value;
}
