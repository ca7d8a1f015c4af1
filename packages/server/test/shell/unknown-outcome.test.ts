/** Goal: a refusal or failure means "not done". Where nobody knows, the connection ends, and the client looks or sends again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, DeviceId, GroupId } from '@securechat/wire';
import { control, defaultLimits, encodeSubmit } from '@securechat/wire';
import { accept } from '../../src/core/decision.ts';
import type { Call } from '../../src/shell/execute.ts';
import { operation, UnknownOutcome } from '../../src/shell/execute.ts';
import type { ServerParts } from '../../src/shell/parts.ts';
import { serveRequest } from '../../src/shell/serve.ts';
import { Submits } from '../../src/shell/submits.ts';
import type { SubmitResult } from '../../src/stores/port.ts';
import { StoreError } from '../../src/stores/port.ts';
import { newClientId } from '../client.ts';

const accepted: SubmitResult = { kind: 'accepted', repeat: false, devices: [], peers: [], rows: [] };

/** What one submission leads to, when the store answers its calls with `answers` in turn. */
async function outcomeWith(...answers: (SubmitResult | Error)[]): Promise<string[]> {
  const seen: string[] = [];
  const server = {
    config: { limits: defaultLimits, registration: 'invite', offlineDelivery: 'on' },
    clock: { wallMs: () => 0, monotonicMs: () => 0 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    rates: { messagesDay: { spend: () => ({ kind: 'spent' }) } },
    bus: { publish() {} },
    presences: {},
    store: {
      submit: () => {
        const answer = answers.shift();
        assert.ok(answer !== undefined, 'asked once too often');
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    },
  } as unknown as ServerParts;
  const settled = Promise.withResolvers<undefined>();
  const submits = new Submits({
    server,
    sender: { account: 'a' as AccountId, device: 'd' as DeviceId, generation: 1 },
    send: (kind) => void seen.push(kind),
    onLoad: () => settled.resolve(undefined),
    onFlood: () => assert.fail(),
    onFenced: () => assert.fail(),
    onUnknown: () => void seen.push('connection ended'),
  });
  submits.handle(
    encodeSubmit({
      kind: 'message',
      id: newClientId(),
      submitNumber: 1,
      lowestUnresolved: 1,
      chainNumber: 1,
      group: 'AAAAAAAAAAAAAAAAAAAAAA' as GroupId,
      epoch: 1,
      onlineOnly: false,
      payload: new Uint8Array(10),
    }),
  );
  await settled.promise;
  assert.equal(answers.length, 0, 'asked too little');
  return seen;
}

const unknown = new StoreError('unavailable', { retry: 'same', outcome: 'unknown' });

const cases: readonly [string, (SubmitResult | Error)[], string[]][] = [
  [
    'a full disk: nothing was stored, refused',
    [new StoreError('full', { retry: 'same', outcome: 'none' })],
    ['refused'],
  ],
  [
    'a queue that is full: nothing was stored, refused',
    [new StoreError('unavailable', { retry: 'same', outcome: 'none' })],
    ['refused'],
  ],
  ['a commit that failed, and an answer the second time: accepted', [unknown, accepted], ['accepted']],
  ['a commit that failed twice: nothing is answered', [unknown, unknown], ['connection ended']],
  [
    'a store that broke: nothing is answered',
    [new StoreError('corrupt', { retry: 'never', outcome: 'unknown' })],
    ['connection ended'],
  ],
  ['an error that nobody foresaw: nothing is answered', [new TypeError('x')], ['connection ended']],
];
for (const [name, answers, expected] of cases)
  test(name, async () => assert.deepEqual(await outcomeWith(...answers), expected));

/** How the request of an attached device is answered when the store fails like this. */
async function replyWith(error: Error): Promise<string> {
  const server = {
    clock: { wallMs: () => 0, monotonicMs: () => 0 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    store: { blocks: () => Promise.reject(error) },
  } as unknown as ServerParts;
  const state = { kind: 'attached', account: 'a', device: 'd', generation: 1, resumption: '' };
  const request = control.Request.encode({ body: { $case: 'listBlocks', value: {} } }).finish();
  const { reply } = await serveRequest(
    { kind: 'request', request: 1, body: request },
    { server, caller: { state } as unknown as Call<'block'>['caller'], spend: () => undefined },
  );
  return reply.kind === 'close' ? 'close' : reply.body.$case;
}

test('a request that certainly was not done gets a failure; one of which nobody knows ends the connection', async () => {
  assert.equal(await replyWith(new StoreError('full', { retry: 'same', outcome: 'none' })), 'failure');
  assert.equal(await replyWith(unknown), 'close');
});

test('what fails after the write is no failure of the request', async () => {
  const run = (writes: boolean) =>
    operation<'block', null, null>({
      when: 'attached',
      cost: 1,
      load: () => null,
      decide: () =>
        accept(null, writes ? [{ space: 'account', key: 'k', ifVersion: 0, value: new Uint8Array(1) }] : []),
      apply: () => Promise.reject(new RangeError('after all')),
    }).run({
      server: { store: { put: async () => ({ ok: true, rows: [] }) }, bus: {} },
    } as unknown as Call<'block'>);
  await assert.rejects(run(true), UnknownOutcome);
  await assert.rejects(run(false), RangeError);
});
