/** An update path of ours: fresh keys for our leaf and everything above it (RFC 9420 §7.5, §12.4.1). */
import type { Entropy } from '../crypto/provider.ts';
import { demand } from '../errors.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import type { LeafContent } from '../tree/leaf-node.ts';
import { signLeaf } from '../tree/leaf-node.ts';
import { filteredDirectPath, withPathKeys } from '../tree/path.ts';
import type { StepSecret } from '../tree/path-secrets.ts';
import { derivePathSecrets, sealPath } from '../tree/path-secrets.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { UpdatePath } from '../tree/update-path.ts';
import type { Provisional } from './epoch.ts';
import { provisionalContext } from './epoch.ts';

export type LeafAppearance = Omit<LeafContent, 'encryptionKey' | 'source'>;

export interface MakePathInput {
  readonly context: GroupContext;
  readonly provisional: Provisional;
  readonly leaf: LeafIndex;
  readonly appearance: LeafAppearance;
  /** Signs the new leaf: of the new signature key, where that changes. */
  readonly signatureKey: Uint8Array;
  readonly entropy: Entropy;
}

export interface MadePath {
  readonly path: UpdatePath;
  /** The tree of the new epoch. */
  readonly tree: RatchetTree;
  readonly steps: readonly StepSecret[];
  readonly commitSecret: Uint8Array;
  readonly leafPrivateKey: Uint8Array;
}

export function makePath(input: MakePathInput): MadePath {
  const { context, provisional, leaf, appearance, entropy } = input;
  const { tree, added, extensions } = provisional;
  const { suite } = tree;
  const leafPair = suite.kem.generate(entropy);
  const first = entropy(suite.hashBytes);
  demand(first.length === suite.hashBytes, 'bad-argument', 'entropy');
  const secrets = derivePathSecrets(suite, filteredDirectPath(tree, leaf), first);
  const keys = secrets.steps.map(({ pair }) => pair.publicKey);
  const { tree: withKeys, leafParentHash: parentHash } = withPathKeys(tree, { leaf, keys });
  const node = signLeaf(suite, {
    content: { ...appearance, encryptionKey: leafPair.publicKey, source: { kind: 'commit', parentHash } },
    place: { groupId: context.groupId, leaf },
    privateKey: input.signatureKey,
  });
  const after = withKeys.edit().setLeaf(leaf, node).done();
  const sealedUnder = encodeGroupContext(provisionalContext(context, { tree: after, extensions }));
  const nodes = sealPath(tree, { steps: secrets.steps, context: sealedUnder, added: new Set(added), entropy });
  return { ...secrets, path: { leaf: node, nodes }, tree: after, leafPrivateKey: leafPair.privateKey };
}
