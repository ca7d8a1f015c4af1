// Goal: RPC speaks JSON-RPC 2.0 to the letter, checks every param, keeps the order of sends and survives any input.
// Method: the real loop in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Client } from '@securechat/client';
import { inputLines } from '../src/input-lines.ts';
import { methods } from '../src/rpc/methods.ts';
import { RPC_LINE_BYTES_MAX, serveRpc } from '../src/rpc/serve.ts';
import { messageFrom, scriptedClient } from './scripted-client.ts';
import type { Scripted } from './scripted-client.ts';

interface Reply {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data: { readonly code: string } };
}

async function serve(
  input: readonly (string | Uint8Array)[],
  overrides: Partial<Client> = {},
  during: (scripted: Scripted) => void = () => undefined,
): Promise<{ replies: Reply[]; scripted: Scripted }> {
  const scripted = scriptedClient(overrides);
  const written: string[] = [];
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const piece of input) yield typeof piece === 'string' ? Buffer.from(`${piece}\n`) : piece;
    await sleep(5);
    during(scripted);
  }
  await serveRpc(
    { client: scripted.client, sendOptions: {} },
    { lines: inputLines(bytes(), RPC_LINE_BYTES_MAX), write: (line) => (written.push(line), Promise.resolve()) },
  );
  return { replies: written.map((line) => JSON.parse(line) as Reply), scripted };
}

function request(id: unknown, method: string, params?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

test('every request is answered with its id before the end', async () => {
  const { replies } = await serve([
    request(1, 'login', { username: 'alice', password: 'pw' }),
    request('two', 'send', { to: '@bob', text: 'hi' }),
    request(null, 'status'),
  ]);
  assert.deepEqual(
    replies.map(({ id }) => id),
    [1, 'two', null],
  );
  assert.deepEqual(replies[0]?.result, { account: 'account-1', device: 'device-1', unread: [] });
  assert.deepEqual(replies[1]?.result, { id: 'm1', state: 'sent', recipient: 'online' });
});

test('register takes the link that invite gives as well as its code', async () => {
  const link = 'securechat:ws://h:1#sha256:x?invite=CODE';
  const account = { username: 'alice', password: 'correct horse', invite: link };
  const { scripted } = await serve([request(1, 'register', account)]);
  assert.deepEqual(scripted.of('register'), [[{ ...account, invite: 'CODE' }]]);
});

test('what cannot be read is answered with the numbers of JSON-RPC, and the stream goes on', async () => {
  const huge = Buffer.alloc(10 * 1024 * 1024, 'x');
  const { replies } = await serve([
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    '[]',
    '1',
    '{"jsonrpc":"1.0","id":7,"method":"status"}',
    '{"jsonrpc":"2.0","id":{},"method":"status"}',
    request(8, 'no such method'),
    request(9, '__proto__'),
    request(10, 'send', { to: 'bob', text: 'hi' }),
    request(11, 'send', { to: '@bob' }),
    request(12, 'send', { to: '@bob', text: 'hi', txet: 'x' }),
    request(13, 'send', ['@bob', 'hi']),
    request(14, 'resetKeys', { confirm: false }),
    huge,
    '',
    Buffer.from([0xff, 0x0a]),
    request(15, 'status'),
  ]);
  assert.deepEqual(
    replies.map(({ id, error }) => [id, error?.code, error?.data.code]),
    [
      [null, -32700, 'MALFORMED'],
      [null, -32600, 'MALFORMED'],
      [null, -32600, 'MALFORMED'],
      [7, -32600, 'MALFORMED'],
      [null, -32600, 'MALFORMED'],
      [8, -32601, 'UNKNOWN_COMMAND'],
      [9, -32601, 'UNKNOWN_COMMAND'],
      [10, -32602, 'USAGE'],
      [11, -32602, 'USAGE'],
      [12, -32602, 'USAGE'],
      [13, -32602, 'USAGE'],
      [14, -32602, 'USAGE'],
      [null, -32600, 'TOO_LARGE'],
      [null, -32700, 'MALFORMED'],
      [15, undefined, undefined],
    ],
  );
});

test('a batch is answered by one array, without its notifications', async () => {
  const batch = [
    { jsonrpc: '2.0', id: 1, method: 'status' },
    { jsonrpc: '2.0', method: 'markRead', params: { with: '@bob' } },
    { jsonrpc: '2.0', id: 2, method: 'nothing' },
    5,
  ];
  const { replies, scripted } = await serve([JSON.stringify(batch), JSON.stringify([batch[1]])]);
  assert.equal(replies.length, 1);
  const answers = replies[0] as unknown as Reply[];
  assert.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [
      [1, undefined],
      [2, -32601],
      [null, -32600],
    ],
  );
  assert.deepEqual(scripted.of('markRead'), [['@bob'], ['@bob']]);
});

test('a refusal carries the code of the one table', async () => {
  const { replies } = await serve([request(1, 'send', { to: '@bob', text: 'hi' })], {
    send: () => Promise.reject(new SecureChatError('RATE_LIMITED', { retryAfterMs: 250 })),
  });
  assert.equal(replies[0]?.error?.code, 5);
  assert.deepEqual(replies[0]?.error?.data, {
    code: 'RATE_LIMITED',
    hint: 'Wait the time that the answer names; clients do it by themselves.',
    retryAfterMs: 250,
  });
});

test('an error of ours says nothing of what it was', async () => {
  const { replies } = await serve([request(1, 'status')], { status: () => Promise.reject(new Error('/secret/path')) });
  assert.equal(replies[0]?.error?.code, -32603);
  assert.doesNotMatch(JSON.stringify(replies), /secret/);
});

test('requests run at the same time, sends begin in the order of their lines', async () => {
  const begun: string[] = [];
  const { replies } = await serve(
    Array.from({ length: 50 }, (_, index) => request(index, 'send', { to: '@bob', text: `${index}` })),
    {
      send: async (_to, text) => {
        begun.push(text);
        await sleep(text === '0' ? 40 : 1);
        return { id: text, state: 'sent', recipient: 'online' };
      },
    },
  );
  assert.deepEqual(begun, [...Array(50).keys()].map(String));
  assert.equal(replies.at(-1)?.id, 0, 'the slow one was overtaken');
});

test('what follows a login waits for it', async () => {
  const order: string[] = [];
  await serve([request(1, 'login', { username: 'a', password: 'b' }), request(2, 'send', { to: '@bob', text: 'x' })], {
    login: async () => {
      await sleep(20);
      order.push('login');
      return { account: 'a', device: 'd', username: 'a', unread: [] };
    },
    send: () => {
      order.push('send');
      return Promise.resolve({ id: 'x', state: 'sent', recipient: 'online' });
    },
  });
  assert.deepEqual(order, ['login', 'send']);
});

test('events come as notifications', async () => {
  const { replies } = await serve([request(1, 'status')], {}, ({ emit }) => {
    emit({ kind: 'message', message: messageFrom('bob', 'hi') });
    emit({ kind: 'state', id: 'm1', conversation: '@bob', state: 'failed', code: 'BLOCKED' });
    emit({ kind: 'loggedOut', code: 'SESSION_REPLACED', reason: 'elsewhere' });
  });
  assert.deepEqual(replies.slice(1), [
    {
      jsonrpc: '2.0',
      method: 'message',
      params: { id: 'bob-hi', conversation: '@bob', from: 'bob', text: 'hi', at: '2026-11-22T10:00:00.000Z' },
    },
    {
      jsonrpc: '2.0',
      method: 'state',
      params: { id: 'm1', conversation: '@bob', state: 'failed', code: 'BLOCKED' },
    },
    { jsonrpc: '2.0', method: 'loggedOut', params: { code: 'SESSION_REPLACED', reason: 'elsewhere' } },
  ]);
});

test('presence is null where it may not be known', async () => {
  const { replies } = await serve([request(1, 'presence', { user: '@bob' })], {
    presence: () => Promise.resolve('unknown'),
  });
  assert.deepEqual(replies[0]?.result, { user: 'bob', online: null });
});

test('groups answer with a code of their own', async () => {
  for (const name of ['createGroup', 'addMembers', 'removeMember', 'leaveGroup', 'members', 'revokeDevice']) {
    assert.ok(Object.hasOwn(methods, name));
    const { replies } = await serve([request(1, name, {})]);
    assert.equal(replies[0]?.error?.data.code, 'NOT_SUPPORTED');
  }
  const { replies } = await serve([request(1, 'send', { to: '#team', text: 'x' })]);
  assert.equal(replies[0]?.error?.data.code, 'NOT_SUPPORTED');
});
