import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Frame, FrameKind } from '@securechat/wire';
import { encodeFrame, FRAME_HEADER_BYTES, FrameReader, frameKinds, limits, SecureChatError } from '@securechat/wire';

const kinds = Object.keys(frameKinds) as FrameKind[];
const frames = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    request: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    body: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 8 },
);

function pieces(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => stream.subarray(start, at[index] ?? stream.length));
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 20 }), (sent: Frame[], cuts) => {
      const encoded = sent.map(encodeFrame);
      const stream = new Uint8Array(encoded.reduce((sum, bytes) => sum + bytes.length, 0));
      let at = 0;
      for (const bytes of encoded) {
        stream.set(bytes, at);
        at += bytes.length;
      }
      const reader = new FrameReader(300);
      const got = pieces(stream, cuts).flatMap((piece) => reader.push(piece.slice()));
      assert.deepEqual(
        got.map((frame) => ({ ...frame, body: [...frame.body] })),
        sent.map((frame) => ({ ...frame, body: [...frame.body] })),
      );
    }),
  );
});

for (const name of ['frameBytesBeforeAuthMax', 'requestBytesMax'] as const) {
  test(`a body of ${name} passes, one byte more is refused before it is collected`, () => {
    const max = limits[name].value;
    assert.equal(
      new FrameReader(max).push(encodeFrame({ kind: 'request', request: 1, body: new Uint8Array(max) })).length,
      1,
    );
    const header = encodeFrame({ kind: 'request', request: 1, body: new Uint8Array(max + 1) }).subarray(
      0,
      FRAME_HEADER_BYTES,
    );
    assert.throws(() => new FrameReader(max).push(header), coded('TOO_LARGE'));
  });
}

test('the limit rises when it is allowed to', () => {
  const reader = new FrameReader(4);
  reader.allow(5);
  assert.equal(reader.push(encodeFrame({ kind: 'ping', request: 0, body: new Uint8Array(5) })).length, 1);
});

test('heldBytes tells of the beginning of a frame, so that keys are not changed inside one', () => {
  const reader = new FrameReader(100);
  const bytes = encodeFrame({ kind: 'ping', request: 0, body: new Uint8Array(5) });
  reader.push(bytes.subarray(0, 3));
  assert.equal(reader.heldBytes, 3);
  reader.push(bytes.subarray(3));
  assert.equal(reader.heldBytes, 0);
});

test('unknown kinds and reserved bits are refused', () => {
  for (const at of [0, 1, 2, 3]) {
    const bytes = encodeFrame({ kind: 'request', request: 1, body: new Uint8Array(3) });
    bytes[at] = 0xff;
    assert.throws(() => new FrameReader(100).push(bytes), coded('MALFORMED'));
  }
});

test('random bytes give frames or a typed error, quickly', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
      try {
        new FrameReader(8192).push(bytes);
      } catch (error) {
        assert.ok(error instanceof SecureChatError);
      }
    }),
  );
});

function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SecureChatError && error.code === code;
}

test('a frame that comes byte by byte is copied a few times, not once for every byte', (t) => {
  const stream = encodeFrame({ kind: 'request', request: 1, body: new Uint8Array(5000).fill(7) });
  const copied = t.mock.method(Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array, 'set');
  const reader = new FrameReader(5000);
  const got: Frame[] = [];
  for (let at = 0; at < stream.length; at += 1) got.push(...reader.push(stream.slice(at, at + 1)));
  const bytes = copied.mock.calls.reduce((sum, call) => sum + call.arguments[0].length, 0);
  copied.mock.restore();
  assert.deepEqual(got, [{ kind: 'request', request: 1, body: new Uint8Array(5000).fill(7) }]);
  assert.equal(reader.heldBytes, 0);
  assert.ok(bytes < 4 * stream.length, `${bytes} bytes copied`);
});
