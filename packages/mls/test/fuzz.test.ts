/**
 * Goal: whatever the bytes, a decoder gives a value or a typed error, soon and without much memory; and so does the entry
 * of messages with a state behind it, also for what is signed and sealed rightly. Method: valid encodings of every kind
 * are mutated (bits, bytes, lengths, cuts, splices of two), from a fixed seed; MLS_FUZZ_ROUNDS makes it longer, and a
 * failure prints the input. `long/guided-fuzz.test.ts` follows the code.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../src/codec/reader.ts';
import type { Writer } from '../src/codec/writer.ts';
import { encode } from '../src/codec/writer.ts';
import { readCommit } from '../src/group/commit-structure.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { joinGroup } from '../src/group/join.ts';
import { openJournal, replay } from '../src/group/journal.ts';
import { decodeParts, encodeBase, encodeMessageKeys } from '../src/group/parts.ts';
import { decodePending, encodePending } from '../src/group/pending.ts';
import { receive } from '../src/group/receive.ts';
import { readWelcome } from '../src/group/welcome-structure.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { readExtensions } from '../src/tree/extension.ts';
import { decodeTree } from '../src/tree/tree-extension.ts';
import { readParent } from '../src/tree/parent-node.ts';
import { readUpdatePath } from '../src/tree/update-path.ts';
import { capabilities, judge, suite1 as suite } from './client.ts';
import { hex, toHex } from './vectors.ts';

import { entries } from './fuzz-entry.ts';
import {
  heldBy,
  below,
  decoders,
  entropy,
  info,
  made,
  messages,
  mutate,
  pending,
  readCorpus,
  reader,
  stranger,
  survives,
  welcome,
} from './fuzz-targets.ts';

const rounds = Number(process.env['MLS_FUZZ_ROUNDS'] ?? 100);
/** What V8 itself adds to the heap between two collections, compiled code for one. */
const ROOM_BYTES = 200_000;

for (const [name, corpus, run] of decoders)
  test(`every seed of the decoder is valid: ${name}`, () => {
    for (const valid of corpus) run(valid);
  });

for (const [name, corpus, run] of [...decoders, ...entries])
  test(`mutated bytes never break: ${name}`, () => {
    let values = 0;
    for (let round = 0; round < rounds; round++) {
      const input = corpus[below(corpus.length)] ?? assert.fail();
      const other = corpus[below(corpus.length)] ?? assert.fail();
      if (survives(name, mutate(input, other), run) === 'value') values++;
    }
    assert.ok(values < rounds, 'mutations do damage');
  });

test('what the guided fuzzer found interesting stays harmless', () => {
  const kept = readCorpus();
  let count = 0;
  for (const [name, , run] of [...decoders, ...entries])
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
  const { record: base, hash } = encodeBase(reader.state);
  const keys = encodeMessageKeys(reader.state, hash);
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = mutate(record, stored);
    const loaded = survives('journal', bytes, (mutated) => replay(nodeProvider, { records: [mutated] }));
    assert.ok(loaded === 'error' || toHex(bytes) === toHex(record));
    const other = mutate(stored, record);
    const read = survives('pending', other, (mutated) => decodePending(nodeProvider, mutated));
    assert.ok(read === 'error' || toHex(other) === toHex(stored));
    const damaged = mutate(keys, record);
    const parts = survives('parts', damaged, (messageKeys) => decodeParts(nodeProvider, { base, messageKeys }));
    assert.ok(parts === 'error' || toHex(damaged) === toHex(keys));
  }
});

test('long lists of the smallest items take 16 times their size at most, or are refused', () => {
  const { leaf } = made.keyPackage;
  const listOf = (item: readonly number[], times: number) => (w: Writer) =>
    void w.vectorOf((items) => items.raw(repeated(item, times)));
  const pathOf = (sealed: readonly number[]) => (w: Writer) =>
    void w.raw(leaf.encoded).vectorOf((nodes) => listOf(sealed, 65_000)(nodes.u8(0)));
  const floods: readonly (readonly [string, (w: Writer) => void, (bytes: Uint8Array) => unknown])[] = [
    ['blank nodes', listOf([0], 120_000), (b) => decodeTree(suite, b)],
    ['removals', listOf([1, 0, 3, 0, 0, 0, 0], 50_000), (b) => decode(b, readCommit)],
    ['references', listOf([2, 0], 100_000), (b) => decode(b, readCommit)],
    ['extensions', listOf([1, 2, 0], 60_000), (b) => decode(b, readExtensions)],
    ['senders of a welcome', (w) => listOf([0, 0, 0], 60_000)(w.u16(1)), (b) => decode(b, readWelcome)],
    ['unmerged leaves', (w) => listOf([0, 0, 0, 1], 60_000)(w.u8(0).u8(0)), (b) => decode(b, readParent)],
    ['empty ciphertexts of a path', pathOf([0, 0]), (b) => decode(b, readUpdatePath)],
    ['smallest ciphertexts of a path', pathOf([0, 16, ...new Uint8Array(16)]), (b) => decode(b, readUpdatePath)],
  ];
  for (const [name, write, run] of floods) {
    const bytes = encode(write);
    survives(name, bytes, run);
    const held = heldBy(() => unlessRefused(() => run(bytes)));
    assert.ok(held < 16 * bytes.length + ROOM_BYTES, `${name}: ${held} bytes for ${bytes.length}`);
  }
});

function unlessRefused(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

function repeated(item: readonly number[], times: number): Uint8Array {
  const bytes = new Uint8Array(item.length * times);
  for (let i = 0; i < times; i++) bytes.set(item, i * item.length);
  return bytes;
}
