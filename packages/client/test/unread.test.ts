/** What is unread, and who hears that it was read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationRecord } from '../src/core/record-conversation.ts';
import { Messages } from '../src/shell/messages.ts';
import type { Actor, Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';

async function write(from: Actor, to: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) await from.sender.send(to, text, {});
}

/** Texts of Alice's that she knows to be read. */
async function knownRead({ alice }: Play): Promise<string[]> {
  const own = (await alice.engine.ledger.messages('bob', { limit: 1000 })).filter((one) => one.own);
  return own.filter(({ state }) => state === 'read').map(({ text }) => text);
}

async function hasUnread({ bob }: Play, count: number): Promise<void> {
  const unread = () => bob.engine.ledger.conversation('alice').unread;
  await until(
    () => unread() === count,
    () => `${unread()} unread`,
  );
}

/** Bob looks at the conversation; Alice hears of `count` messages. */
async function read(play: Play, count: number): Promise<void> {
  const { alice, bob } = play;
  const told = () => alice.events.filter((event) => event.kind === 'state' && event.state === 'read').length;
  await new Messages(bob.engine).markRead('alice');
  assert.equal(bob.engine.ledger.conversation('alice').unread, 0);
  await until(
    () => told() >= count,
    () => `${told()} read`,
  );
}

test('the sender hears of what was read now, whatever was written in between', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await write(alice, 'bob', ['one', 'two', 'three']);
    await hasUnread(play, 3);
    await write(bob, 'alice', ['mine']);
    await read(play, 3);
    assert.deepEqual(await knownRead(play), ['one', 'two', 'three']);
    await write(alice, 'bob', ['four']);
    await hasUnread(play, 1);
    // More of Bob's own than are looked at in one go.
    await write(
      bob,
      'alice',
      Array.from({ length: 70 }, (_, at) => `mine ${at}`),
    );
    await read(play, 4);
    assert.deepEqual(await knownRead(play), ['one', 'two', 'three', 'four']);
  }));

test('of many unread messages the sender hears of the newest 256', () =>
  on(async (play) => {
    const { alice } = play;
    const texts = Array.from({ length: 260 }, (_, at) => `${at}`);
    await write(alice, 'bob', texts);
    await hasUnread(play, 260);
    await read(play, 256);
    assert.deepEqual(await knownRead(play), texts.slice(4));
  }));

test('what a message writes does not grow with what is unread', () =>
  on(async (play) => {
    const { alice, bob } = play;
    const bytes = async (): Promise<number> => {
      // Whatever was to be reported is, and is gone from the record.
      await until(
        () => bob.engine.ledger.conversation('alice').delivered.length === 0,
        () => 'receipts',
      );
      return conversationRecord.encode(bob.engine.ledger.conversation('alice')).length;
    };
    await write(alice, 'bob', ['one']);
    await hasUnread(play, 1);
    const first = await bytes();
    await write(alice, 'bob', ['two', 'three', 'four']);
    await hasUnread(play, 4);
    assert.equal(await bytes(), first);
  }));
