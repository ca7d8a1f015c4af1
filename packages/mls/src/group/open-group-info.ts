/** A GroupInfo and its tree, before anything is built on them (RFC 9420 §12.4.3, §12.4.3.1). */
import { equalPublic } from '../codec/bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { demand, wanted } from '../errors.ts';
import { demandReadable, extensionOf, extensionTypes } from '../tree/extension.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { decodeTree } from '../tree/tree-extension.ts';
import { validateTree } from '../tree/tree-validation.ts';
import type { GroupInfo } from './group-info.ts';
import { groupInfoVerifies } from './group-info.ts';
import type { Judgement } from './policy.ts';
import { demandMutualCredentials, validateLeafAlone } from './validate-leaf.ts';

/** From the GroupInfo, or from the caller; `missing-tree`. */
export function treeOf(suite: Suite, info: GroupInfo, given: Uint8Array | undefined): RatchetTree {
  const bytes = extensionOf(info.extensions, extensionTypes.ratchetTree) ?? given;
  return decodeTree(suite, wanted(bytes, 'missing-tree').slice());
}

/**
 * Tree hash, signature, the rules of a whole tree, and every leaf with its credential. Lifetimes of members are not
 * asked for: a leaf may outlive the key package it came from.
 */
export function validateGroupInfo(
  suite: Suite,
  { info, tree }: { readonly info: GroupInfo; readonly tree: RatchetTree },
  { policy }: Judgement,
): void {
  const { context, signer } = info;
  demand(equalPublic(tree.hash(), context.treeHash), 'invalid-tree', 'tree hash, §12.4.3.1');
  const node = wanted(tree.leaf(signer), 'invalid-tree', 'signer of the GroupInfo is blank, §12.4.3.1');
  demand(groupInfoVerifies(suite, info, node.signatureKey), 'bad-signature', 'GroupInfo, §12.4.3');
  demandReadable(context.extensions);
  validateTree(tree);
  for (const [leaf, member] of tree.leaves()) {
    const place = { groupId: context.groupId, leaf };
    validateLeafAlone(suite, { leaf: member, place, groupExtensions: context.extensions });
    demand(policy.credential({ leaf: member, previous: undefined }), 'refused-credential');
  }
  demandMutualCredentials(tree);
}
