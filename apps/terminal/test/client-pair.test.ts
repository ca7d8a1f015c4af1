import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joining, openStand } from './client-stand.ts';

test('two people talk over both transports', { timeout: 60_000 }, async () => {
  const stand = await openStand();
  try {
    const alice = await joining(stand, 'alice', 'ws');
    const bob = await joining(stand, 'bob', 'tcp');
    const sent = await alice.client.send('@bob', 'hello bob');
    assert.equal(sent.state, 'sent');
    const { message } = await bob.heard('message');
    assert.equal(message.text, 'hello bob');
    assert.equal(message.from, 'alice');
    await alice.heard('state', ({ id, state }) => id === sent.id && state === 'delivered');
    const back = await bob.client.send('alice', 'hello alice');
    assert.equal(back.state, 'sent');
    assert.equal((await alice.heard('message')).message.text, 'hello alice');
  } finally {
    await stand.close();
  }
});
