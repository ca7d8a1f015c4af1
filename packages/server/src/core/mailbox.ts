/**
 * The rules of a submission (docs/protocol/delivery.md, "Checks of the server"). A driver loads the facts inside its
 * transaction, calls `decideSubmit`, and applies the outcome inside the same transaction.
 */
import type {
  AccountId,
  Code,
  DeviceId,
  FailureDetail,
  GroupId,
  Limits,
  MailboxSeq,
  RowKind,
  StoredState,
} from '@securechat/wire';
import { control, idBytes } from '@securechat/wire';
import type { Submission } from '../stores/port.ts';
import type { RefusedChain } from './chain.ts';
import { chainRefuses } from './chain.ts';

/**
 * Submit numbers that the server looks back at most, whatever the device says is unresolved. An honest device has
 * `submitsInFlightMax` (64) unanswered; this bounds what another one can make the server keep.
 */
export const DEDUPE_WINDOW = 4096;

export interface SubmitFacts {
  /** SHA-256 over kind, group, epoch, chain number and payload. */
  readonly hash: Uint8Array;
  /** The sending device; undefined when it is unknown. */
  readonly sender: SenderFacts | undefined;
  /** The dedupe row of (device, client id). */
  readonly known: KnownFacts | undefined;
  /** What was refused of this group since the device attached. */
  readonly refused: RefusedChain | undefined;
  /** The group that the submit names; for `found` set only when that id is taken already. */
  readonly group: GroupFacts | undefined;
  /** For `found` only. */
  readonly founding: FoundingPlace | undefined;
  /** Every member device but the sender's: of the group, or of the founding. Unknown devices are left out. */
  readonly mailboxes: readonly MailboxFacts[];
  /** What the other account holds against the sender. */
  readonly block: 'none' | 'blocked' | 'quiet';
}

export interface SenderFacts {
  readonly account: AccountId;
  readonly ended: boolean;
  readonly generation: number;
  readonly submitNumberHighest: number;
  /** Dedupe rows with a lower submit number count as forgotten. */
  readonly forgottenBelow: number;
}

export interface KnownFacts {
  readonly hash: Uint8Array;
  readonly submitNumber: number;
  readonly devices: readonly StoredAt[];
  readonly peers: readonly AccountId[];
}

export interface GroupFacts {
  readonly epoch: number;
  /** The newest group of the slot; undefined when this one is it. */
  readonly successor: SlotFacts | undefined;
  readonly members: readonly DeviceId[];
  readonly peers: readonly AccountId[];
  /** No device of a member account came, went or changed identity since the founding. */
  readonly devicesCurrent: boolean;
}

export interface SlotFacts {
  readonly group: GroupId;
  readonly generation: number;
  readonly devices: readonly DeviceId[];
}

export interface FoundingPlace {
  /** What holds the slot now. */
  readonly slot: SlotFacts | undefined;
  readonly own: PersonFacts | undefined;
  readonly peer: PersonFacts | undefined;
}

export interface PersonFacts {
  readonly sequence: number;
  /** Devices that are not ended. */
  readonly devices: readonly DeviceId[];
}

export interface MailboxFacts {
  readonly device: DeviceId;
  readonly account: AccountId;
  readonly next: number;
  readonly rows: number;
  readonly bytes: number;
  readonly attached: boolean;
  /** A `resync` row for this group waits already; one says enough. */
  readonly resyncWaits: boolean;
}

export interface StoredAt {
  readonly device: DeviceId;
  readonly state: StoredState;
}

export interface BodyToStore {
  readonly kind: RowKind;
  readonly payload: Uint8Array;
}

export interface RowToAppend {
  readonly device: DeviceId;
  readonly seq: MailboxSeq;
  /** Index into `bodies`. */
  readonly body: number;
}

export type SubmitOutcome =
  | { readonly kind: 'repeat'; readonly devices: readonly StoredAt[]; readonly peers: readonly AccountId[] }
  | { readonly kind: 'refused'; readonly code: Code; readonly detail: FailureDetail }
  | {
      readonly kind: 'accepted';
      readonly devices: readonly StoredAt[];
      readonly peers: readonly AccountId[];
      readonly bodies: readonly BodyToStore[];
      readonly rows: readonly RowToAppend[];
      /** The epoch of the group from now on. */
      readonly epoch: number;
      readonly forgottenBelow: number;
      /** True when the peer was really written to: makes contacts. */
      readonly wrote: boolean;
    };

type Refused = Extract<SubmitOutcome, { kind: 'refused' }>;

/** Total, pure, and in the order of the document: the first check that fails names the code. */
export function decideSubmit(submission: Submission, facts: SubmitFacts, limits: Limits): SubmitOutcome {
  const { submit } = submission;
  const sender = facts.sender;
  if (sender === undefined || sender.ended || sender.account !== submission.sender.account)
    return refuse('DEVICE_REVOKED');
  if (sender.generation !== submission.sender.generation) return refuse('SESSION_REPLACED');

  const known = facts.known;
  if (known !== undefined && known.submitNumber >= sender.forgottenBelow) {
    if (!sameBytes(known.hash, facts.hash)) return refuse('ID_REUSED');
    return { kind: 'repeat', devices: known.devices, peers: known.peers };
  }
  if (submit.submitNumber <= sender.submitNumberHighest) return refuse('STATE_ROLLED_BACK');

  const refused =
    shapeRefusal(submission, limits) ??
    (submission.refusal && refuse(submission.refusal.code, submission.refusal.detail)) ??
    (submit.kind === 'found' ? foundingRefusal(submission, facts) : groupRefusal(submission, facts));
  if (refused !== undefined) return refused;
  if (chainRefuses(facts.refused, submit.chainNumber)) return refuse('PREDECESSOR_REFUSED');
  return deliver(submission, facts, sender, limits);
}

/** Sizes and parts. They come after dedupe: what was accepted once is answered again, whatever the limits are today. */
function shapeRefusal(submission: Submission, limits: Limits): Refused | undefined {
  const { submit, commit, founding } = submission;
  switch (submit.kind) {
    case 'message':
      if (submit.payload.length === 0) return refuse('MALFORMED');
      return submit.payload.length > limits.messageBytesMax ? refuse('TOO_LARGE') : undefined;
    case 'commit':
      if (commit === undefined || commit.commit.length === 0) return refuse('MALFORMED');
      return commit.commit.length > limits.commitBytesMax || commit.capsule.length > limits.capsuleBytesMax
        ? refuse('TOO_LARGE')
        : undefined;
    case 'found':
      if (founding === undefined || founding.invitation.length === 0 || founding.firstMessage?.length === 0)
        return refuse('MALFORMED');
      if (founding.peer === submission.sender.account) return refuse('SELF');
      return founding.invitation.length > limits.invitationBytesMax ||
        founding.capsule.length > limits.capsuleBytesMax ||
        (founding.firstMessage?.length ?? 0) > limits.messageBytesMax
        ? refuse('TOO_LARGE')
        : undefined;
  }
}

function groupRefusal(submission: Submission, facts: SubmitFacts): Refused | undefined {
  const { submit } = submission;
  const group = facts.group;
  if (group === undefined)
    // A founding that was refused for now, with messages behind it: they wait for it.
    return refuse(chainRefuses(facts.refused, submit.chainNumber) ? 'PREDECESSOR_REFUSED' : 'NO_SUCH_GROUP');
  if (group.successor !== undefined)
    return refuse('GROUP_SUPERSEDED', {
      group: idBytes(group.successor.group),
      generation: group.successor.generation,
    });
  if (!group.members.includes(submission.sender.device)) return refuse('NOT_A_MEMBER');
  if (!group.devicesCurrent) return refuse('DEVICES_CHANGED');
  if (submit.epoch !== group.epoch) return refuse('EPOCH_STALE', { epoch: group.epoch });
  return undefined;
}

function foundingRefusal(submission: Submission, facts: SubmitFacts): Refused | undefined {
  const { founding } = submission;
  const place = facts.founding;
  if (founding === undefined || place === undefined) return refuse('MALFORMED');
  const { slot, own, peer } = place;
  if (
    (slot?.generation ?? 0) + 1 !== founding.generation ||
    (slot !== undefined && founding.predecessor !== undefined && founding.predecessor !== slot.group)
  )
    return refuse('SLOT_TAKEN', slotDetail(slot));
  // A group id is 16 random bytes of the founder: a second use is a fault of the client.
  if (facts.group !== undefined) return refuse('ID_REUSED');
  if (own === undefined || peer === undefined) return refuse('DEVICES_CHANGED');
  if (own.sequence !== founding.ownSequence || peer.sequence !== founding.peerSequence)
    return refuse('DEVICES_CHANGED');
  if (!sameSet([...own.devices, ...peer.devices], founding.devices)) return refuse('DEVICES_CHANGED');
  return peer.devices.length === 0 ? refuse('NO_KEYS') : undefined;
}

/** Block, offline, capacity; then the rows. */
function deliver(submission: Submission, facts: SubmitFacts, sender: SenderFacts, limits: Limits): SubmitOutcome {
  const { submit, founding } = submission;
  const quiet = facts.block === 'quiet';
  if (facts.block === 'blocked') return refuse('BLOCKED');

  const theirs = facts.mailboxes.filter((mailbox) => mailbox.account !== sender.account);
  // A blocked person always sees offline, so a quiet block looks the same here.
  if ((submit.onlineOnly || submission.onlineOnly) && (quiet || !theirs.some((mailbox) => mailbox.attached)))
    return refuse('RECIPIENT_OFFLINE');

  const bodies = bodiesOf(submission);
  const reserved = submit.kind !== 'message';
  if (!quiet && theirs.every((mailbox) => !hasRoom(mailbox, bodies, limits, reserved))) return refuse('MAILBOX_FULL');

  const rows: RowToAppend[] = [];
  const stored: BodyToStore[] = [...bodies];
  const devices: StoredAt[] = [];
  for (const mailbox of facts.mailboxes) {
    let seq = mailbox.next;
    const append = (body: number): void => {
      rows.push({ device: mailbox.device, seq: seq as MailboxSeq, body });
      seq += 1;
    };
    if (quiet && mailbox.account !== sender.account) {
      devices.push({ device: mailbox.device, state: 'stored' });
      // Group state goes through while there is plenty of room, so that the conversation still works after an unblock;
      // never so much that a blocked person could fill the mailbox.
      if (mailbox.rows < limits.mailboxReservedRows && hasRoom(mailbox, bodies, limits, false))
        for (const [index, body] of bodies.entries()) if (body.kind !== 'message') append(index);
      continue;
    }
    if (hasRoom(mailbox, bodies, limits, reserved)) {
      devices.push({ device: mailbox.device, state: 'stored' });
      for (const index of bodies.keys()) append(index);
      continue;
    }
    devices.push({ device: mailbox.device, state: 'resync' });
    if (mailbox.resyncWaits || mailbox.rows >= limits.mailboxRowsMax + limits.mailboxReservedRows) continue;
    if (stored.length === bodies.length) stored.push(resyncBody(submit.chainNumber));
    append(bodies.length);
  }
  return {
    kind: 'accepted',
    devices,
    peers: submit.kind === 'found' && founding ? [founding.peer] : (facts.group?.peers ?? []),
    bodies: stored,
    rows,
    epoch: submit.kind === 'commit' ? submit.epoch + 1 : submit.epoch,
    forgottenBelow: Math.max(
      sender.forgottenBelow,
      Math.min(submit.lowestUnresolved, submit.submitNumber),
      submit.submitNumber - DEDUPE_WINDOW,
    ),
    wrote: !quiet && bodies.some((body) => body.kind === 'message'),
  };
}

/** What a submission delivers, each stored once. */
export function bodiesOf({ submit, commit, founding }: Submission): readonly BodyToStore[] {
  if (submit.kind === 'commit' && commit) return [{ kind: 'commit', payload: commit.commit }];
  if (submit.kind === 'found' && founding) {
    const invitation: BodyToStore = { kind: 'invitation', payload: founding.invitation };
    return founding.firstMessage === undefined
      ? [invitation]
      : [invitation, { kind: 'message', payload: founding.firstMessage }];
  }
  return [{ kind: 'message', payload: submit.payload }];
}

/** `from`: the sender's chain number of the first message dropped; everything after it may be missing too. */
export function resyncBody(chainNumber: number): BodyToStore {
  return { kind: 'resync', payload: control.Missing.encode({ from: chainNumber, to: 0, count: 1 }).finish() };
}

function hasRoom(mailbox: MailboxFacts, bodies: readonly BodyToStore[], limits: Limits, reserved: boolean): boolean {
  const rowsMax = limits.mailboxRowsMax + (reserved ? limits.mailboxReservedRows : 0);
  const bytesMax = limits.mailboxBytesMax + (reserved ? limits.mailboxReservedRows * limits.commitBytesMax : 0);
  let bytes = mailbox.bytes;
  for (const body of bodies) bytes += body.payload.length;
  return mailbox.rows + bodies.length <= rowsMax && bytes <= bytesMax;
}

function slotDetail(slot: SlotFacts | undefined): FailureDetail {
  if (slot === undefined) return { generation: 0 };
  return { group: idBytes(slot.group), generation: slot.generation, devices: slot.devices.map(idBytes) };
}

function refuse(code: Code, detail: FailureDetail = {}): Refused {
  return { kind: 'refused', code, detail };
}

/** Neither side is secret: both are hashes of what the device itself sent. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function sameSet(a: readonly DeviceId[], b: readonly DeviceId[]): boolean {
  const set = new Set(a);
  return a.length === b.length && new Set(b).size === b.length && b.every((device) => set.has(device));
}
