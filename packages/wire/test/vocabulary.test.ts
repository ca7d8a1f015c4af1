import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Code } from '@securechat/wire';
import {
  ByteReader,
  ByteWriter,
  codeOf,
  codes,
  control,
  decodeFailure,
  decodeMessage,
  defaultLimits,
  encodeFailure,
  formatServerAddress,
  fromBase64url,
  idBytes,
  idOf,
  limits,
  parseServerAddress,
  SecureChatError,
  toBase64url,
} from '@securechat/wire';
import type { AccountId } from '@securechat/wire';

test('every code has its own number, a sentence and a hint', () => {
  const names = Object.keys(codes) as Code[];
  assert.equal(new Set(names.map((name) => codes[name].number)).size, names.length);
  for (const name of names) {
    assert.equal(codeOf(codes[name].number), name);
    assert.match(codes[name].text, /^[A-Z].*\.$/s);
    assert.match(codes[name].hint, /\.$/);
  }
  assert.equal(codeOf(65_535), 'INTERNAL');
});

test('every limit has a positive value, a reason and a scope', () => {
  for (const [name, row] of Object.entries(limits)) {
    assert.ok(row.value > 0 && row.reason.length >= 4, name);
    assert.equal(defaultLimits[name as keyof typeof limits], row.value);
  }
});

test('a failure crosses the wire with its code and its details', () => {
  const group = new Uint8Array(16).fill(7);
  const error = new SecureChatError('SLOT_TAKEN', {
    group,
    generation: 3,
    devices: [group],
    retryAfterMs: 5,
    epoch: 9,
  });
  const bytes = control.Failure.encode(encodeFailure(error)).finish();
  const back = decodeFailure(decodeMessage(control.Failure, bytes));
  assert.equal(back.code, 'SLOT_TAKEN');
  assert.deepEqual([back.detail.generation, back.detail.retryAfterMs, back.detail.epoch], [3, 5, 9]);
  assert.deepEqual([...(back.detail.group ?? [])], [...group]);
});

test('a control message of any bytes is a value or MALFORMED', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMessage(control.Request, bytes);
      } catch (error) {
        assert.ok(error instanceof SecureChatError && error.code === 'MALFORMED');
      }
    }),
  );
});

test('base64url has one spelling per value', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) =>
      assert.deepEqual([...fromBase64url(toBase64url(bytes))], [...bytes]),
    ),
  );
  for (const bad of ['A', 'AAAAA', 'AA==', 'AB', 'AAB', 'A A', 'é', 'AA+/', '\n'])
    assert.throws(() => fromBase64url(bad), SecureChatError, bad);
});

test('an id has sixteen bytes', () => {
  const bytes = new Uint8Array(16).fill(1);
  assert.deepEqual([...idBytes(idOf<AccountId>(bytes))], [...bytes]);
  for (const length of [0, 15, 17]) assert.throws(() => idOf(new Uint8Array(length)), SecureChatError);
});

test('what a writer has handed out does not change when it goes on', () => {
  const writer = new ByteWriter(2).u16(0x0102);
  const exact = writer.done();
  const longer = writer.u8(3).done();
  longer[0] = 9;
  assert.deepEqual(
    [[...exact], [...longer]],
    [
      [1, 2],
      [9, 2, 3],
    ],
  );
});

test('integers and vectors are read back, and never past the end', () => {
  const bytes = new ByteWriter(1)
    .u8(255)
    .u16(65_535)
    .u32(2 ** 32 - 1)
    .u64(Number.MAX_SAFE_INTEGER)
    .vec16(new Uint8Array(3))
    .text16('žluť')
    .done();
  const reader = new ByteReader(bytes);
  assert.deepEqual(
    [reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.vec16().length, reader.text16()],
    [255, 65_535, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER, 3, 'žluť'],
  );
  reader.end();
  assert.throws(() => reader.u8(), SecureChatError);
  assert.throws(() => new ByteReader(new Uint8Array([0, 9, 1])).vec16(), SecureChatError);
  assert.throws(() => new ByteReader(new Uint8Array([0x00, 0x20, 0, 0, 0, 0, 0, 0])).u64(), SecureChatError);
  assert.throws(() => new ByteReader(new Uint8Array([0, 1, 0xff])).text16(), SecureChatError);
  assert.throws(() => new ByteReader(new Uint8Array(1)).end(), SecureChatError);
  assert.throws(() => new ByteWriter().u64(2 ** 53), SecureChatError);
});

test('server addresses are read as people write them', () => {
  const pin = `sha256:${'A'.repeat(43)}`;
  assert.deepEqual(parseServerAddress(`ws://127.0.0.1:4200#${pin}`), {
    transport: 'ws',
    host: '127.0.0.1',
    port: 4200,
    fingerprint: pin,
  });
  assert.equal(parseServerAddress('tls://chat.example').port, 4201);
  assert.equal(parseServerAddress('wss://chat.example/').port, 443);
  assert.equal(formatServerAddress(parseServerAddress('tcp://[::1]:4201')), 'tcp://[::1]:4201');
  for (const bad of [
    '',
    'http://a:1',
    'ws://',
    'ws://a:0',
    'ws://a:70000',
    'ws://a:1#sha256:short',
    'ws://u:p@a:1',
    'ws://a b:1',
    'tcp://a:1/path',
  ])
    assert.throws(
      () => parseServerAddress(bad),
      (error: unknown) => error instanceof SecureChatError && error.code === 'USAGE',
      bad,
    );
});
