/** Goal: a record opens once, in its place, in its direction, under its key; keys renew themselves unnoticed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RECORD_OVERHEAD_BYTES, transportFrames } from '@securechat/session';
import { concatBytes, limits } from '@securechat/wire';
import { atOnce } from './at-once.ts';
import { flipped, nowMs, only, pair, utf8 } from './parties.ts';

const text = utf8('a frame');

test('one changed bit in any byte, a byte less or a byte more kills the session', () => {
  const record = only(pair().client.seal(text, nowMs));
  const variants = Array.from(record, (_, at) => flipped(record, at));
  for (const bytes of [...variants, record.subarray(0, -1), concatBytes(record, Uint8Array.of(0)), new Uint8Array(0)]) {
    const { server } = pair();
    assert.equal(server.open(bytes), undefined);
    assert.equal(server.dead, true);
    assert.equal(server.open(record), undefined);
    assert.throws(() => server.seal(text, nowMs), { code: 'CONNECTION_LOST' });
    assert.throws(() => server.mixBoth(text, text, nowMs), { code: 'CONNECTION_LOST' });
  }
});

test('a record that is repeated, reflected, reordered or dropped does not open', () => {
  const cases = {
    repeated: ({ client, server }: ReturnType<typeof pair>) => {
      const record = only(client.seal(text, nowMs));
      assert.deepEqual(server.open(record), text);
      return server.open(record);
    },
    reflected: ({ client }: ReturnType<typeof pair>) => client.open(only(client.seal(text, nowMs))),
    reordered: ({ client, server }: ReturnType<typeof pair>) => {
      only(client.seal(text, nowMs));
      return server.open(only(client.seal(text, nowMs)));
    },
    dropped: ({ client, server }: ReturnType<typeof pair>) => {
      assert.deepEqual(server.open(only(client.seal(text, nowMs))), text);
      client.seal(text, nowMs);
      return server.open(only(client.seal(text, nowMs)));
    },
    foreign: ({ server }: ReturnType<typeof pair>) => server.open(only(pair(undefined, 'b').client.seal(text, nowMs))),
  };
  for (const [name, run] of Object.entries(cases)) assert.equal(run(pair()), undefined, name);
});

test('any split of a stream comes out as it went in, over any number of rekeys', () => {
  const steps = fc.array(
    fc.record({ up: fc.boolean(), bytes: fc.uint8Array({ maxLength: 50 }), pauseMs: fc.nat(4e6) }),
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (all, recordsPerKey) => {
      const { client, server } = pair(recordsPerKey);
      let clock = nowMs;
      const sent = { up: [] as number[], down: [] as number[] };
      const got = { up: [] as number[], down: [] as number[] };
      for (const { up, bytes, pauseMs } of all) {
        clock += pauseMs;
        const way = up ? 'up' : 'down';
        sent[way].push(...bytes);
        for (const record of (up ? client : server).seal(bytes, clock)) {
          const opened = (up ? server : client).open(record);
          assert.ok(opened);
          got[way].push(...opened);
        }
      }
      assert.deepEqual(got, sent);
    }),
  );
});

test('a record is at most frameBytesBeforeAuthMax, after attach frameBytesMax; longer texts are split', () => {
  const { client, server } = pair();
  for (const max of [limits.frameBytesBeforeAuthMax.value, limits.frameBytesMax.value]) {
    client.allow(max);
    const fits = new Uint8Array(max - RECORD_OVERHEAD_BYTES).fill(7);
    const one = only(client.seal(fits, nowMs));
    assert.equal(one.length, max);
    server.allow(max);
    assert.deepEqual(server.open(one), fits);
    const tooLong = concatBytes(fits, Uint8Array.of(8));
    const two = client.seal(tooLong, nowMs);
    assert.deepEqual(
      two.map((record) => record.length),
      [max, RECORD_OVERHEAD_BYTES + 1],
    );
    assert.deepEqual(concatBytes(...two.map((record) => server.open(record) ?? assert.fail())), tooLong);
  }
  client.allow(limits.frameBytesMax.value + 1);
  const oversized = client.seal(new Uint8Array(limits.frameBytesMax.value + 1 - RECORD_OVERHEAD_BYTES), nowMs);
  assert.equal(server.open(only(oversized)), undefined);
});

test('an empty text is a record of its own', () => {
  const { client, server } = pair();
  assert.deepEqual(server.open(only(client.seal(new Uint8Array(0), nowMs))), new Uint8Array(0));
});

test('recordsPerKeyMax: the last record under a key says so, and the next is under another', () => {
  assert.equal(limits.recordsPerKeyMax.value, 2 ** 20);
  const { client, server } = pair(3);
  const kinds: (number | undefined)[] = [];
  for (let count = 0; count < 7; count += 1) {
    assert.equal(client.rekeyDue(nowMs), count % 3 === 2);
    const record = only(client.seal(text, nowMs));
    kinds.push(record[0]);
    assert.deepEqual(server.open(record), text);
  }
  const { record, lastRecord } = transportFrames;
  assert.deepEqual(kinds, [record, record, lastRecord, record, record, lastRecord, record]);
});

test('one record past the limit under the same key is refused', () => {
  const { client } = pair(4);
  const { server } = pair(3);
  for (let count = 0; count < 2; count += 1) assert.ok(server.open(only(client.seal(text, nowMs))));
  // A sender that rekeys later than allowed: its third record is not marked as the last.
  assert.equal(server.open(only(client.seal(text, nowMs))), undefined);
});

test('a rekey earlier than due is followed; its mark cannot be put on or taken off', () => {
  const early = pair(2);
  const late = pair(9);
  early.client.seal(text, nowMs);
  late.client.seal(text, nowMs);
  const marked = only(early.client.seal(text, nowMs));
  const plain = only(late.client.seal(text, nowMs));
  assert.equal(marked[0], transportFrames.lastRecord);
  const cases: [Uint8Array, boolean][] = [
    [marked, true],
    [plain, true],
    [concatBytes(Uint8Array.of(transportFrames.record), marked.subarray(1)), false],
    [concatBytes(Uint8Array.of(transportFrames.lastRecord), plain.subarray(1)), false],
  ];
  for (const [bytes, opens] of cases) {
    const { client, server } = pair(9);
    server.open(only(client.seal(text, nowMs)));
    assert.equal(server.open(bytes) !== undefined, opens);
  }
});

test('recordKeyAgeMsMax: a key of an hour seals one last record', () => {
  const { client, server } = pair();
  const age = limits.recordKeyAgeMsMax.value;
  assert.equal(only(client.seal(text, nowMs + age - 1))[0], transportFrames.record);
  assert.equal(client.rekeyDue(nowMs + age - 1), false);
  assert.equal(client.rekeyDue(nowMs + age), true);
  const fresh = pair();
  const records = [nowMs + age, nowMs + age + 1, nowMs + 2 * age].map((at) => only(fresh.client.seal(text, at)));
  const { record, lastRecord } = transportFrames;
  assert.deepEqual(
    records.map((one) => one[0]),
    [lastRecord, record, lastRecord],
  );
  for (const one of records) assert.deepEqual(server.open(one), text);
});

test('the keys of one direction say nothing of the other: each side renews its own', () => {
  const { client, server } = pair(2);
  for (let count = 0; count < 5; count += 1) assert.deepEqual(server.open(only(client.seal(text, nowMs))), text);
  assert.deepEqual(client.open(only(server.seal(text, nowMs))), text);
});

test('a mix changes both directions, both transcripts, and needs the same secret and the same words', () => {
  const { client, server } = pair();
  const before = client.transcript;
  client.mixBoth(utf8('secret'), utf8('extra'), nowMs);
  server.mixBoth(utf8('secret'), utf8('extra'), nowMs);
  assert.deepEqual(client.transcript, server.transcript);
  assert.notDeepEqual(client.transcript, before);
  assert.deepEqual(server.open(only(client.seal(text, nowMs))), text);
  assert.deepEqual(client.open(only(server.seal(text, nowMs))), text);
  for (const [secret, extra] of [
    ['secret', 'other'],
    ['other', 'extra'],
    ['', ''],
  ] as const) {
    const other = pair();
    other.client.mixBoth(utf8('secret'), utf8('extra'), nowMs);
    other.server.mixBoth(utf8(secret), utf8(extra), nowMs);
    assert.equal(other.server.open(only(other.client.seal(text, nowMs))), undefined);
  }
  const lagging = pair();
  lagging.client.mixBoth(utf8('secret'), utf8('extra'), nowMs);
  assert.equal(lagging.server.open(only(lagging.client.seal(text, nowMs))), undefined);
});

test('any bytes as a record are refused within 50 ms', async () => {
  const kinds = fc.constantFrom(transportFrames.record, transportFrames.lastRecord, 0x00, 0x12, 0xff);
  await fc.assert(
    fc.asyncProperty(kinds, fc.uint8Array({ maxLength: 9000 }), async (kind, rest) => {
      const { server } = pair();
      const bytes = concatBytes(Uint8Array.of(kind), rest);
      await atOnce(50, () => assert.equal(server.open(bytes), undefined));
    }),
  );
});
