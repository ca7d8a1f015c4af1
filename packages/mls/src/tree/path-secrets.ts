/** The secrets of an update path (RFC 9420 §7.4, §7.5, §7.6): made, sealed to the others, opened. */
import { equalPublic, wipeAll } from '../codec/bytes.ts';
import { decryptWithLabel, deriveSecret, encryptWithLabel } from '../crypto/labels.ts';
import type { Entropy, KeyPair } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand, wanted } from '../errors.ts';
import type { PathStep } from './path.ts';
import { filteredDirectPath } from './path.ts';
import type { RatchetTree } from './ratchet-tree.ts';
import type { LeafIndex, NodeIndex } from './tree-math.ts';
import { isWithin, nodeOf } from './tree-math.ts';
import type { UpdatePathNode } from './update-path.ts';

/** Private keys a member knows, by node: its leaf, and nodes above it. */
export type PrivateKeys = ReadonlyMap<NodeIndex, Uint8Array>;

export interface StepSecret {
  readonly step: PathStep;
  readonly pathSecret: Uint8Array;
  readonly pair: KeyPair;
}

export interface PathSecrets {
  /** Lowest first. */
  readonly steps: readonly StepSecret[];
  /** The path secret after the last: what the key schedule takes. */
  readonly commitSecret: Uint8Array;
}

/** All secrets of a path from the lowest one up. Takes `first` over. */
export function derivePathSecrets(suite: Suite, path: readonly PathStep[], first: Uint8Array): PathSecrets {
  let pathSecret = first;
  const steps = path.map((step): StepSecret => {
    const made = { step, pathSecret, pair: nodePair(suite, pathSecret) };
    pathSecret = deriveSecret(suite, pathSecret, 'path');
    return made;
  });
  return { steps, commitSecret: pathSecret };
}

function nodePair(suite: Suite, pathSecret: Uint8Array): KeyPair {
  const nodeSecret = deriveSecret(suite, pathSecret, 'node');
  const pair = suite.kem.derive(nodeSecret);
  nodeSecret.fill(0);
  return pair;
}

export interface SealPathInput {
  readonly steps: readonly StepSecret[];
  /** The provisional group context (§12.4.1). */
  readonly context: Uint8Array;
  /** Leaves this commit adds: they learn the secrets from their welcome. */
  readonly added: ReadonlySet<LeafIndex>;
  readonly entropy: Entropy;
}

export function sealPath(tree: RatchetTree, { steps, context, added, entropy }: SealPathInput): UpdatePathNode[] {
  return steps.map(({ step, pathSecret: plaintext, pair }) => {
    const sealed = recipients(tree, step.copath, added).map((node) => {
      const publicKey = wanted(tree.node(node), 'bad-argument').encryptionKey;
      return encryptWithLabel(tree.suite, { publicKey, label: 'UpdatePathNode', context, plaintext, entropy });
    });
    return { encryptionKey: pair.publicKey, sealed };
  });
}

export interface OpenPathInput {
  readonly sender: LeafIndex;
  readonly own: LeafIndex;
  readonly keys: PrivateKeys;
  readonly nodes: readonly UpdatePathNode[];
  readonly context: Uint8Array;
  readonly added: ReadonlySet<LeafIndex>;
}

/**
 * The secrets from the lowest node shared with the sender up to the root, checked against the public keys of the path.
 * `tree` is the tree with all proposals applied. Errors: `invalid-path`, `undecryptable`.
 */
export function openPath(tree: RatchetTree, input: OpenPathInput): PathSecrets {
  const { sender, own, keys, nodes, context, added } = input;
  const path = filteredDirectPath(tree, sender);
  demand(path.length === nodes.length, 'invalid-path', 'length of the path, §7.5');
  path.forEach((step, i) => {
    const expected = recipients(tree, step.copath, added).length;
    demand(nodes[i]?.sealed.length === expected, 'invalid-path', 'number of ciphertexts, §7.6');
  });
  const start = path.findIndex(({ copath }) => isWithin(nodeOf(own), copath));
  const step = wanted(path[start], 'invalid-path', 'not on the path of the sender');
  const to = recipients(tree, step.copath, added);
  const mine = to.findIndex((node) => keys.has(node));
  const node = to[mine];
  const sealed = nodes[start]?.sealed[mine];
  const privateKey = node === undefined ? undefined : keys.get(node);
  if (node === undefined || sealed === undefined || privateKey === undefined)
    throw new MlsError('invalid-path', '§7.5');
  const pair = { privateKey, publicKey: wanted(tree.node(node), 'invalid-path').encryptionKey };
  const first = decryptWithLabel(tree.suite, { ...sealed, pair, label: 'UpdatePathNode', context });
  if (first.length !== tree.suite.hashBytes) throw new MlsError('invalid-path', 'size of a path secret');
  const secrets = derivePathSecrets(tree.suite, path.slice(start), first);
  secrets.steps.forEach(({ pair: derived }, i) => {
    const claimed = wanted(nodes[start + i], 'invalid-path').encryptionKey;
    demand(equalPublic(derived.publicKey, claimed), 'invalid-path', 'public key of a path secret, §7.5');
  });
  return secrets;
}

/** §7.5: nobody added by the same commit. */
function recipients(tree: RatchetTree, copath: NodeIndex, added: ReadonlySet<LeafIndex>): readonly NodeIndex[] {
  const resolution = tree.resolution(copath);
  if (added.size === 0) return resolution;
  const fresh = new Set([...added].map(nodeOf));
  return resolution.filter((node) => !fresh.has(node));
}

/** Keys of nodes that are still as they were, with those of a new path. */
export function nextPrivateKeys(
  keys: PrivateKeys,
  input: { readonly before: RatchetTree; readonly after: RatchetTree; readonly path: readonly StepSecret[] },
): PrivateKeys {
  const next = new Map<NodeIndex, Uint8Array>();
  for (const [node, key] of keys) {
    const then = input.before.node(node)?.encryptionKey;
    const now = input.after.node(node)?.encryptionKey;
    if (then !== undefined && now !== undefined && equalPublic(then, now)) next.set(node, key);
  }
  for (const { step, pair } of input.path) next.set(step.node, pair.privateKey);
  return next;
}

/** Path secrets have done their work once the keys are derived (§7.5). */
export function wipePathSecrets(steps: readonly StepSecret[]): void {
  wipeAll(steps.map(({ pathSecret }) => pathSecret));
}
