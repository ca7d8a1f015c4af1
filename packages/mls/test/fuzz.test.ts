/**
 * Goal: whatever the bytes, a decoder gives a value or a typed error, soon and without much memory; and so does the entry
 * of messages with a state behind it. Method: valid encodings of every kind are mutated (bits, bytes, lengths, cuts,
 * splices of two), from a fixed seed; MLS_FUZZ_ROUNDS makes it longer, and a failure prints the input.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decode } from '../src/codec/reader.ts';
import { Writer } from '../src/codec/writer.ts';
import { readCommit } from '../src/group/commit-structure.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { joinGroup } from '../src/group/join.ts';
import { openJournal, replay } from '../src/group/journal.ts';
import { decodePending, encodePending } from '../src/group/pending.ts';
import { receive } from '../src/group/receive.ts';
import { readWelcome } from '../src/group/welcome-structure.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { readExtensions } from '../src/tree/extension.ts';
import { decodeTree } from '../src/tree/tree-extension.ts';
import { capabilities, judge, suite1 as suite } from './client.ts';
import { hex, toHex } from './vectors.ts';

import type { Corpus } from './fuzz-targets.ts';
import {
  below,
  decoders,
  entropy,
  info,
  made,
  messages,
  mutate,
  pending,
  reader,
  stranger,
  survives,
  welcome,
} from './fuzz-targets.ts';

const rounds = Number(process.env['MLS_FUZZ_ROUNDS'] ?? 300);
/** Heap that comes and goes with any run of this size, whatever the input. */
const GARBAGE_BYTES = 4_000_000;

for (const [name, corpus, run] of decoders)
  test(`mutated bytes never break the decoder: ${name}`, () => {
    let values = 0;
    for (const valid of corpus) run(valid);
    for (let round = 0; round < rounds; round++) {
      const input = corpus[below(corpus.length)] ?? assert.fail();
      const other = corpus[below(corpus.length)] ?? assert.fail();
      if (survives(name, mutate(input, other), run) === 'value') values++;
    }
    assert.ok(values < rounds, 'mutations do damage');
  });

test('what the guided fuzzer found interesting stays harmless', () => {
  const kept = JSON.parse(readFileSync(join(import.meta.dirname, 'fuzz-corpus.json'), 'utf8')) as Corpus;
  let count = 0;
  for (const [name, , run] of decoders)
    for (const input of kept[name] ?? []) {
      survives(name, hex(input), run);
      count++;
    }
  assert.ok(count > 100, `${count} inputs`);
});

test('mutated messages never break the entry of messages, and no forgery gets through', () => {
  const before = openJournal(reader.state).record;
  for (let round = 0; round < rounds; round++) {
    const input = messages[below(messages.length)] ?? assert.fail();
    const bytes = mutate(input, messages[below(messages.length)] ?? assert.fail());
    const outcome = survives('receive', bytes, (message) =>
      receive(reader.state, { ...judge, message, publicHandshakes: 'accept' }),
    );
    if (outcome === 'value') assert.ok(messages.some((message) => toHex(message) === toHex(bytes)));
  }
  assert.deepEqual(openJournal(reader.state).record, before);
});

test('mutated welcomes and GroupInfos never break joining, and none is accepted', () => {
  const common = { ...judge, identity: stranger.identity, capabilities: capabilities(), entropy };
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = mutate(welcome, info);
    const joined = survives('join', bytes, (mutated) => joinGroup(suite, { ...judge, welcome: mutated, ...made }));
    assert.ok(joined === 'error' || toHex(bytes) === toHex(welcome));
    const other = mutate(info, welcome);
    const came = survives('external', other, (groupInfo) => joinByExternalCommit(suite, { ...common, groupInfo }));
    assert.ok(came === 'error' || toHex(other) === toHex(info));
  }
});

test('mutated storage is damaged storage', () => {
  const { record } = openJournal(reader.state);
  const stored = encodePending(pending.pending);
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = mutate(record, stored);
    const loaded = survives('journal', bytes, (mutated) => replay(nodeProvider, { records: [mutated] }));
    assert.ok(loaded === 'error' || toHex(bytes) === toHex(record));
    const other = mutate(stored, record);
    const read = survives('pending', other, (mutated) => decodePending(nodeProvider, mutated));
    assert.ok(read === 'error' || toHex(other) === toHex(stored));
  }
});

test('long lists of the smallest items stay within 16 times their size, or are refused', { timeout: 30_000 }, () => {
  const floods: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
    ['blank nodes', new Writer().vectorOf((w) => w.raw(new Uint8Array(120_000))).done(), (b) => decodeTree(suite, b)],
    [
      'removals',
      new Writer()
        .vectorOf((w) => w.raw(repeated([1, 0, 3, 0, 0, 0, 0], 50_000)))
        .u8(0)
        .done(),
      (b) => decode(b, readCommit),
    ],
    [
      'extensions',
      new Writer().vectorOf((w) => w.raw(repeated([1, 2, 0], 60_000))).done(),
      (b) => decode(b, readExtensions),
    ],
    [
      'senders of a welcome',
      new Writer()
        .u16(1)
        .vectorOf((w) => w.raw(repeated([0, 0, 0], 60_000)))
        .u8(0)
        .done(),
      (b) => decode(b, readWelcome),
    ],
  ];
  for (const [name, bytes, run] of floods) {
    const kept: unknown[] = [];
    const before = process.memoryUsage().heapUsed;
    survives(name, bytes, (input) => kept.push(run(input)));
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 16 * bytes.length + GARBAGE_BYTES, `${name}: ${grown} bytes for ${bytes.length}`);
  }
});

function repeated(item: readonly number[], times: number): Uint8Array {
  const bytes = new Uint8Array(item.length * times);
  for (let i = 0; i < times; i++) bytes.set(item, i * item.length);
  return bytes;
}
