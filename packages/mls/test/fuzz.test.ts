/**
 * Goal: whatever the bytes, a decoder gives a value or a typed error, soon and without much memory; and so does the entry
 * of messages with a state behind it. Method: valid encodings of every kind are mutated (bits, bytes, lengths, cuts,
 * splices of two), from a fixed seed; MLS_FUZZ_ROUNDS makes it longer, and a failure prints the input.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, decode } from '../src/codec/reader.ts';
import { Writer, encode } from '../src/codec/writer.ts';
import { MlsError } from '../src/errors.ts';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { readCommit, writeCommit } from '../src/group/commit-structure.ts';
import { exportGroupInfo, exportTree } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { joinGroup } from '../src/group/join.ts';
import { openJournal, replay } from '../src/group/journal.ts';
import { decodePending, encodePending } from '../src/group/pending.ts';
import { readProposal, writeProposal } from '../src/group/proposal.ts';
import { receive } from '../src/group/receive.ts';
import { encodeGroupSecrets, readGroupSecrets, readWelcome } from '../src/group/welcome-structure.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { basicCredential } from '../src/tree/credential.ts';
import {
  externalSenders,
  externalSendersIn,
  readExtensions,
  requiredCapabilities,
  requiredCapabilitiesIn,
  writeExtensions,
} from '../src/tree/extension.ts';
import { readLeaf } from '../src/tree/leaf-node.ts';
import { decodeTree } from '../src/tree/tree-extension.ts';
import { validateTree } from '../src/tree/tree-validation.ts';
import { readUpdatePath, writeUpdatePath } from '../src/tree/update-path.ts';
import { Client, addAll, capabilities, groupOf, judge, suite1 as suite } from './client.ts';
import { forge, pathFor } from './forge.ts';
import { seeded } from './entropy.ts';
import { toHex } from './vectors.ts';

const rounds = Number(process.env['MLS_FUZZ_ROUNDS'] ?? 300);
const entropy = seeded(process.env['MLS_FUZZ_SEED'] ?? 'fuzz');
const MS_MAX = 50;
/** Heap that comes and goes with any run of this size, whatever the input. */
const GARBAGE_BYTES = 4_000_000;

function below(limit: number): number {
  const [a = 0, b = 0, c = 0] = entropy(3);
  return ((a << 16) | (b << 8) | c) % Math.max(1, limit);
}

const interesting = [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

function mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = input.slice();
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(bytes.length);
    switch (below(7)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        bytes[at] = interesting[below(interesting.length)] ?? 0;
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...entropy(1 + below(8)), ...bytes.subarray(at));
        break;
      case 4:
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(16)));
        break;
      case 5:
        bytes.set(
          Uint8Array.of(0x80 | below(64), below(256), below(256), below(256)).subarray(0, bytes.length - at),
          at,
        );
        break;
      default:
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...other.subarray(below(other.length)));
    }
  }
  return bytes;
}

/** A value or an MlsError, in time. */
function survives(name: string, bytes: Uint8Array, run: (bytes: Uint8Array) => unknown): 'value' | 'error' {
  const copy = bytes.slice();
  const start = process.threadCpuUsage();
  let outcome: 'value' | 'error' = 'value';
  try {
    run(bytes);
  } catch (error) {
    assert.ok(error instanceof MlsError, `${name}: untyped ${String(error)} for ${toHex(copy)}`);
    outcome = 'error';
  }
  const { user } = process.threadCpuUsage(start);
  assert.ok(user / 1000 < MS_MAX, `${name}: ${user / 1000} ms for ${toHex(copy)}`);
  assert.deepEqual(bytes, copy, `${name}: the input was changed`);
  return outcome;
}

const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
assert.ok(alice && bob && carol);
const dave = new Client('dave', suite, entropy);
addAll(alice, [dave], [bob, carol]);
const stranger = new Client('erin', suite, entropy);
const made = stranger.keyPackage({ extensions: [{ type: 0xff01, data: entropy(5) }] });
const info = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
const external = joinByExternalCommit(suite, {
  ...judge,
  groupInfo: info,
  identity: stranger.identity,
  capabilities: capabilities(),
  entropy,
});
const pending = alice.prepare({
  proposals: [
    { kind: 'add', keyPackage: made.keyPackage },
    { kind: 'remove', removed: carol.leaf },
  ],
  format: 'public',
});
const welcome = pending.welcome ?? assert.fail();
const publicCommit = pending.commit;
const messages: readonly Uint8Array[] = [
  publicCommit,
  alice.prepare().commit,
  alice.send('hello'),
  external.commit,
  forge(alice, { body: { kind: 'proposal', proposal: { kind: 'remove', removed: 1 } } }),
];
const path = pathFor(alice);
const someExtensions = [
  requiredCapabilities({ extensions: [1], proposals: [2], credentials: [1, 2] }),
  externalSenders([{ signatureKey: entropy(32), credential: basicCredential(entropy(4)) }]),
];

const decoders: readonly (readonly [string, readonly Uint8Array[], (bytes: Uint8Array) => unknown])[] = [
  [
    'message',
    [...messages, welcome, info, encodeMessage({ kind: 'key-package', keyPackage: made.keyPackage })],
    decodeMessage,
  ],
  ['tree', [exportTree(alice.state)], (bytes) => validateTree(decodeTree(suite, bytes))],
  ['leaf', [made.keyPackage.leaf.encoded], (bytes) => readLeaf(new Reader(bytes))],
  ['path', [encode((w) => writeUpdatePath(w, path))], (bytes) => decode(bytes, readUpdatePath)],
  ['commit', [encode((w) => writeCommit(w, { proposals: [], path }))], (bytes) => decode(bytes, readCommit)],
  [
    'proposal',
    [
      encode((w) => writeProposal(w, { kind: 'add', keyPackage: made.keyPackage })),
      encode((w) =>
        writeProposal(w, {
          kind: 'reinit',
          reinit: { groupId: entropy(4), version: 1, suite: 1, extensions: [{ type: 1, data: entropy(3) }] },
        }),
      ),
    ],
    (bytes) => decode(bytes, readProposal),
  ],
  [
    'extensions',
    [encode((w) => writeExtensions(w, someExtensions))],
    (bytes) => {
      const extensions = decode(bytes, readExtensions);
      externalSendersIn(extensions);
      requiredCapabilitiesIn(extensions);
    },
  ],
  [
    'group secrets',
    [encodeGroupSecrets({ joiner: entropy(32), pathSecret: entropy(32), psks: [] })],
    (bytes) => decode(bytes, readGroupSecrets),
  ],
];

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

test('mutated messages never break the entry of messages, and no forgery gets through', () => {
  const before = openJournal(bob.state).record;
  for (let round = 0; round < rounds; round++) {
    const input = messages[below(messages.length)] ?? assert.fail();
    const bytes = mutate(input, messages[below(messages.length)] ?? assert.fail());
    const outcome = survives('receive', bytes, (message) =>
      receive(bob.state, { ...judge, message, publicHandshakes: 'accept' }),
    );
    if (outcome === 'value') assert.ok(messages.some((message) => toHex(message) === toHex(bytes)));
  }
  assert.deepEqual(openJournal(bob.state).record, before);
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
  const { record } = openJournal(bob.state);
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
