import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, defaultLimits, SecureChatError } from '@securechat/wire';
import type { BlobId, MessageId } from '@securechat/wire';
import type { Body } from '../src/content.ts';
import { decodeContent, encodeContent } from '../src/content.ts';
import { Content as Codec } from '../src/gen/securechat/content/v1/content.ts';
import { pad, paddingBuckets, unpad } from '../src/padding.ts';
import { entropy, id } from './people.ts';

const bodies: readonly Body[] = [
  { kind: 'text', text: '' },
  { kind: 'text', text: 'grüße 👩‍👩‍👧', replyTo: id<MessageId>() },
  { kind: 'receipt', read: [id<MessageId>(), id<MessageId>()] },
  { kind: 'file-offer', transfer: id<MessageId>(), name: 'a b.txt', bytes: 2 ** 40, sha256: entropy(32) },
  { kind: 'file-answer', transfer: id<MessageId>(), accept: true },
  { kind: 'file-answer', transfer: id<MessageId>(), accept: false },
  {
    kind: 'file-ready',
    transfer: id<MessageId>(),
    blob: id() as unknown as BlobId,
    key: entropy(32),
    chunkBytes: defaultLimits.fileChunkBytesMax,
    root: entropy(32),
  },
  { kind: 'file-received', transfer: id<MessageId>(), ok: false },
  { kind: 'skipped' },
];

function content(body: Body, delivered: readonly MessageId[] = []) {
  return { id: id<MessageId>(), chainNumber: 7, sentAtMs: 1_700_000_000_000, delivered, body };
}

test('every body survives encoding and decoding', () => {
  for (const body of bodies) {
    const whole = content(body, [id<MessageId>()]);
    assert.deepEqual(decodeContent(encodeContent(whole)), whole);
  }
});

test('a body of a newer client, and a content of a newer version, are kept as unreadable', () => {
  const known = Codec.encode({
    version: 1,
    id: entropy(16),
    chainNumber: 3,
    sentAtMs: 5,
    delivered: [],
    body: undefined,
  }).finish();
  // Field 200, length-delimited, three bytes: what a later version may add.
  const later = concatBytes(known, Uint8Array.of(0xc2, 0x0c, 3, 1, 2, 3));
  assert.deepEqual(decodeContent(pad(later)).body, { kind: 'unreadable' });
  assert.equal(decodeContent(pad(later)).chainNumber, 3);
  const newer = Codec.encode({
    version: 2,
    id: entropy(16),
    chainNumber: 1,
    sentAtMs: 5,
    delivered: [],
    body: { $case: 'text', value: { text: 'x', replyTo: new Uint8Array(0) } },
  }).finish();
  assert.deepEqual(decodeContent(pad(newer)).body, { kind: 'unreadable' });
});

test('a text of textBytesMax bytes fits a message beside idsPerContentMax ids; a byte more is TEXT_TOO_LONG', () => {
  const delivered = Array.from({ length: defaultLimits.idsPerContentMax }, () => id<MessageId>());
  const longest: Body = { kind: 'text', text: 'ä'.repeat(defaultLimits.textBytesMax / 2), replyTo: id<MessageId>() };
  const whole = content(longest, delivered);
  const padded = encodeContent(whole);
  assert.equal(padded.length, paddingBuckets.at(-1));
  assert.deepEqual(decodeContent(padded), whole);
  const tooLong: Body = { kind: 'text', text: `${longest.text}x` };
  assert.throws(() => encodeContent(content(tooLong)), { code: 'TEXT_TOO_LONG' });
});

test('more than idsPerContentMax ids are neither sent nor read', () => {
  const ids = Array.from({ length: defaultLimits.idsPerContentMax + 1 }, () => id<MessageId>());
  assert.throws(() => encodeContent(content({ kind: 'skipped' }, ids)), { code: 'INTERNAL' });
  assert.throws(() => encodeContent(content({ kind: 'receipt', read: ids })), { code: 'INTERNAL' });
  encodeContent(content({ kind: 'receipt', read: ids.slice(1) }, ids.slice(1)));
  const bytes = ids.map(() => entropy(16));
  const forged = { version: 1, id: entropy(16), chainNumber: 1, sentAtMs: 0 };
  const many = Codec.encode({ ...forged, delivered: bytes, body: { $case: 'skipped', value: {} } }).finish();
  assert.throws(() => decodeContent(pad(many)), { code: 'MALFORMED' });
  const receipt = { $case: 'receipt' as const, value: { read: bytes } };
  const read = Codec.encode({ ...forged, delivered: [], body: receipt }).finish();
  assert.throws(() => decodeContent(pad(read)), { code: 'MALFORMED' });
});

test('ids, hashes and keys of a wrong size, a chain number of zero and version zero are MALFORMED', () => {
  const good = { version: 1, id: entropy(16), chainNumber: 1, sentAtMs: 0, delivered: [], body: undefined };
  const offer = { transfer: entropy(16), name: '', bytes: 1, sha256: entropy(32) };
  const ready = { transfer: entropy(16), blob: entropy(16), key: entropy(32), chunkBytes: 4096, root: entropy(32) };
  const bad = [
    { ...good, id: entropy(15) },
    { ...good, chainNumber: 0 },
    { ...good, version: 0 },
    { ...good, delivered: [entropy(17)] },
    { ...good, body: { $case: 'text' as const, value: { text: '', replyTo: entropy(3) } } },
    { ...good, body: { $case: 'fileOffer' as const, value: { ...offer, sha256: entropy(31) } } },
    { ...good, body: { $case: 'fileOffer' as const, value: { ...offer, name: 'x'.repeat(1025) } } },
    { ...good, body: { $case: 'fileReady' as const, value: { ...ready, key: entropy(16) } } },
    {
      ...good,
      body: { $case: 'fileReady' as const, value: { ...ready, chunkBytes: defaultLimits.fileChunkBytesMin - 1 } },
    },
    {
      ...good,
      body: { $case: 'fileReady' as const, value: { ...ready, chunkBytes: defaultLimits.fileChunkBytesMax + 1 } },
    },
  ];
  decodeContent(pad(Codec.encode(good).finish()));
  for (const chunkBytes of [defaultLimits.fileChunkBytesMin, defaultLimits.fileChunkBytesMax])
    decodeContent(
      pad(Codec.encode({ ...good, body: { $case: 'fileReady', value: { ...ready, chunkBytes } } }).finish()),
    );
  for (const message of bad)
    assert.throws(() => decodeContent(pad(Codec.encode(message).finish())), { code: 'MALFORMED' });
});

test('whatever the bytes, decoding gives a content or MALFORMED', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeContent(pad(bytes));
      } catch (error) {
        assert.ok(error instanceof SecureChatError && error.code === 'MALFORMED', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('each padding bucket holds one byte less than its size, and the next content goes to the next bucket', () => {
  assert.deepEqual(paddingBuckets, [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 66560]);
  let previous = 0;
  for (const [at, size] of paddingBuckets.entries()) {
    assert.equal(pad(new Uint8Array(previous)).length, size, `smallest content of ${size}`);
    assert.equal(pad(new Uint8Array(size - 1)).length, size, `largest content of ${size}`);
    const next: number | undefined = paddingBuckets[at + 1];
    if (next === undefined) assert.throws(() => pad(new Uint8Array(size)), { code: 'TOO_LARGE' });
    else assert.equal(pad(new Uint8Array(size)).length, next);
    previous = size;
  }
});

test('padding is undone whatever the content ends with, and never guessed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom(0, 1, 0x80), (start, tail) => {
      const plain = concatBytes(start, new Uint8Array(3).fill(tail));
      assert.deepEqual(Uint8Array.from(unpad(pad(plain))), plain);
    }),
  );
  const zeros = new Uint8Array(256);
  const unmarked = pad(Uint8Array.of(1));
  unmarked[1] = 0x81;
  const tooWide = new Uint8Array(512);
  tooWide[3] = 0x80;
  for (const bad of [zeros, unmarked, tooWide, new Uint8Array(0), pad(entropy(9)).subarray(1)])
    assert.throws(() => unpad(bad), { code: 'MALFORMED' });
});
