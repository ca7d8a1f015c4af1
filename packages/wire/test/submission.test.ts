import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BinaryId, RowKind, SubmitKind } from '@securechat/wire';
import {
  decodeAccepted,
  decodeAck,
  decodeDeliver,
  decodeSubmit,
  encodeAccepted,
  encodeAck,
  encodeDeliver,
  encodeSubmit,
  idOf,
  rowKinds,
  SecureChatError,
  submitKinds,
} from '@securechat/wire';
import type { MailboxSeq } from '@securechat/wire';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => idOf<BinaryId & never>(bytes));
const u64 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const payload = fc.uint8Array({ maxLength: 400 });

test('submit, accepted, deliver and ack survive encoding', () => {
  const submit = fc.record({
    id,
    group: id,
    payload,
    kind: fc.constantFrom(...(Object.keys(submitKinds) as SubmitKind[])),
    onlineOnly: fc.boolean(),
    epoch: u64,
    submitNumber: u64,
    chainNumber: u64,
    lowestUnresolved: u64,
  });
  fc.assert(fc.property(submit, (value) => assert.deepEqual(plain(decodeSubmit(encodeSubmit(value))), plain(value))));
  const accepted = fc.record({
    id,
    presence: fc.constantFrom('unknown' as const, 'online' as const, 'offline' as const),
    devices: fc.array(fc.record({ device: id, state: fc.constantFrom('stored' as const, 'resync' as const) }), {
      maxLength: 10,
    }),
  });
  fc.assert(
    fc.property(accepted, (value) => assert.deepEqual(plain(decodeAccepted(encodeAccepted(value))), plain(value))),
  );
  const deliver = fc.record({
    seq: u64.map((value) => value as MailboxSeq),
    group: id,
    payload,
    storedAtMs: u64,
    kind: fc.constantFrom(...(Object.keys(rowKinds) as RowKind[])),
  });
  fc.assert(
    fc.property(deliver, (value) => assert.deepEqual(plain(decodeDeliver(encodeDeliver(value))), plain(value))),
  );
  fc.assert(fc.property(u64, (value) => assert.equal(decodeAck(encodeAck(value as MailboxSeq)), value)));
});

test('any bytes give a value or MALFORMED', () => {
  for (const decode of [decodeSubmit, decodeAccepted, decodeDeliver, decodeAck]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SecureChatError && error.code === 'MALFORMED');
        }
      }),
    );
  }
});

test('a truncated header is MALFORMED at every length', () => {
  const whole = encodeDeliver({
    seq: 1 as MailboxSeq,
    kind: 'message',
    group: idOf(new Uint8Array(16)),
    storedAtMs: 1,
    payload: new Uint8Array(0),
  });
  for (let length = 0; length < whole.length; length++)
    assert.throws(() => decodeDeliver(whole.subarray(0, length)), SecureChatError);
});

/** Views and arrays alike, so that deepEqual compares bytes. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? [...inner] : inner)));
}
