/** What the fuzzers work on: valid encodings of every kind, the decoders that read them, and the mutations. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MlsError } from '../src/errors.ts';
import { Reader, decode } from '../src/codec/reader.ts';
import { encode } from '../src/codec/writer.ts';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { readCommit, writeCommit } from '../src/group/commit-structure.ts';
import { exportGroupInfo, exportTree } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { readProposal, writeProposal } from '../src/group/proposal.ts';
import { encodeGroupSecrets, readGroupSecrets } from '../src/group/welcome-structure.ts';
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

export const entropy = seeded(process.env['MLS_FUZZ_SEED'] ?? 'fuzz');
export function below(limit: number): number {
  const [a = 0, b = 0, c = 0] = entropy(3);
  return ((a << 16) | (b << 8) | c) % Math.max(1, limit);
}

const interesting = [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

export function mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
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

const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
assert.ok(alice && bob && carol);
export const reader: Client = bob;
const dave = new Client('dave', suite, entropy);
addAll(alice, [dave], [bob, carol]);
export const stranger = new Client('erin', suite, entropy);
export const made = stranger.keyPackage({
  capabilities: capabilities({ extensions: [0xff01] }),
  extensions: [{ type: 0xff01, data: entropy(5) }],
});
export const info = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
const external = joinByExternalCommit(suite, {
  ...judge,
  groupInfo: info,
  identity: stranger.identity,
  capabilities: capabilities(),
  entropy,
});
export const pending = alice.prepare({
  proposals: [
    { kind: 'add', keyPackage: made.keyPackage },
    { kind: 'remove', removed: carol.leaf },
  ],
  format: 'public',
});
export const welcome = pending.welcome ?? assert.fail();
const publicCommit = pending.commit;
export const messages: readonly Uint8Array[] = [
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

/** A name, valid inputs, and what is done with one. */
export type Target = readonly [string, readonly Uint8Array[], (bytes: Uint8Array) => unknown];

export const decoders: readonly Target[] = [
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

/** Inputs worth keeping, in hexadecimal, by target. */
export type Corpus = Readonly<Record<string, readonly string[]>>;

export function readCorpus(): Corpus {
  return JSON.parse(readFileSync(corpusFile, 'utf8')) as Corpus;
}

export const corpusFile: string = join(import.meta.dirname, 'fuzz-corpus.json');

const MS_MAX = 50;
/** On a busy machine a run may be interrupted, or meet the collection of others' garbage: the best counts. */
const ATTEMPTS = 3;

/** A value or an MlsError, in time, and the input is as it was. */
export function survives(name: string, bytes: Uint8Array, run: (bytes: Uint8Array) => unknown): 'value' | 'error' {
  const copy = bytes.slice();
  let outcome: 'value' | 'error' = 'value';
  let ms = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && ms >= MS_MAX; attempt++) {
    const start = process.threadCpuUsage();
    outcome = outcomeOf(name, bytes, run);
    ms = process.threadCpuUsage(start).user / 1000;
  }
  assert.ok(ms < MS_MAX, `${name}: ${ms} ms for ${toHex(copy)}`);
  assert.deepEqual(bytes, copy, `${name}: the input was changed`);
  return outcome;
}

function outcomeOf(name: string, bytes: Uint8Array, run: (bytes: Uint8Array) => unknown): 'value' | 'error' {
  try {
    run(bytes);
    return 'value';
  } catch (error) {
    assert.ok(error instanceof MlsError, `${name}: untyped ${String(error)} for ${toHex(bytes)}`);
    return 'error';
  }
}
