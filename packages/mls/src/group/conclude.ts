/** The last steps of any commit, the same for who makes it and who receives it (RFC 9420 §8, §8.2, §12.4). */
import type { Suite } from '../crypto/suite.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import type { NewEpoch } from '../schedule/key-schedule.ts';
import { epochOf, joinerSecret, mac } from '../schedule/key-schedule.ts';
import { secretTreeOf } from '../schedule/secret-tree.ts';
import { confirmedTranscriptHash, interimTranscriptHash } from '../schedule/transcript.ts';
import type { PrivateKeys } from '../tree/path-secrets.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { ReInit } from './proposal.ts';
import type { Epoch } from './state.ts';

export interface ConcludeInput {
  /** Of the new epoch, with the old transcript hash. */
  readonly provisional: GroupContext;
  readonly interimBefore: Uint8Array;
  /** ConfirmedTranscriptHashInput. */
  readonly commit: Uint8Array;
  readonly initSecret: Uint8Array;
  /** Wiped. */
  readonly commitSecret: Uint8Array;
  readonly psk: Uint8Array;
}

export interface Concluded {
  readonly context: GroupContext;
  readonly confirmationTag: Uint8Array;
  readonly newEpoch: NewEpoch;
  /** For welcomes; to be wiped. */
  readonly joiner: Uint8Array;
}

export function conclude(suite: Suite, input: ConcludeInput): Concluded {
  const { provisional, interimBefore, commit, initSecret, commitSecret, psk } = input;
  const confirmed = confirmedTranscriptHash(suite, { interimBefore, commit });
  const context = { ...provisional, confirmedTranscriptHash: confirmed };
  const encoded = encodeGroupContext(context);
  const joiner = joinerSecret(suite, { initSecret, commitSecret, context: encoded });
  commitSecret.fill(0);
  const newEpoch = epochOf(suite, { joiner, psk, context: encoded });
  return { context, newEpoch, joiner, confirmationTag: mac(suite, newEpoch.secrets.confirmation, confirmed) };
}

export interface EnterInput {
  readonly tree: RatchetTree;
  readonly ownLeaf: LeafIndex;
  readonly privateKeys: PrivateKeys;
  readonly reinit?: ReInit | undefined;
}

/** All that a member keeps of the epoch. */
export function epochFrom(suite: Suite, concluded: Omit<Concluded, 'joiner'>, input: EnterInput): Epoch {
  const { context, confirmationTag, newEpoch } = concluded;
  const { tree, ownLeaf, privateKeys, reinit } = input;
  const { confirmedTranscriptHash: confirmed } = context;
  return {
    context,
    tree,
    ownLeaf,
    privateKeys,
    secrets: newEpoch.secrets,
    secretTree: secretTreeOf(suite, { leafCount: tree.leafCount, encryption: newEpoch.encryption }),
    confirmationTag,
    interimTranscriptHash: interimTranscriptHash(suite, { confirmed, confirmationTag }),
    status: reinit === undefined ? { kind: 'active' } : { kind: 'reinitialised', reinit },
  };
}
