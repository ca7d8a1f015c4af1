/** Goal: a page of the history is the one that was asked for, or an error that says why there is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Messages } from '../src/shell/messages.ts';
import { on, until } from './doubles/play.ts';

test('a page ends before the message that is named; one that the conversation does not have is USAGE', () =>
  on(async ({ alice, bob }) => {
    for (const text of ['one', 'two', 'three']) await alice.sender.send('bob', text, {});
    await until(
      () => bob.texts.length === 3,
      () => bob.texts.join(),
    );
    const messages = new Messages(bob.engine);
    const all = await messages.history({ with: '@alice' });
    assert.deepEqual(
      all.map(({ text }) => text),
      ['one', 'two', 'three'],
    );
    const [first, , last] = all;
    assert.ok(first !== undefined && last !== undefined);
    const page = await messages.history({ with: '@alice', before: last.id });
    assert.deepEqual(page, all.slice(0, 2));
    assert.deepEqual(await messages.history({ with: '@alice', before: first.id }), []);
    for (const before of ['', 'no id', `${first.id}x`, '👋'.repeat(1000)])
      await assert.rejects(messages.history({ with: '@alice', before }), { code: 'USAGE' }, before);
  }));
