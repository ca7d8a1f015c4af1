/** Where an accepted submission comes to lie: block, offline, capacity; then the rows. */
import type { Limits, MailboxSeq } from '@securechat/wire';
import { control } from '@securechat/wire';
import type { Submission } from '../stores/port.ts';
import type {
  BodyToStore,
  MailboxFacts,
  RowToAppend,
  SenderFacts,
  StoredAt,
  SubmitFacts,
  SubmitOutcome,
} from './submit-facts.ts';
import { refuseSubmit } from './submit-facts.ts';

/**
 * Submit numbers that the server looks back at most, whatever the device says is unresolved. An honest device has
 * `submitsInFlightMax` (64) unanswered; this bounds what another one can make the server keep.
 */
export const DEDUPE_WINDOW = 4096;

export function decideRows(
  submission: Submission,
  facts: SubmitFacts,
  sender: SenderFacts,
  limits: Limits,
): SubmitOutcome {
  const { submit, founding } = submission;
  const quiet = facts.block === 'quiet';
  if (facts.block === 'blocked') return refuseSubmit('BLOCKED');

  const theirs = facts.mailboxes.filter((mailbox) => mailbox.account !== sender.account);
  // A blocked person always sees offline, so a quiet block looks the same here.
  if ((submit.onlineOnly || submission.onlineOnly) && (quiet || !theirs.some((mailbox) => mailbox.attached)))
    return refuseSubmit('RECIPIENT_OFFLINE');

  const bodies = bodiesOf(submission);
  const reserved = submit.kind !== 'message';
  if (!quiet && theirs.every((mailbox) => !hasRoom(mailbox, bodies, limits, reserved)))
    return refuseSubmit('MAILBOX_FULL');

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
