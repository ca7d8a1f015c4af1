/**
 * Goal: whatever the bytes, a decoder gives a value or a typed error, soon; and so does the entry
 * of messages with a state behind it, also for what is signed and sealed rightly. Method: valid encodings of every kind
 * are mutated (bits, bytes, lengths, cuts, splices of two), from a fixed seed; MLS_FUZZ_ROUNDS makes it longer, and a
 * failure prints the input. `long/guided-fuzz.test.ts` follows the code, `long/memory.test.ts` counts bytes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { joinGroup } from '../src/group/join.ts';
import { openJournal, replay } from '../src/group/journal.ts';
import { decodeParts, encodeBase, encodeMessageKeys } from '../src/group/parts.ts';
import { decodePending, encodePending } from '../src/group/pending.ts';
import { receive } from '../src/group/receive.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { capabilities, judge, suite1 as suite } from './client.ts';
import { hex, toHex } from './vectors.ts';

import { entries } from './fuzz-entry.ts';
import {
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
