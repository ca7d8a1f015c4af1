/** What lies in the local store: every record survives its codec; newer and damaged ones are told apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AccountId,
  BlobId,
  ClientId,
  DeviceId,
  Fingerprint,
  GroupId,
  MailboxSeq,
  MessageId,
} from '@securechat/wire';
import { idOf, SecureChatError } from '@securechat/wire';
import { accountRecord, countersRecord, cursorRecord, historyRecord } from '../../src/core/record-account.ts';
import { contactRecord } from '../../src/core/record-contact.ts';
import { conversationRecord, emptyConversation } from '../../src/core/record-conversation.ts';
import { failureIn, failureRecord } from '../../src/core/record-failure.ts';
import { groupRecord } from '../../src/core/record-group.ts';
import { keyPackageRecord } from '../../src/core/record-key-package.ts';
import { messageRecord, messageView } from '../../src/core/record-message.ts';
import { itemOf, outboxKey, outboxRecord } from '../../src/core/record-outbox.ts';
import { parkedRecord } from '../../src/core/record-parked.ts';
import type { TransferRecord } from '../../src/core/record-transfer.ts';
import { transferRecord } from '../../src/core/record-transfer.ts';
import type { RecordCodec } from '../../src/core/record.ts';

const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill);
const message = idOf<MessageId>(bytes(16, 1));
const groupId = idOf<GroupId>(bytes(16, 2));
const device = idOf<DeviceId>(bytes(16, 3));
const account = idOf<AccountId>(bytes(16, 4));
const identity = 'sha256:x' as Fingerprint;

const outbox = {
  order: 7,
  user: 'bob',
  kind: 'message',
  onlineOnly: true,
  message,
  transfer: undefined,
  draft: bytes(40, 5),
  sealed: {
    id: idOf<ClientId>(bytes(16, 6)),
    kind: 'found',
    group: groupId,
    epoch: 1,
    chainNumber: 1,
    submitNumber: 12,
    payload: bytes(90_000, 7),
  },
  acceptedMs: 0,
  createdMs: 1_700_000_000_000,
} as const;

const transfer: TransferRecord = {
  id: message,
  direction: 'down',
  stage: 'fetching',
  user: 'bob',
  name: 'a b.txt',
  bytes: 2 ** 31,
  sha256: bytes(32, 1),
  path: '/tmp/ü',
  chunks: [bytes(32, 1), bytes(32, 2)],
  blob: { id: idOf<BlobId>(bytes(16, 8)), key: bytes(32, 3), chunkBytes: 1024, root: bytes(32, 4) },
  placed: '/tmp/ü/a b (2).txt',
  sinceMs: 9,
};

const accountOwn = {
  stage: 'registered',
  server: identity,
  account,
  username: 'zoë',
  device,
  accountJws: 'a.b.c',
  listJws: 'd',
  deviceJws: 'e',
  signing: bytes(32, 1),
  sealing: bytes(1700, 2),
  vault: bytes(3000, 3),
  passwordSlot: bytes(1800, 4),
} as const;

const samples: readonly {
  readonly name: string;
  readonly codec: RecordCodec<never>;
  readonly values: readonly unknown[];
}[] = [
  sample('account', accountRecord, accountOwn),
  sample('counters', countersRecord, { submitNumber: 2 ** 40, clientCounter: 3, order: 4 }),
  sample('cursor', cursorRecord, 99),
  sample('history', historyRecord, 2 ** 47 - 1),
  sample('failure', failureRecord, {
    number: 3,
    atMs: 1_700_000_000_000,
    what: 'gap',
    user: 'bob',
    id: '',
    code: 'SERVER_RESTORED',
    missing: 2,
  }),
  sample('contact', contactRecord, {
    user: 'bob',
    account,
    identity,
    sequence: 2,
    listVersion: 3,
    verified: true,
    changed: false,
    blocked: true,
    written: true,
    accountJws: 'a',
    listJws: 'b',
    deviceJws: ['c', 'd'],
  }),
  sample('conversation', conversationRecord, emptyConversation('bob'), {
    ...emptyConversation('bob'),
    lineage: [
      { group: groupId, generation: 1, ownSequence: 1, peerSequence: 2, epoch: 3, chainAccepted: 4, state: 'dead' },
    ],
    unread: 300,
    delivered: [message],
    read: [message, message],
    lastMs: 5,
  }),
  sample('group', groupRecord, {
    group: groupId,
    user: 'bob',
    messageKeys: bytes(340, 9),
    pending: bytes(10, 1),
    received: [{ device, highest: 9, missing: [2, 3] }],
    ownKeysMs: 1,
  }),
  sample('key package', keyPackageRecord, {
    reference: bytes(64, 1),
    keyPackage: bytes(2700, 2),
    secrets: bytes(200, 3),
    lastResort: true,
    published: false,
    madeMs: 4,
  }),
  sample('outbox', outboxRecord, outbox, { ...outbox, kind: 'commit', sealed: undefined, transfer: message }),
  sample('message', messageRecord, {
    id: message,
    own: true,
    unreadable: false,
    text: '🙂'.repeat(17_000),
    sentMs: 1,
    replyTo: message,
    state: 'failed',
    code: 'RECIPIENT_RESET',
  }),
  sample('parked', parkedRecord, {
    row: { seq: 5 as MailboxSeq, kind: 'commit', group: groupId, storedAtMs: 6, payload: bytes(70_000, 1) },
    parkedMs: 7,
  }),
  sample('transfer', transferRecord, transfer),
];

function sample<T>(name: string, codec: RecordCodec<T>, ...values: readonly T[]) {
  return { name, codec: codec as unknown as RecordCodec<never>, values };
}

for (const { name, codec, values } of samples)
  test(`${name}: what was written is read again; newer and damaged records are refused by their code`, () => {
    for (const value of values) {
      const encoded = codec.encode(value as never);
      assert.deepEqual(codec.decode(encoded), value);
      const newer = encoded.slice();
      newer[0] = (newer[0] ?? 0) + 1;
      assert.throws(() => codec.decode(newer), is('SCHEMA_NEWER'));
      assert.throws(() => codec.decode(encoded.subarray(0, encoded.length - 1)), is('PROFILE_DAMAGED'));
      assert.throws(() => codec.decode(new Uint8Array([...encoded, 0])), is('PROFILE_DAMAGED'));
      assert.throws(() => codec.decode(new Uint8Array(0)), is('PROFILE_DAMAGED'));
    }
  });

function is(code: string) {
  return (error: unknown) => error instanceof SecureChatError && error.code === code;
}

test('the outbox sorts by position as text, and an item carries no content', () => {
  const keys = [1, 2, 10, 255, 256, 2 ** 40].map(outboxKey);
  assert.deepEqual([...keys].sort(), keys);
  const item = itemOf(outbox);
  assert.equal(item.sealed?.bytes, 90_000);
  assert.equal(JSON.stringify(item).includes('payload'), false);
});

test('a date beyond all dates does not break the history', () => {
  const record = {
    id: message,
    own: false,
    unreadable: true,
    text: '',
    sentMs: Number.MAX_SAFE_INTEGER,
    replyTo: undefined,
    state: 'delivered',
    code: undefined,
  } as const;
  const view = messageView(record, 'bob', 'alice');
  assert.equal(view.at, '+275760-09-13T00:00:00.000Z');
  assert.match(view.text, /cannot be read by this version/);
});

test('failures are remembered with their cause and without content; good news is not', () => {
  const conversation = '@bob';
  assert.deepEqual(failureIn({ kind: 'state', id: 'm1', conversation, state: 'failed', code: 'BLOCKED' }), {
    what: 'message',
    user: 'bob',
    id: 'm1',
    code: 'BLOCKED',
    missing: 0,
  });
  assert.equal(failureIn({ kind: 'gap', conversation: '', missing: 4, code: 'GAP' })?.missing, 4);
  const file = { kind: 'fileFailed', id: 't1', user: 'bob', name: 'plans.pdf', code: 'FILE_DAMAGED' } as const;
  assert.ok(!JSON.stringify(failureIn(file)).includes('plans'));
  assert.equal(failureIn({ kind: 'loggedOut', code: 'SESSION_REPLACED', reason: '' })?.what, 'session');
  assert.equal(failureIn({ kind: 'state', id: 'm1', conversation, state: 'sent' }), undefined);
  assert.equal(failureIn({ kind: 'presence', user: 'bob', online: true }), undefined);
});

test('transfer: a record of version 1 has no path that it is about to get', () => {
  const now = transferRecord.encode({ ...transfer, placed: '' });
  const then = now.slice(0, -4);
  then[0] = 1;
  assert.deepEqual(transferRecord.decode(then), { ...transfer, placed: '' });
});

test('conversation: a record of version 1 also names what is unread, which the history says', () => {
  const conversation = { ...emptyConversation('bob'), unread: 2, delivered: [message], lastMs: 5 };
  const now = conversationRecord.encode(conversation);
  // Behind version, name, no groups, and the count.
  const at = 1 + 2 + 'bob'.length + 4 + 8;
  const then = new Uint8Array([1, ...now.slice(1, at), 0, 0, 0, 2, ...bytes(32, 7), ...now.slice(at)]);
  assert.deepEqual(conversationRecord.decode(then), conversation);
});

test('account: a record of version 1 has no slot for the password', () => {
  const passwordSlot = new Uint8Array(0);
  const then = accountRecord.encode({ ...accountOwn, passwordSlot }).slice(0, -2);
  then[0] = 1;
  assert.deepEqual(accountRecord.decode(then), { ...accountOwn, passwordSlot });
});
