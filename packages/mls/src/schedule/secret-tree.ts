/**
 * The secret tree (RFC 9420 §9): message keys of one epoch for every sender. A value. Secrets stand at the nodes that
 * nobody below has used yet; the first use of a leaf consumes the way down to it (§9.2).
 */
import { utf8 } from '../codec/bytes.ts';
import { expandWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { wanted } from '../errors.ts';
import type { LeafIndex, NodeIndex } from '../tree/tree-math.ts';
import { directPath, isWithin, left, nodeOf, right, root } from '../tree/tree-math.ts';
import type { MessageKey, Ratchet, RatchetStep, Window } from './ratchet.ts';
import { advance, ratchetOf, secretsOfRatchet, seek } from './ratchet.ts';

export type RatchetKind = 'handshake' | 'application';

export interface LeafRatchets {
  readonly handshake: Ratchet;
  readonly application: Ratchet;
}

export interface SecretTree {
  readonly suite: Suite;
  readonly leafCount: number;
  /** By node. */
  readonly nodes: readonly (Uint8Array | undefined)[];
  /** By leaf. */
  readonly ratchets: readonly (LeafRatchets | undefined)[];
}

export function secretTreeOf(suite: Suite, input: { leafCount: number; encryption: Uint8Array }): SecretTree {
  const nodes: (Uint8Array | undefined)[] = [];
  nodes[root(input.leafCount)] = input.encryption;
  return { suite, leafCount: input.leafCount, nodes, ratchets: [] };
}

export interface TakenKey extends MessageKey {
  readonly generation: number;
  readonly tree: SecretTree;
  readonly wipe: readonly Uint8Array[];
}

interface Which {
  readonly leaf: LeafIndex;
  readonly kind: RatchetKind;
}

/** The next key of a sender: our own. */
export function takeNext(tree: SecretTree, which: Which): TakenKey {
  return take(tree, which, (ratchet) => advance(tree.suite, ratchet));
}

/** The key of a message received: `replayed`, `too-old`, `too-far-ahead`. */
export function takeAt(tree: SecretTree, input: Which & { generation: number; window: Window }): TakenKey {
  const { generation } = input;
  return { ...take(tree, input, (ratchet) => seek(tree.suite, ratchet, input)), generation };
}

function take(tree: SecretTree, { leaf, kind }: Which, move: (ratchet: Ratchet) => RatchetStep): TakenKey {
  const opened = openLeaf(tree, leaf);
  const before = opened.ratchets[kind];
  const step = move(before);
  const ratchets = [...opened.tree.ratchets];
  ratchets[leaf] = { ...opened.ratchets, [kind]: step.ratchet };
  const wipe = [...opened.wipe, ...step.wipe];
  return { ...step.key, generation: before.generation, tree: { ...opened.tree, ratchets }, wipe };
}

function openLeaf(
  tree: SecretTree,
  leaf: LeafIndex,
): { readonly tree: SecretTree; readonly ratchets: LeafRatchets; readonly wipe: readonly Uint8Array[] } {
  const known = tree.ratchets[leaf];
  if (known !== undefined) return { tree, ratchets: known, wipe: [] };
  const { suite } = tree;
  const length = suite.hashBytes;
  const nodes = [...tree.nodes];
  const wipe: Uint8Array[] = [];
  let at: NodeIndex = nodeOf(leaf);
  if (nodes[at] === undefined)
    at = wanted(
      directPath(at, tree.leafCount).find((node) => nodes[node] !== undefined),
      'too-old',
      'secrets of the sender',
    );
  while (at !== nodeOf(leaf)) {
    const secret = wanted(nodes[at], 'too-old');
    const child = (side: 'left' | 'right'): Uint8Array =>
      expandWithLabel(suite, { secret, label: 'tree', context: sides[side], length });
    nodes[left(at)] = child('left');
    nodes[right(at)] = child('right');
    nodes[at] = undefined;
    wipe.push(secret);
    at = isWithin(nodeOf(leaf), left(at)) ? left(at) : right(at);
  }
  const secret = wanted(nodes[at], 'too-old');
  const first = (label: string): Ratchet =>
    ratchetOf(expandWithLabel(suite, { secret, label, context: noContext, length }));
  nodes[at] = undefined;
  wipe.push(secret);
  return {
    tree: { ...tree, nodes },
    ratchets: { handshake: first('handshake'), application: first('application') },
    wipe,
  };
}

const sides = { left: utf8('left'), right: utf8('right') } as const;
const noContext = new Uint8Array(0);

export function* secretsOfTree(tree: SecretTree): Generator<Uint8Array> {
  for (const secret of tree.nodes) if (secret !== undefined) yield secret;
  for (const ratchets of tree.ratchets) {
    if (ratchets === undefined) continue;
    yield* secretsOfRatchet(ratchets.handshake);
    yield* secretsOfRatchet(ratchets.application);
  }
}
