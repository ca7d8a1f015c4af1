/**
 * A state in storage as two records that are replaced, for whoever can write both at once: what a commit changes, and the
 * message keys of the current epoch, which every message changes. No key that was used up stays behind, as it does in a
 * journal until its next snapshot.
 *
 *     Base        := "MLB1" | Snapshot with an empty secret tree | SHA-256 of all before 32
 *     MessageKeys := "MLK1" | SecretTree | SHA-256 of (that of its base | all before) 32
 */
import { concat, equalPublic, utf8 } from '../codec/bytes.ts';
import { Reader } from '../codec/reader.ts';
import { Writer } from '../codec/writer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { SecretTree } from '../schedule/secret-tree.ts';
import { MlsError, demand } from '../errors.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import type { GroupState } from './state.ts';
import { readSecretTree, writeSecretTree } from './store-secret-tree.ts';

const BASE = utf8('MLB1');
const MESSAGE_KEYS = utf8('MLK1');
const HASH_BYTES = 32;

export interface EncodedBase {
  /** Secret. */
  readonly record: Uint8Array;
  /** SHA-256, which message keys name their base by; 32 bytes. */
  readonly hash: Uint8Array;
}

export function encodeBase(state: GroupState): EncodedBase {
  const { provider } = state.suite;
  const writer = new Writer(1 << 14).raw(BASE);
  writeSnapshot(writer, { ...state, secretTree: emptied(state.secretTree) });
  const body = writer.doneSecret();
  const hash = provider.hash('sha256', body);
  const record = concat(body, hash);
  body.fill(0);
  return { record, hash };
}

/** Secret: some 340 bytes for two members with SHA-512, and 50 for each key that was skipped. `base`: hash of its base. */
export function encodeMessageKeys(state: GroupState, base: Uint8Array): Uint8Array {
  const writer = new Writer(512).raw(MESSAGE_KEYS);
  writeSecretTree(writer, state.secretTree);
  const body = writer.doneSecret();
  const record = concat(body, checksum(state.suite.provider, base, body));
  body.fill(0);
  return record;
}

/** Whether two states have one base: nothing but message keys of the current epoch lies between them. */
export function sharesBase(one: GroupState, other: GroupState): boolean {
  const { secretTree: _, ...fixed } = one;
  return (Object.keys(fixed) as (keyof typeof fixed)[]).every((key) => one[key] === other[key]);
}

/** `damaged-state` for anything else than two records that were written for each other. */
export function decodeParts(
  provider: CryptoProvider,
  { base, messageKeys }: { readonly base: Uint8Array; readonly messageKeys: Uint8Array },
): { readonly state: GroupState; readonly hash: Uint8Array } {
  const bodies = [base, messageKeys].map((record) => record.subarray(0, Math.max(0, record.length - HASH_BYTES)));
  const [baseBody, keysBody] = bodies as [Uint8Array, Uint8Array];
  const hash = provider.hash('sha256', baseBody);
  demand(equalPublic(hash, base.subarray(baseBody.length)), 'damaged-state', 'checksum of the base');
  const sum = checksum(provider, hash, keysBody);
  demand(equalPublic(sum, messageKeys.subarray(keysBody.length)), 'damaged-state', 'checksum of the message keys');
  try {
    const state = readSnapshot(after(BASE, baseBody), provider);
    const secretTree = readSecretTree(after(MESSAGE_KEYS, keysBody), state.suite);
    demand(secretTree.leafCount === state.secretTree.leafCount, 'damaged-state', 'message keys of another tree');
    return { state: { ...state, secretTree }, hash };
  } catch (error) {
    throw new MlsError('damaged-state', 'record', { cause: error });
  }
}

function after(magic: Uint8Array, body: Uint8Array): Reader {
  const reader = new Reader(body);
  demand(equalPublic(reader.raw(magic.length), magic), 'damaged-state', 'not a record of this version');
  return reader;
}

function checksum(provider: CryptoProvider, base: Uint8Array, body: Uint8Array): Uint8Array {
  const all = concat(base, body);
  const sum = provider.hash('sha256', all);
  all.fill(0);
  return sum;
}

function emptied(tree: SecretTree): SecretTree {
  return { ...tree, nodes: [], ratchets: [] };
}
