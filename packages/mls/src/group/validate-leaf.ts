/** Leaf node validation (RFC 9420 §7.3). */
import { equalPublic } from '../codec/bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { demand } from '../errors.ts';
import { lacking } from '../tree/capabilities.ts';
import type { Extension } from '../tree/extension.ts';
import { isDefaultExtension } from '../tree/extension.ts';
import type { LeafNode, LeafPlace, LeafSource, Lifetime } from '../tree/leaf-node.ts';
import { leafSignatureVerifies } from '../tree/leaf-node.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { Judgement } from './policy.ts';

export interface LeafQuestion {
  readonly leaf: LeafNode;
  readonly source: LeafSource['kind'];
  readonly groupExtensions: readonly Extension[];
  readonly place?: LeafPlace;
  readonly previous?: LeafNode | undefined;
}

/**
 * A leaf that enters the group or changes in it. `invalid-leaf`, `bad-signature`, `expired`, `refused-credential`. That
 * its keys are unique is seen in the tree (`demandDistinctMembers`).
 */
export function validateLeaf(suite: Suite, question: LeafQuestion, { policy, now }: Judgement): void {
  const { leaf, source, previous } = question;
  demand(leaf.source.kind === source, 'invalid-leaf', 'leaf node source, §7.3');
  validateLeafAlone(suite, question);
  if (leaf.source.kind === 'key-package') demandLifetime(leaf.source.lifetime, { now, max: policy.lifetimeMax });
  if (previous !== undefined)
    demand(!equalPublic(leaf.encryptionKey, previous.encryptionKey), 'invalid-leaf', 'same encryption key, §7.3');
  demand(policy.credential({ leaf, previous }), 'refused-credential');
}

/** What holds for any leaf of a tree, whenever it came there. */
export function validateLeafAlone(suite: Suite, question: Omit<LeafQuestion, 'source' | 'previous'>): void {
  const { leaf, place, groupExtensions: extensions } = question;
  const { capabilities, credential } = leaf;
  demand(suite.kem.accepts(leaf.encryptionKey), 'invalid-leaf', 'encryption key');
  demand(leafSignatureVerifies(suite, leaf, place), 'bad-signature', 'leaf, §7.3');
  const lack = lacking(capabilities, { suite: suite.id, extensions });
  demand(lack === undefined, 'invalid-leaf', `does not support ${lack ?? ''}, §7.3`);
  demand(capabilities.credentials.includes(credential.type), 'invalid-leaf', 'own credential type not listed, §7.2');
  const unlisted = leaf.extensions.find(
    ({ type }) => !isDefaultExtension(type) && !capabilities.extensions.includes(type),
  );
  demand(unlisted === undefined, 'invalid-leaf', 'own extension not listed, §7.2');
}

export function demandLifetime(lifetime: Lifetime, input: { readonly now: bigint; readonly max: bigint }): void {
  const { notBefore, notAfter } = lifetime;
  demand(notAfter - notBefore <= input.max, 'expired', 'lifetime longer than allowed, §7.2');
  demand(notBefore <= input.now && input.now <= notAfter, 'expired', 'lifetime, §7.3');
}

/** §7.3: no key twice among the members, as far as these leaves are concerned. */
export function demandDistinctMembers(tree: RatchetTree, leaves: readonly LeafIndex[]): void {
  for (const index of leaves) {
    const leaf = tree.leaf(index);
    if (leaf === undefined) continue;
    for (const [other, { signatureKey, encryptionKey }] of tree.leaves()) {
      if (other === index) continue;
      demand(!equalPublic(signatureKey, leaf.signatureKey), 'invalid-leaf', 'signature key twice, §7.3');
      demand(!equalPublic(encryptionKey, leaf.encryptionKey), 'invalid-leaf', 'encryption key twice, §7.3');
    }
  }
}

/** §7.3: every member understands the credential of every other. */
export function demandMutualCredentials(tree: RatchetTree): void {
  const used = new Set<number>();
  for (const [, leaf] of tree.leaves()) used.add(leaf.credential.type);
  for (const [, { capabilities }] of tree.leaves())
    for (const type of used)
      demand(capabilities.credentials.includes(type), 'invalid-leaf', `credential type ${type} not supported, §7.3`);
}

/** §12.1.7: every member supports what the group's extensions ask for. */
export function demandSupport(tree: RatchetTree, extensions: readonly Extension[]): void {
  for (const [, { capabilities }] of tree.leaves()) {
    const lack = lacking(capabilities, { suite: tree.suite.id, extensions });
    demand(lack === undefined, 'invalid-proposal', `a member does not support ${lack ?? ''}, §12.1.7`);
  }
}
