/** The client over real sockets against the real server that has begun to lie. It refuses, typed; it never believes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { ResponseBody } from '@securechat/server/parts';
import type { Person } from './client-stand.ts';
import { joining } from './client-stand.ts';
import { changed, one, withLiar } from './lying-server.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const texts = (person: Person): string[] =>
  person.events.flatMap((event) => (event.kind === 'message' ? [event.message.text] : []));

// One server and two people for all of it: registering costs seconds.
test('two people at a server that lies', (t) =>
  withLiar(async (liar) => {
    const [alice, bob] = await Promise.all([joining(liar.stand, 'alice', 'ws'), joining(liar.stand, 'bob', 'tcp')]);
    const said: string[] = [];
    const says = async (text: string): Promise<void> => {
      said.push(text);
      await alice.client.send('bob', text);
      await bob.heard('message', ({ message }) => message.text === text);
      assert.deepEqual(texts(bob), said);
    };
    const leaveAll = (): void => {
      for (const link of liar.links.splice(0)) link.finish();
    };

    await t.test('a look-up answered with another kind, or far too large, is refused', async () => {
      const done: ResponseBody = { $case: 'done', value: {} };
      liar.lie('lookup', () => done);
      await assert.rejects(alice.client.send('bob', 'never'), one('MALFORMED'));
      const deviceJws = Array.from({ length: 300 }, () => 'x'.repeat(5000));
      liar.lie('lookup', (honest) => changed(honest, { deviceJws }));
      await assert.rejects(alice.client.send('bob', 'never'), one('TOO_LARGE', 'CONNECTION_LOST'));
      liar.honest();
      await alice
        .heard('connection', ({ state }) => state === 'online', alice.events.length - 1)
        .catch(() => undefined);
    });

    await t.test('presence and block lists that make no sense change nothing', async () => {
      await says('first');
      liar.lie('getPresence', (honest) => changed(honest, { presence: 77 }));
      assert.equal(await alice.client.presence('bob'), 'unknown');
      liar.lie('listBlocks', (honest) => changed(honest, { accounts: [{ account: new Uint8Array(3), quiet: true }] }));
      leaveAll();
      await says('second');
      liar.honest();
    });

    await t.test('an invite that is none is not shown', async () => {
      for (const code of ['\u001b[2Jxxxxxxxxxxxxxxxxxx', '', 'a'.repeat(5000), `${'a'.repeat(21)}&`]) {
        liar.lie('createInvite', (honest) => changed(honest, { code }));
        await assert.rejects(alice.client.invite(), one('MALFORMED'));
      }
      liar.lie('createInvite', (honest) => changed(honest, { expiresMs: 2 ** 53 - 1 }));
      await assert.rejects(alice.client.invite(), one('MALFORMED'));
      liar.honest();
    });

    await t.test('a row that is changed is a gap, one that comes twice is shown once', async () => {
      const { bus } = liar.parts();
      const publish = bus.publish.bind(bus);
      let count = 0;
      bus.publish = (row) => {
        count += 1;
        const payload = row.payload.map((byte, at) => (at === 99 ? byte ^ 1 : byte));
        publish(count === 2 ? { ...row, payload } : row);
        if (count === 3) publish(row);
      };
      const from = bob.events.length;
      for (const text of ['one', 'two', 'three', 'four']) await alice.client.send('bob', text);
      await bob.heard('message', ({ message }) => message.text === 'four');
      said.push('one', 'three', 'four');
      assert.deepEqual(texts(bob), said);
      assert.ok(bob.events.slice(from).some(({ kind }) => kind === 'gap'));
      bus.publish = publish;
    });

    await t.test(
      'impossible numbers at attach are said as the code of the connection, and use up nothing',
      async () => {
        for (const lie of [{ mailboxNext: 2 ** 53 - 1 }, { submitNumberHighest: 2 ** 53 - 1 }]) {
          const from = alice.events.length;
          liar.lie('attachConfirm', (honest) => changed(honest, lie));
          leaveAll();
          await alice.heard('connection', ({ state, code }) => state === 'offline' && code === 'MALFORMED', from);
        }
        liar.honest();
        await says('after the numbers');
      },
    );

    await t.test('a server that refuses everything, at once and for ever, is asked a few times a second', async () => {
      // A wait that the server asks for is kept to, up to ten minutes (client/test/core/small-cores): here it is short.
      for (const error of [
        new SecureChatError('INTERNAL'),
        new SecureChatError('RATE_LIMITED', { retryAfterMs: 1 }),
        new SecureChatError('RATE_LIMITED'),
      ]) {
        liar.refuseAll(error);
        leaveAll();
        await pause(200);
        liar.requests.length = 0;
        const fromMs = performance.now();
        await pause(1500);
        const most = ((performance.now() - fromMs) / 1000) * 30;
        assert.ok(liar.requests.length <= most, `${error.code}: ${liar.requests.length} requests in 1.5 s`);
      }
      liar.honest();
      await says('after the refusals');
    });
  }));
