/** A device that its server does not listen to for a while: it waits as long as it was told, and comes back by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import { joining } from './client-stand.ts';
import { withLiar } from './lying-server.ts';

test('a client that is told to wait does not ask again before the time, also when somebody writes', () =>
  withLiar(async (liar) => {
    const alice = await joining(liar.stand, 'alice');
    await (await joining(liar.stand, 'bob')).client.close();
    const retryAfterMs = 3000;
    const triesMs: number[] = [];
    const refused = Promise.withResolvers<void>();
    liar.lie('attach', () => {
      triesMs.push(performance.now());
      refused.resolve();
      return triesMs.length === 1 ? new SecureChatError('DEVICE_PAUSED', { retryAfterMs }) : undefined;
    });
    for (const link of liar.links) link.finish();
    await refused.promise;
    await alice.heard('connection', ({ code }) => code === 'DEVICE_PAUSED');
    const from = alice.events.length;
    const sent = alice.client.send('bob', 'written meanwhile');
    await alice.heard('connection', ({ state }) => state === 'online', from);
    await sent;
    const [first = 0, second = 0] = triesMs;
    assert.ok(second - first >= retryAfterMs - 10, `asked again after ${second - first} ms`);
  }));
