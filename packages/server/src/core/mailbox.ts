/**
 * The rules of a submission (docs/protocol/delivery.md, "Checks of the server"). A driver loads the facts inside its
 * transaction, calls `decideSubmit`, and applies the outcome inside the same transaction.
 */
import type { DeviceId, FailureDetail, Limits } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import type { Submission } from '../stores/port.ts';
import { decideRows } from './append.ts';
import { chainRefuses } from './chain.ts';
import type { SlotFacts, SubmitFacts, SubmitOutcome } from './submit-facts.ts';
import { refuseSubmit as refuse } from './submit-facts.ts';

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
  if ((facts.unansweredToday ?? 0) >= limits.unansweredPerDay) return refuse('UNANSWERED');
  return decideRows(submission, facts, sender, limits);
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

function slotDetail(slot: SlotFacts | undefined): FailureDetail {
  if (slot === undefined) return { generation: 0 };
  return { group: idBytes(slot.group), generation: slot.generation, devices: slot.devices.map(idBytes) };
}

/** Neither side is secret: both are hashes of what the device itself sent. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function sameSet(a: readonly DeviceId[], b: readonly DeviceId[]): boolean {
  const set = new Set(a);
  return a.length === b.length && new Set(b).size === b.length && b.every((device) => set.has(device));
}
