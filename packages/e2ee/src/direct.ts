/**
 * Direct conversations: one MLS group of the devices of exactly two accounts (docs/protocol/conversations.md). Functions
 * from state to state; who stores what, and when, is the client's affair. `people` are always the newest verified bundles
 * of both accounts.
 */
import type { AccountBundle, Entropy } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import type { AccountId, control, DeviceId, GroupId } from '@securechat/wire';
import { ByteReader, ByteWriter, defaultLimits, ID_BYTES, idBytes, idOf, SecureChatError } from '@securechat/wire';
import { sealCapsule } from './capsule.ts';
import type { Content, ContentDraft } from './content.ts';
import { decodeContent, encodeContent } from './content.ts';
import type { OwnDevice } from './credential.ts';
import { credentialCheck, decodeCredential, deviceBehind, ownLeaf } from './credential.ts';
import type { Advanced, EngineRefusal, GroupState, Leaf, MlsEngine, PendingCommit } from './engine.ts';
import { decodeDirectContext, encodeDirectContext } from './group-context.ts';
import type { OpenedInvitation } from './invitation.ts';
import { createInviteSecret, FOUNDING_EPOCH, sealInvitation } from './invitation.ts';
import type { KeyPackageVerdict } from './key-package.ts';
import { checkKeyPackage, validityFrom } from './key-package.ts';
import type { RosterRefusal } from './roster.ts';
import { verifyRoster, verifyRosterChange } from './roster.ts';

/** What a step of ours on an existing conversation needs. */
export interface ConversationInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly group: GroupId;
  readonly state: GroupState;
  readonly entropy: Entropy;
}

// ---- founding ----

export interface FoundDirectInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly peer: AccountBundle;
  /** As claimed: one for each device of the peer's newest list. */
  readonly keyPackages: readonly { readonly device: DeviceId; readonly keyPackage: Uint8Array }[];
  /** 16 fresh random bytes. */
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  /** The first message, which becomes chain number 1. */
  readonly first?: ContentDraft;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

export interface FoundedDirect extends Advanced {
  readonly kind: 'founded';
  /** The payload of the one atomic submit; encode with `control.Founding`. */
  readonly founding: control.Founding;
  /** Highest chain number used: 1 with a first message, else 0. */
  readonly chainNumber: number;
}

export type FoundRefusal =
  /** A device of the peer has no key package, or there is none at all (NO_KEYS). */
  | 'no-keys'
  | Exclude<Extract<KeyPackageVerdict, { kind: 'refused' }>['reason'], 'malformed'>
  | EngineRefusal
  | RosterRefusal;

/** SELF for one's own account. Nothing of a refused founding needs to be kept. */
export function foundDirect(
  input: FoundDirectInput,
): FoundedDirect | { readonly kind: 'refused'; readonly reason: FoundRefusal } {
  const { engine, me, peer, group, generation, predecessor, nowMs, entropy } = input;
  const people = [me.person, peer];
  const accounts = [me.person.account.account, peer.account.account] as const;
  const context = encodeDirectContext({ generation, predecessor, accounts });
  const unusable = firstUnusable(input);
  if (unusable !== undefined) return { kind: 'refused', reason: unusable };

  const secret = createInviteSecret(group, entropy);
  const founded = engine.found({
    group: idBytes(group),
    context,
    own: ownLeaf(me),
    validity: validityFrom(me.certificate, nowMs),
    keyPackages: input.keyPackages.map(({ keyPackage }) => keyPackage),
    psk: secret.psk,
    check: credentialCheck(people, nowMs),
    nowMs,
    entropy,
  });
  if (founded.kind === 'refused') return founded;
  const verdict = verifyRoster(engine.facts(founded.state).roster, context, people);
  if (verdict.kind === 'refused') {
    engine.discard(founded.state);
    return verdict;
  }

  const { welcome, epoch } = founded;
  if (epoch !== FOUNDING_EPOCH) throw new SecureChatError('INTERNAL', { text: 'A founding made another epoch.' });
  const invitation = sealInvitation({ me, invitee: peer, group, generation, predecessor, secret, welcome, entropy });
  wipe(secret.psk.secret);
  const groupInfo = engine.exportGroupInfo({ state: founded.state, signing: me.signing });
  const capsule = sealCapsule({ groupInfo, group, epoch, people, entropy });
  const first = firstMessage(input, founded.state);
  return {
    kind: 'founded',
    state: first?.state ?? founded.state,
    epoch,
    wipe: first?.wipe ?? [],
    chainNumber: first === undefined ? 0 : 1,
    founding: {
      peerAccount: idBytes(peer.account.account),
      peerSequence: peer.account.sequence,
      ownSequence: me.person.account.sequence,
      generation,
      predecessor: predecessor === undefined ? new Uint8Array(0) : idBytes(predecessor),
      devices: [me.certificate.device, ...peer.devices.map(({ device }) => device)].map(idBytes),
      invitation,
      capsule,
      firstMessage: first?.ciphertext ?? new Uint8Array(0),
    },
  };
}

function firstUnusable(input: FoundDirectInput): FoundRefusal | undefined {
  const { engine, peer, keyPackages, nowMs } = input;
  if (peer.devices.length === 0) return 'no-keys';
  for (const certificate of peer.devices) {
    const claimed = keyPackages.find(({ device }) => device === certificate.device);
    if (claimed === undefined) return 'no-keys';
    const device = { person: peer, certificate };
    const verdict = checkKeyPackage({ engine, keyPackage: claimed.keyPackage, device, nowMs });
    if (verdict.kind === 'refused') return verdict.reason;
  }
  return keyPackages.length === peer.devices.length ? undefined : 'foreign';
}

function firstMessage(input: FoundDirectInput, state: GroupState): EncryptedContent | undefined {
  const { engine, me, group, entropy, first } = input;
  if (first === undefined) return undefined;
  return encryptContent({ engine, me, group, state, entropy, chainNumber: 1, content: first });
}

// ---- joining ----

export interface JoinDirectInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly invitation: OpenedInvitation;
  /** The inviter's newest bundle known, after the key-change rules. */
  readonly inviter: AccountBundle;
  /** A key package of this device that the welcome is for (`welcomedReferences`), with its secrets. */
  readonly keyPackage: Uint8Array;
  readonly secrets: Uint8Array;
  readonly nowMs: number;
}

export interface JoinedDirect extends Advanced {
  readonly kind: 'joined';
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
}

export type JoinRefusal =
  | EngineRefusal
  | RosterRefusal
  /** The inviter's device is not the one that signed GroupInfo. */
  | 'not-the-signer'
  /** Group, generation or predecessor differ between invitation and group. */
  | 'other-context';

/** `wipe` names the key package's secrets: they go with the last-resort package kept only if it is published still. */
export function joinDirect(
  input: JoinDirectInput,
): JoinedDirect | { readonly kind: 'refused'; readonly reason: JoinRefusal } {
  const { engine, me, invitation, inviter, nowMs } = input;
  const people = [me.person, inviter];
  const joined = engine.join({
    welcome: invitation.welcome,
    keyPackage: input.keyPackage,
    secrets: input.secrets,
    own: ownLeaf(me),
    psk: invitation.psk,
    check: credentialCheck(people, nowMs),
    nowMs,
  });
  if (joined.kind === 'refused') return joined;
  const reason = joinObjection(input, joined, people);
  if (reason !== undefined) {
    engine.discard(joined.state);
    return { kind: 'refused', reason };
  }
  const { state, epoch } = joined;
  const { group, generation, predecessor } = invitation;
  return { kind: 'joined', state, epoch, group, generation, predecessor, wipe: [...joined.wipe, ...invitation.wipe] };
}

function joinObjection(
  { me, invitation, inviter }: JoinDirectInput,
  joined: Extract<ReturnType<MlsEngine['join']>, { kind: 'joined' }>,
  people: readonly AccountBundle[],
): JoinRefusal | undefined {
  const verdict = verifyRoster(joined.roster, joined.context, people);
  if (verdict.kind === 'refused') return verdict.reason;
  const context = decodeDirectContext(joined.context);
  const sameGroup = idOf<GroupId>(joined.group) === invitation.group && joined.epoch === FOUNDING_EPOCH;
  const sameContext = context?.generation === invitation.generation && context.predecessor === invitation.predecessor;
  const bothIn = [me.person, inviter].every(({ account }) => context?.accounts.includes(account.account));
  if (!sameGroup || !sameContext || !bothIn) return 'other-context';
  const signer = deviceBehind([inviter], joined.signer);
  return signer?.certificate.device === invitation.inviterDevice ? undefined : 'not-the-signer';
}

// ---- messages ----

export interface EncryptedContent extends Advanced {
  /** The payload of a `message` submit. */
  readonly ciphertext: Uint8Array;
}

/** TEXT_TOO_LONG, TOO_LARGE. The chain number must be the next of this device and group, or that of a refused one. */
export function encryptContent(
  input: ConversationInput & { readonly chainNumber: number; readonly content: ContentDraft },
): EncryptedContent {
  const { engine, me, state, entropy, chainNumber } = input;
  const plaintext = encodeContent({ ...input.content, chainNumber });
  const aad = chainData(input.group, chainNumber);
  const encrypted = engine.encrypt({ state, signing: me.signing, aad, plaintext, entropy });
  wipe(plaintext);
  if (encrypted.ciphertext.length > defaultLimits.messageBytesMax) throw new SecureChatError('TOO_LARGE');
  return encrypted;
}

/** Authenticated data of an application message: group 16 | chain number u64. */
function chainData(group: GroupId, chainNumber: number): Uint8Array {
  return new ByteWriter(ID_BYTES + 8).raw(idBytes(group)).u64(chainNumber).done();
}

export interface Author {
  readonly account: AccountId;
  readonly device: DeviceId;
  /**
   * Whether the device stands in the newest list of `people`. Its leaf was verified when it entered; a message that it
   * sent before it was revoked may arrive after.
   */
  readonly listed: boolean;
}

export interface DecryptedContent extends Advanced {
  readonly kind: 'content';
  readonly author: Author;
  readonly content: Content;
}

export interface MergedCommit extends Advanced {
  readonly kind: 'commit';
  readonly author: Author;
}

export type RowRefusal =
  | EngineRefusal
  | RosterRefusal
  /** A commit where a message was announced, or the other way round. */
  | 'other-kind'
  /** Chain number or group in the authenticated data differ from those inside. */
  | 'chain'
  /** Decrypted, but nothing that a client writes. */
  | 'content';

export interface RefusedRow {
  readonly kind: 'refused';
  readonly reason: RowRefusal;
  /** Its epoch is still to come: keep it and try again after each commit. */
  readonly park: boolean;
}

export interface DecryptRowInput extends Omit<ConversationInput, 'me' | 'entropy'> {
  /** The kind of the mailbox row. */
  readonly row: 'message' | 'commit';
  /** Payload of the row: the message, or the commit without its capsule. */
  readonly ciphertext: Uint8Array;
  readonly people: readonly AccountBundle[];
  readonly nowMs: number;
}

/** A commit is verified against the roster rules before its state is handed out. A refused row changes nothing. */
export function decryptRow(input: DecryptRowInput): DecryptedContent | MergedCommit | RefusedRow {
  const { engine, state, ciphertext, people, nowMs } = input;
  const bytesMax = input.row === 'message' ? defaultLimits.messageBytesMax : defaultLimits.commitBytesMax;
  if (ciphertext.length > bytesMax) return refusedRow('malformed');
  const result = engine.decrypt({ state, ciphertext, check: credentialCheck(people, nowMs), nowMs });
  if (result.kind === 'refused') return refusedRow(result.reason);
  if (result.kind !== input.row) {
    if (result.kind === 'commit') result.drop();
    else wipe(result.plaintext);
    return refusedRow('other-kind');
  }
  if (result.kind === 'commit') {
    const verdict = verifyRosterChange({ ...result, committer: result.committer.index, people });
    const author = authorOf(result.committer, people);
    if (verdict.kind === 'ok' && author !== undefined) return { kind: 'commit', author, ...result.merge() };
    result.drop();
    return refusedRow(verdict.kind === 'refused' ? verdict.reason : 'credential');
  }
  const author = authorOf(result.sender, people);
  const content = contentIn(result.plaintext);
  wipe(result.plaintext);
  if (content === undefined) return refusedRow('content');
  if (author === undefined) return refusedRow('credential');
  if (!chainFits(result.aad, input.group, content.chainNumber)) return refusedRow('chain');
  const { epoch, wipe: after } = result;
  return { kind: 'content', author, content, state: result.state, epoch, wipe: after };
}

function contentIn(plaintext: Uint8Array): Content | undefined {
  try {
    return decodeContent(plaintext);
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

function chainFits(aad: Uint8Array, group: GroupId, chainNumber: number): boolean {
  if (aad.length !== ID_BYTES + 8) return false;
  const reader = new ByteReader(aad);
  try {
    return idOf<GroupId>(reader.raw(ID_BYTES)) === group && reader.u64() === chainNumber;
  } catch {
    return false;
  }
}

function authorOf(leaf: Leaf, people: readonly AccountBundle[]): Author | undefined {
  const credential = decodeCredential(leaf.credential);
  if (credential === undefined) return undefined;
  const { account, device } = credential;
  return { account, device, listed: deviceBehind(people, leaf) !== undefined };
}

function refusedRow(reason: RowRefusal): RefusedRow {
  return { kind: 'refused', reason, park: reason === 'too-new' };
}

// ---- renewing keys ----

export interface LeafRenewal extends Omit<PendingCommit, 'commit' | 'groupInfo'> {
  /** The payload of a `commit` submit; encode with `control.Commit`. */
  readonly commit: control.Commit;
}

/**
 * A self-update. `state` and `pending` are stored before the commit is sent; on *accepted* `engine.mergeOwn` makes the
 * second the state, on `EPOCH_STALE` it is wiped.
 */
export function renewLeaf(
  input: ConversationInput & { readonly people: readonly AccountBundle[]; readonly nowMs: number },
): LeafRenewal {
  const { engine, me, state, group, people, nowMs, entropy } = input;
  const { commit, groupInfo, ...rest } = engine.selfUpdate({ state, signing: me.signing, nowMs, entropy });
  if (commit.length > defaultLimits.commitBytesMax) throw new SecureChatError('TOO_LARGE');
  const capsule = sealCapsule({ groupInfo, group, epoch: rest.epochAfter, people, entropy });
  return { ...rest, commit: { commit, capsule } };
}
