// Goal: a message counts as read when somebody took it from standard output, not when it was put in a queue of this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientEvent, Message } from '@securechat/client';
import { listen } from '../src/one-shot/listen.ts';

const message = (text: string): Message => ({
  id: text,
  conversation: '@bob',
  from: 'bob',
  own: false,
  text,
  at: '2026-01-01T00:00:00.000Z',
});

test('a reader that takes nothing leaves messages unread', async () => {
  const log: string[] = [];
  const taken = [Promise.resolve(), new Promise<void>(() => undefined)];
  async function* events(): AsyncGenerator<ClientEvent> {
    yield { kind: 'message', message: message('first') };
    yield { kind: 'message', message: message('second') };
  }
  const client = {
    history: () => assert.fail('nothing was unread'),
    markRead: async (user: string) => void log.push(`read ${user}`),
  };
  const write = (line: string): Promise<void> => {
    log.push(line);
    return taken.shift() ?? assert.fail('nothing is written behind a line that nobody took');
  };
  void listen(client, events(), [], false, { write, complain: () => undefined });
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log, ['@bob: first', 'read @bob', '@bob: second']);
});

test('an offered file is said beside the messages, which stay data', async () => {
  const [written, said]: [string[], string[]] = [[], []];
  async function* events(): AsyncGenerator<ClientEvent> {
    yield { kind: 'fileOffer', id: 'f1', from: 'bob', name: 'a\u001b[2Jb.pdf', bytes: 2_500_000 };
  }
  const client = { history: () => assert.fail('nothing was unread'), markRead: () => assert.fail('no message') };
  const output = {
    write: (line: string) => Promise.resolve(void written.push(line)),
    complain: (line: string) => void said.push(line),
  };
  assert.equal(await listen(client, events(), [], false, output), 0);
  assert.deepEqual([written, said], [[], ['bob offers ab.pdf (2.5 MB): accept it in the client.']]);
});
