/** What a driver promises of submissions: stored once, numbered without gaps, one winner, refusals that leave nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, GroupId } from '@securechat/wire';
import type { Submission } from '../../src/stores/port.ts';
import { attach, bytesNamed, commit, founding, idNamed, join, message, NOW_MS, senderOf } from './stage.ts';
import { accepted, all, group, plain, refused, small } from './place.ts';
import type { Places } from './place.ts';

export function promiseSubmissions(name: string, { begin, pair }: Places): void {
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
}
