/** Engine, deliver and accept against a server in memory: what holds when things go wrong in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deliver } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import fc from 'fast-check';
import { queueCommit } from '../src/shell/send/queue.ts';
import type { Actor, Play } from './doubles/play.ts';
import { createActor, on, until } from './doubles/play.ts';

/** Sends whose answer never comes are waited for this long. */
const NO_ANSWER_MS = 60;

async function arrived({ alice, bob }: Play, toBob: readonly string[], toAlice: readonly string[] = []): Promise<void> {
  const got = () => `bob ${bob.texts.join()} | alice ${alice.texts.join()}`;
  await until(() => bob.texts.length >= toBob.length && alice.texts.length >= toAlice.length, got);
  assert.deepEqual(bob.texts, toBob);
  assert.deepEqual(alice.texts, toAlice);
}

test('messages cross in both directions, exactly once and in order', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await alice.sender.send('bob', 'a1', {});
    await Promise.all([bob.sender.send('alice', 'b1', {}), alice.sender.send('bob', 'a2', {})]);
    await arrived(play, ['a1', 'a2'], ['b1']);
  }));

test('a power cut at any commit of either side loses nothing and shows nothing twice', async () => {
  for (const applied of [true, false])
    for (const victim of ['alice', 'bob'] as const)
      for (let commits = 1; commits <= 6; commits += 1)
        await on(async (play) => {
          const { alice, bob } = play;
          const hit = play[victim];
          hit.store.cutAfter = { commits: hit.store.commits + commits, applied };
          const say = `${victim} at commit ${commits}, ${applied ? 'after' : 'before'} it took effect`;
          const first = await Promise.allSettled([
            alice.sender.send('bob', 'a1', {}),
            bob.sender.send('alice', 'b1', {}),
          ]);
          await hit.crash();
          await alice.sender.send('bob', 'a2', {});
          await bob.sender.send('alice', 'b2', {});
          await until(
            () => bob.texts.includes('a2') && alice.texts.includes('b2'),
            () => `${say}: ${bob.texts.join()} | ${alice.texts.join()}`,
          );
          // A send that failed before it was on disk may have gone out or not; one that was taken has.
          const [a1, b1] = first.map(({ status }) => status === 'fulfilled');
          expect(say, await bob.history('alice'), a1 === true, ['a1', 'a2']);
          expect(say, await alice.history('bob'), b1 === true, ['b1', 'b2']);
          assert.deepEqual([...alice.gaps, ...bob.gaps], [], say);
        }, NO_ANSWER_MS);
});

function expect(
  say: string,
  got: readonly string[],
  certain: boolean,
  [first, second]: readonly [string, string],
): void {
  const both = got.join() === `${first},${second}`;
  assert.ok(both || (!certain && got.join() === second), `${say}: ${got.join()}`);
}

test('under random mishaps everything written arrives once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.nat(999)),
      fc.array(fc.constantFrom(...steps), { minLength: 4, maxLength: 14 }),
      (dice, plan) =>
        on(async (play) => {
          const { office, alice, bob } = play;
          const roll = (): number => Number(dice.next().value);
          office.mishap = () => {
            const fate = roll() % 20;
            if (fate === 0) return 'lost';
            if (fate === 1) return 'unanswered';
            if (fate === 2) return new SecureChatError('RATE_LIMITED', { retryAfterMs: 1 });
            if (fate === 3) return new SecureChatError('BUSY');
            return 'none';
          };
          const written: Record<'alice' | 'bob', string[]> = { alice: [], bob: [] };
          const sends: Promise<unknown>[] = [];
          for (const [at, step] of plan.entries()) {
            const [who, what] = step.split(' ') as ['alice' | 'bob', string];
            const actor = play[who];
            if (what === 'writes') {
              written[who].push(`${who} ${at}`);
              sends.push(actor.sender.send(who === 'alice' ? 'bob' : 'alice', `${who} ${at}`, {}));
            } else if (what === 'renews') await renew(actor, who === 'alice' ? 'bob' : 'alice');
            else if (what === 'drops') office.cut(actor.record.device);
            else {
              // Whatever was written is on disk before the power goes.
              await Promise.allSettled(sends);
              await actor.crash();
            }
            if (roll() % 3 === 0) await new Promise((resolve) => setTimeout(resolve, roll() % 20));
          }
          await Promise.all(sends);
          office.mishap = () => 'none';
          const wanted = [written.alice, written.bob];
          const read = async () => [await bob.history('alice'), await alice.history('bob')];
          await until(
            async () => JSON.stringify(await read()) === JSON.stringify(wanted),
            () => `${JSON.stringify(wanted)} in both histories`,
          );
          assert.deepEqual([...alice.gaps, ...bob.gaps], []);
        }, NO_ANSWER_MS),
    ),
    { numRuns: 25, endOnFailure: true },
  );
});

const steps = [
  'alice writes',
  'alice writes',
  'alice writes',
  'bob writes',
  'bob writes',
  'bob writes',
  'alice renews',
  'bob renews',
  'alice drops',
  'bob drops',
  'alice crashes',
  'bob crashes',
] as const;

/** A self-update of this side, if there is a conversation. */
async function renew(actor: Actor, peer: string): Promise<void> {
  if (actor.engine.ledger.conversation(peer).lineage.length === 0) return;
  await actor.engine.serial.run(peer, () => queueCommit(actor.engine, peer));
}

test('keys are renewed by commits, and messages made before are encrypted again', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    await alice.sender.send('bob', 'a1', {});
    await bob.sender.send('alice', 'b1', {});
    await arrived(play, ['a1'], ['b1']);
    // Bob's commit is on its way while Alice writes in the epoch before.
    await Promise.all([renew(bob, 'alice'), ...['a2', 'a3', 'a4'].map((text) => alice.sender.send('bob', text, {}))]);
    await Promise.all([renew(alice, 'bob'), renew(bob, 'alice'), bob.sender.send('alice', 'b2', {})]);
    await alice.sender.send('bob', 'a5', {});
    await arrived(play, ['a1', 'a2', 'a3', 'a4', 'a5'], ['b1', 'b2']);
    const epochs = [alice, bob].map(({ engine }, at) =>
      engine.ledger.conversation(at === 0 ? 'bob' : 'alice').lineage.map(({ epoch }) => epoch),
    );
    assert.deepEqual(epochs[0], epochs[1]);
    assert.ok((epochs[0]?.[0] ?? 0) >= 3);
    assert.ok(office.submitted.some(({ kind }) => kind === 'commit'));
  }));

test('a joiner by the last-resort package renews its keys before it writes', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    office.devices.get(bob.record.device)?.keyPackages.splice(0);
    await alice.sender.send('bob', 'a1', {});
    await arrived(play, ['a1']);
    await bob.sender.send('alice', 'b1', {});
    await arrived(play, ['a1'], ['b1']);
    const kinds = office.submitted.filter(({ from }) => from === bob.record.device).map(({ kind }) => kind);
    assert.equal(kinds[0], 'commit');
    assert.equal(bob.engine.ledger.conversation('alice').lineage[0]?.epoch, 2);
  }));

test('an old copy of a profile founds its conversations anew before it writes', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    await alice.sender.send('bob', 'a1', {});
    await bob.sender.send('alice', 'b1', {});
    await arrived(play, ['a1'], ['b1']);
    const old = alice.store.copy();
    await alice.sender.send('bob', 'a2', {});
    await bob.sender.send('alice', 'b2', {});
    await arrived(play, ['a1', 'a2'], ['b1', 'b2']);
    await alice.engine.stop();
    alice.store = old;
    await alice.start();
    const before = office.submitted.length;
    await alice.sender.send('bob', 'a3', {});
    // Had he written before he joined, his numbers in the old group would tell her of the gap a second time.
    await arrived(play, ['a1', 'a2', 'a3'], ['b1', 'b2']);
    await bob.sender.send('alice', 'b3', {});
    await until(
      () => alice.texts.includes('b3'),
      () => alice.texts.join(),
    );
    // No key of the old copy was used again: a new group, in which both write.
    const [founding, ...after] = office.submitted.slice(before).filter(({ from }) => from === alice.record.device);
    assert.equal(founding?.kind, 'found');
    assert.equal(alice.engine.ledger.conversation('bob').lineage.at(-1)?.group, founding.group);
    assert.equal(bob.engine.ledger.conversation('alice').lineage.at(-1)?.group, founding.group);
    assert.ok(after.every((submit) => submit.group === founding.group));
    assert.deepEqual(alice.gaps, ['GAP']);
    assert.equal(await bob.history('alice').then((texts) => texts.length), 3);
  }));

test('an old copy of a profile that was about to found a group writes nothing else in it', () =>
  on(async (play) => {
    const { office, alice } = play;
    let old: Actor['store'] | undefined;
    office.mishap = () => {
      old ??= alice.store.copy();
      return 'none';
    };
    await alice.sender.send('bob', 'a1', {});
    await alice.sender.send('bob', 'a2', {});
    await arrived(play, ['a1', 'a2']);
    await alice.engine.stop();
    assert.ok(old !== undefined);
    alice.store = old;
    await alice.start();
    await alice.sender.send('bob', 'a3', {});
    // Its first key after the founding belongs to the second message: under it nobody could read the third.
    const own = office.submitted.filter(({ from }) => from === alice.record.device);
    const [founding, last] = [own[0], own.at(-1)];
    assert.deepEqual([founding?.kind, last?.kind], ['found', 'found']);
    assert.notEqual(last?.group, founding?.group);
    await arrived(play, ['a1', 'a2', 'a3']);
  }));

test('key packages that an old copy of a profile cannot open are handed out no more', () =>
  on(async ({ office, alice }) => {
    const stored = () => office.devices.get(alice.record.device)?.keyPackages ?? [];
    const opens = (one: Uint8Array) =>
      [...alice.engine.ledger.keyPackages.values()].some(({ keyPackage }) => Buffer.from(keyPackage).equals(one));
    const again = async () => {
      await alice.engine.stop();
      await alice.start();
    };
    const old = alice.store.copy();
    stored().splice(0);
    await again();
    await until(
      () => stored().length === 20,
      () => String(stored().length),
    );
    // Half of the new ones are used up: the old copy knows of more, but of none of these.
    stored().splice(0, 10);
    await alice.sender.send('bob', 'a1', {});
    await alice.engine.stop();
    alice.store = old;
    await alice.start();
    await until(
      () => stored().length > 0 && stored().every(opens),
      () => String(stored().filter(opens).length),
    );
  }));

test('a row of a coming epoch is parked, and read after the commit', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    await alice.sender.send('bob', 'a1', {});
    await arrived(play, ['a1']);
    // The commit is held back, what follows it goes ahead.
    const held: Deliver[] = [];
    office.tamper = (row) => {
      if (row.kind !== 'commit') return [row];
      held.push(row);
      return [];
    };
    await renew(alice, 'bob');
    await until(
      () => held.length === 1,
      () => 'no commit',
    );
    await alice.sender.send('bob', 'a2', {});
    await alice.sender.send('bob', 'a3', {});
    await until(
      () => bob.engine.ledger.parked.size === 2,
      () => String(bob.engine.ledger.parked.size),
    );
    // It survives the process.
    await bob.crash();
    assert.deepEqual(bob.texts, ['a1']);
    const device = office.devices.get(bob.record.device);
    for (const row of held) if (device !== undefined) office.put(device, row);
    await arrived(play, ['a1', 'a2', 'a3']);
    assert.equal(bob.engine.ledger.parked.size, 0);
    assert.deepEqual(bob.gaps, []);
  }));

test('a server that repeats, damages or drops rows shows nothing twice and hides no loss', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    office.tamper = (row) => [row, row];
    await alice.sender.send('bob', 'a1', {});
    await alice.sender.send('bob', 'a2', {});
    await arrived(play, ['a1', 'a2']);
    assert.deepEqual(bob.gaps, []);
    office.tamper = (row) => [{ ...row, payload: damaged(row.payload) }];
    await alice.sender.send('bob', 'a3', {});
    office.tamper = () => [];
    await alice.sender.send('bob', 'a4', {});
    office.tamper = (row) => [row];
    await alice.sender.send('bob', 'a5', {});
    await arrived(play, ['a1', 'a2', 'a5']);
    assert.deepEqual(bob.gaps, ['UNDECRYPTABLE', 'GAP']);
  }));

function damaged(payload: Uint8Array): Uint8Array {
  const copy = payload.slice();
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

test('keys of somebody else under a known name are not believed, and nothing is sent', () =>
  on(async (play) => {
    const { office, alice, bob } = play;
    const mallory = await createActor(office, 'bobby', 2);
    const real = office.people.get(bob.record.account);
    const other = office.people.get(mallory.record.account);
    assert.ok(real !== undefined && other !== undefined);
    office.people.set(bob.record.account, other);
    office.people.delete(mallory.record.account);
    // Asked for "bob", the server shows another account's certificates.
    const answer = office.answer.bind(office);
    office.answer = (device, kind, value) =>
      kind === 'lookup'
        ? {
            $case: 'lookup',
            value: {
              account: idBytes(other.account.account),
              accountJws: other.account.jws,
              listJws: other.list.jws,
              deviceJws: other.devices.map(({ jws }) => jws),
            },
          }
        : answer(device, kind, value);
    await assert.rejects(
      alice.sender.send('bob', 'secret', {}),
      (error: unknown) => error instanceof SecureChatError && error.code === 'CERTIFICATE_REJECTED',
    );
    assert.equal(office.submitted.length, 0);
  }));
