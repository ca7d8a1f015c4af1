/** What a group stands on expired before the other side fetched it: the conversation goes on all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code, GroupId, MailboxSeq, MessageId } from '@securechat/wire';
import { codes, control, idBytes } from '@securechat/wire';
import { queueCommit } from '../src/shell/send/queue.ts';
import type { PostOffice } from './doubles/post-office.ts';
import type { Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';

type Submitted = PostOffice['submitted'][number];

/** The server tells Alice that this came back. */
function sendBack({ office, alice }: Play, { id, group }: Submitted, commit: boolean, code: Code = 'EXPIRED'): void {
  const device = office.devices.get(alice.record.device);
  assert.ok(device !== undefined);
  const payload = control.Bounce.encode({ id: idBytes(id), code: codes[code].number, ...(commit && { commit }) });
  const row = { seq: 0 as MailboxSeq, kind: 'bounce', group, storedAtMs: 0, payload: payload.finish() } as const;
  office.put(device, row);
}

/** Nothing reaches Bob meanwhile. */
async function unfetched({ office }: Play, work: () => Promise<void>): Promise<readonly Submitted[]> {
  const from = office.submitted.length;
  office.tamper = () => [];
  await work();
  office.tamper = (row) => [row];
  return office.submitted.slice(from);
}

async function stateOf({ alice }: Play, id: string): Promise<string | undefined> {
  return (await alice.engine.ledger.message('bob', id as MessageId))?.state;
}

async function failed({ alice }: Play, ids: readonly string[]): Promise<void> {
  const told = () => alice.events.filter((event) => event.kind === 'state' && event.state === 'failed');
  await until(
    () => told().length >= ids.length,
    () => `${told().length} of ${ids.length} failed`,
  );
  const expected = ids.map((id) => ({ kind: 'state', id, conversation: '@bob', state: 'failed', code: 'EXPIRED' }));
  assert.deepEqual(new Set(told()), new Set(expected));
}

async function isRead({ alice, bob }: Play, text: string): Promise<void> {
  await alice.sender.send('bob', text, {});
  await until(
    () => bob.texts.includes(text),
    () => `bob reads ${bob.texts.join()}; gaps ${bob.gaps.join()}`,
  );
}

test('an invitation that expires brings back what was written behind it, and the next message founds a group', () =>
  on(async (play) => {
    const { alice, bob } = play;
    const ids: string[] = [];
    const [founding] = await unfetched(play, async () => {
      for (const text of ['one', 'two', 'three']) ids.push((await alice.sender.send('bob', text, {})).id);
    });
    assert.equal(founding?.kind, 'found');
    sendBack(play, founding, false);
    await failed(play, ids);
    await isRead(play, 'four');
    assert.deepEqual(bob.texts, ['four']);
    // And so does what is sent once more.
    await alice.sender.resend(ids[0] ?? '');
    await until(
      () => bob.texts.length === 2,
      () => 'the first one, again',
    );
  }));

test('an invitation that comes back before its acceptance fails its message, and the next one is read', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    office.tamper = () => [];
    office.mishap = (submit) => {
      office.mishap = () => 'none';
      sendBack(play, { ...submit, from: alice.record.device }, false);
      return 'unanswered';
    };
    await assert.rejects(alice.sender.send('bob', 'first', {}), { code: 'EXPIRED' });
    office.tamper = (row) => [row];
    await until(
      () => alice.engine.connection === 'online',
      () => 'online again',
    );
    await isRead(play, 'second');
    assert.deepEqual(bob.texts, ['second']);
    assert.equal(alice.engine.unsent, 0);
  }));

test('new keys that expire bring back what was written under them, and nothing that was written before', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await isRead(play, 'first');
    const ids: string[] = [];
    let before = '';
    const sent = await unfetched(play, async () => {
      before = (await alice.sender.send('bob', 'before', {})).id;
      await alice.engine.serial.run('bob', () => queueCommit(alice.engine, 'bob'));
      await until(
        () => office.submitted.at(-1)?.kind === 'commit',
        () => 'the commit goes out',
      );
      for (const text of ['behind', 'far behind']) ids.push((await alice.sender.send('bob', text, {})).id);
    });
    const commit = sent.find(({ kind }) => kind === 'commit');
    assert.ok(commit !== undefined);
    sendBack(play, commit, true);
    await failed(play, ids);
    assert.equal(await stateOf(play, before), 'sent');
    await isRead(play, 'next');
    assert.ok(!bob.texts.includes('behind'));
  }));

test('new keys that come back before their acceptance are left all the same, and the next message is read', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await isRead(play, 'first');
    await unfetched(play, async () => {
      office.mishap = (submit) => {
        office.mishap = () => 'none';
        sendBack(play, { ...submit, from: alice.record.device }, true);
        return 'unanswered';
      };
      await alice.engine.serial.run('bob', () => queueCommit(alice.engine, 'bob'));
      await until(
        () => alice.engine.unsent === 0 && alice.engine.connection === 'online',
        () => `${alice.engine.unsent} unsent, ${alice.engine.connection}`,
      );
    });
    await isRead(play, 'next');
    assert.deepEqual(bob.texts, ['first', 'next']);
    assert.deepEqual(bob.gaps, []);
    const states = alice.engine.ledger.conversation('bob').lineage.map(({ state }) => state);
    assert.deepEqual(states, ['dead', 'live']);
  }));

for (const commits of [1, 2, 3, 4])
  for (const applied of [false, true])
    test(`power cut at commit ${commits} of it (applied: ${applied}): nothing that came back is called sent`, () =>
      on(async (play) => {
        const { alice, bob } = play;
        const ids: string[] = [];
        const [founding] = await unfetched(play, async () => {
          for (const text of ['one', 'two', 'three']) ids.push((await alice.sender.send('bob', text, {})).id);
        });
        assert.ok(founding !== undefined);
        const { store } = alice;
        store.cutAfter = { commits: store.commits + commits, applied };
        sendBack(play, founding, false);
        await until(
          () => store.commits >= (store.cutAfter?.commits ?? 0),
          () => 'the power fails',
        );
        await alice.crash();
        await until(
          async () => (await Promise.all(ids.map((id) => stateOf(play, id)))).every((state) => state === 'failed'),
          () => 'all of them failed',
        );
        await isRead(play, 'four');
        assert.deepEqual(bob.texts, ['four']);
      }));

test('what comes back of a commit for another reason, or of a group that nobody knows, changes nothing', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await isRead(play, 'first');
    const sent = office.submitted.at(-1);
    assert.ok(sent !== undefined);
    const own = { ...sent, id: `${sent.id.slice(0, -2)}AA` as typeof sent.id };
    const at = alice.engine.ledger.cursor;
    sendBack(play, own, true, 'RECIPIENT_RESET');
    sendBack(play, own, false);
    sendBack(play, { ...own, group: 'AAAAAAAAAAAAAAAAAAAAAA' as GroupId }, true);
    await until(
      () => alice.engine.ledger.cursor >= at + 3,
      () => 'they are read',
    );
    await isRead(play, 'second');
    assert.deepEqual(bob.texts, ['first', 'second']);
    assert.equal(alice.engine.ledger.conversation('bob').lineage.length, 1);
  }));
