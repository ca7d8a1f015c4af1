/**
 * A member's view of a group: a value. No function changes a state; those that advance one return the next and name in
 * `wipe` the secrets that only the old one holds, to be filled with zeros once the new state is stored. Until then the
 * old state is still the truth.
 */
import { EMPTY } from '../codec/bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import type { EpochSecrets } from '../schedule/key-schedule.ts';
import type { Window } from '../schedule/ratchet.ts';
import type { SecretTree } from '../schedule/secret-tree.ts';
import { secretsOfTree } from '../schedule/secret-tree.ts';
import type { LeafNode } from '../tree/leaf-node.ts';
import type { PrivateKeys } from '../tree/path-secrets.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { Sender } from '../framing/content.ts';
import type { Proposal, ReInit } from './proposal.ts';

export interface GroupConfig {
  /** How far out of order messages of one sender may come. */
  readonly window: Window;
  /** Past epochs whose application messages can still be read. */
  readonly pastEpochsMax: number;
  /** Past epochs whose resumption PSK is kept. */
  readonly resumptionEpochsMax: number;
}

export const defaultConfig: GroupConfig = {
  window: { backMax: 256, forwardMax: 2000 },
  pastEpochsMax: 4,
  resumptionEpochsMax: 16,
};

/** A proposal received or sent in this epoch, by reference. */
export interface CachedProposal {
  readonly proposal: Proposal;
  readonly sender: Sender;
  /** Of an Update of ours: what its leaf's key is made of. */
  readonly privateKey: Uint8Array | undefined;
}

/** What it takes to read an application message that comes after its epoch ended. */
export interface PastEpoch {
  readonly epoch: bigint;
  /** Encoded. */
  readonly context: Uint8Array;
  readonly leaves: readonly (LeafNode | undefined)[];
  readonly senderData: Uint8Array;
  /** Without handshake ratchets. */
  readonly secretTree: SecretTree;
}

export type GroupStatus =
  | { readonly kind: 'active' }
  /** §11.2: nothing more is sent here; the successor comes with a welcome. */
  | { readonly kind: 'reinitialised'; readonly reinit: ReInit }
  | { readonly kind: 'removed' };

/** All that belongs to one epoch. */
export interface Epoch {
  readonly context: GroupContext;
  readonly tree: RatchetTree;
  readonly ownLeaf: LeafIndex;
  readonly privateKeys: PrivateKeys;
  readonly secrets: EpochSecrets;
  readonly secretTree: SecretTree;
  readonly confirmationTag: Uint8Array;
  readonly interimTranscriptHash: Uint8Array;
  readonly status: GroupStatus;
}

export interface GroupState extends Epoch {
  readonly suite: Suite;
  readonly config: GroupConfig;
  /** By reference (`keyOf`). */
  readonly proposals: ReadonlyMap<string, CachedProposal>;
  /** Newest first. */
  readonly past: readonly PastEpoch[];
  /** Newest first; of epochs before the current one. */
  readonly resumption: readonly { readonly epoch: bigint; readonly secret: Uint8Array }[];
}

/** A result with the next state. */
export interface Advanced {
  readonly state: GroupState;
  readonly wipe: readonly Uint8Array[];
}

export function newState(suite: Suite, config: GroupConfig, epoch: Epoch): GroupState {
  return { ...epoch, suite, config, proposals: new Map(), past: [], resumption: [] };
}

/** `closed` after a ReInit or our own removal. */
export function demandActive(state: GroupState): void {
  demand(state.status.kind === 'active', 'closed', state.status.kind);
}

function* secretsOfEpoch(epoch: Epoch): Generator<Uint8Array> {
  yield* Object.values<Uint8Array>({ ...epoch.secrets });
  yield* epoch.privateKeys.values();
  yield* secretsOfTree(epoch.secretTree);
}

/** Every secret a state holds. */
export function* secretsOf(state: GroupState): Generator<Uint8Array> {
  yield* secretsOfEpoch(state);
  for (const { privateKey } of state.proposals.values()) if (privateKey !== undefined) yield privateKey;
  for (const past of state.past) {
    yield past.senderData;
    yield* secretsOfTree(past.secretTree);
  }
  for (const { secret } of state.resumption) yield secret;
}

/** The secrets of one state that another does not hold. */
export function onlyIn(before: GroupState, after: GroupState): readonly Uint8Array[] {
  const kept = new Set(secretsOf(after));
  return [...secretsOf(before)].filter((secret) => secret.length > 0 && !kept.has(secret));
}

/**
 * The secrets of an epoch that is not entered: of a commit of ours that lost its race, of one of others that was refused.
 * To be filled with zeros.
 */
export function secretsOfDropped(state: GroupState, epoch: Epoch): readonly Uint8Array[] {
  const kept = new Set(secretsOf(state));
  return [...secretsOfEpoch(epoch)].filter((secret) => !kept.has(secret));
}

export function resumptionSecretOf(state: GroupState, epoch: bigint): Uint8Array | undefined {
  if (epoch === state.context.epoch && state.status.kind !== 'removed') return state.secrets.resumption;
  return state.resumption.find((kept) => kept.epoch === epoch)?.secret;
}

/** What is left of the secrets of a group we were removed from. */
export const noSecrets: EpochSecrets = {
  senderData: EMPTY,
  exporter: EMPTY,
  external: EMPTY,
  confirmation: EMPTY,
  membership: EMPTY,
  resumption: EMPTY,
  authenticator: EMPTY,
  init: EMPTY,
};

export function demandConfig({ window, pastEpochsMax, resumptionEpochsMax }: GroupConfig): void {
  for (const value of [window.backMax, window.forwardMax, pastEpochsMax, resumptionEpochsMax])
    if (!Number.isSafeInteger(value) || value < 0) throw new MlsError('bad-argument', 'configuration');
}
