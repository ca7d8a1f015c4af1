import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { control } from '@securechat/wire';
import type { ContentDraft } from '../src/index.ts';
import { decryptRow, encryptContent, renewLeaf } from '../src/index.ts';
import type { Pair, TestPerson } from './people.ts';
import { DAY_MS, engine, entropy, founding, joining, nowMs, pair, person, text } from './people.ts';

let alice: TestPerson;
let bob: TestPerson;

before(async () => {
  [alice, bob] = await Promise.all([person('alice'), person('bob')]);
});

export function say(talk: Pair, from: 'alice' | 'bob', chainNumber: number, content: ContentDraft) {
  const state = from === 'alice' ? talk.aliceState : talk.bobState;
  const me = talk[from].device;
  const sent = encryptContent({ engine, me, group: talk.group, state, entropy, chainNumber, content });
  if (from === 'alice') talk.aliceState = sent.state;
  else talk.bobState = sent.state;
  return sent.ciphertext;
}

export function hear(talk: Pair, to: 'alice' | 'bob', ciphertext: Uint8Array, row: 'message' | 'commit' = 'message') {
  const state = to === 'alice' ? talk.aliceState : talk.bobState;
  const { group, people } = talk;
  const read = decryptRow({ engine, group, state, people, row, ciphertext, nowMs });
  if (read.kind === 'refused') return read;
  if (to === 'alice') talk.aliceState = read.state;
  else talk.bobState = read.state;
  return read;
}

test('a founding with its first message is joined and read, and both sides talk on', async () => {
  const content = text('first words');
  const { founded, group, made } = founding(alice, bob, { first: content });
  assert.equal(founded.epoch, 1);
  assert.equal(founded.chainNumber, 1);
  const sent = control.Founding.decode(control.Founding.encode(founded.founding).finish());
  assert.equal(sent.devices.length, 2);
  const joined = await joining(bob, sent.invitation, group, made);
  assert.equal(joined.kind, 'joined');
  if (joined.kind !== 'joined') return;
  const people = [alice.bundle, bob.bundle];
  const talk: Pair = { alice, bob, group, people, aliceState: founded.state, bobState: joined.state };
  const read = hear(talk, 'bob', sent.firstMessage);
  assert.equal(read.kind, 'content');
  if (read.kind !== 'content') return;
  assert.deepEqual(read.content, { ...content, chainNumber: 1 });
  assert.deepEqual(read.author, {
    account: alice.bundle.account.account,
    device: alice.device.certificate.device,
    listed: true,
  });
  for (const words of ['one', 'two', 'three']) {
    const there = hear(talk, 'bob', say(talk, 'alice', 2, text(words)));
    assert.equal(there.kind === 'content' && there.content.body.kind === 'text' && there.content.body.text, words);
    const back = hear(talk, 'alice', say(talk, 'bob', 1, text(words)));
    assert.equal(back.kind, 'content');
  }
});

test('an invitation that waited in the mailbox opens after the key package has expired, for as long as mailboxes keep', async () => {
  const claimedMs = nowMs + 89 * DAY_MS;
  const { founded, group, made } = founding(alice, bob, { first: text('waits'), nowMs: claimedMs });
  const { invitation } = control.Founding.decode(control.Founding.encode(founded.founding).finish());
  const joinedAt = async (days: number) =>
    (await joining(bob, invitation, group, made, { nowMs: nowMs + days * DAY_MS })).kind;
  assert.equal(await joinedAt(119), 'joined');
  assert.equal(await joinedAt(121), 'refused');
});

test('a self-update is merged by both sides, and messages go on in the new epoch', async () => {
  const talk = await pair(alice, bob);
  const before = engine.facts(talk.bobState);
  const { group, people } = talk;
  const renewal = renewLeaf({ engine, me: bob.device, group, state: talk.bobState, nowMs, entropy, people });
  assert.equal(renewal.epochAfter, 2);
  talk.bobState = renewal.state;
  const merged = hear(talk, 'alice', renewal.commit.commit, 'commit');
  assert.equal(merged.kind, 'commit');
  talk.bobState = engine.mergeOwn({ state: talk.bobState, pending: renewal.pending }).state;
  const [ours, theirs] = [engine.facts(talk.bobState), engine.facts(talk.aliceState)];
  assert.deepEqual(ours.authenticator, theirs.authenticator);
  assert.notDeepEqual(ours.authenticator, before.authenticator);
  assert.notDeepEqual(ours.roster[1]?.encryptionKey, before.roster[1]?.encryptionKey);
  assert.equal(hear(talk, 'alice', say(talk, 'bob', 1, text('new epoch'))).kind, 'content');
  assert.equal(hear(talk, 'bob', say(talk, 'alice', 1, text('new epoch'))).kind, 'content');
});
