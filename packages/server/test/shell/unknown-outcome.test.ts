/** Goal: a refusal means "not stored". Where nobody knows, the connection ends and the device sends the same again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, DeviceId, GroupId } from '@securechat/wire';
import { defaultLimits, encodeSubmit } from '@securechat/wire';
import type { ServerParts } from '../../src/shell/parts.ts';
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
