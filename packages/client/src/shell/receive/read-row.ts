/** One row of the mailbox, read: what it changes, what it tells. Nothing is stored here but what an invitation brings. */
import type { AccountBundle } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import { decryptRow } from '@securechat/e2ee';
import type { DecryptedContent, RowRefusal } from '@securechat/e2ee';
import type { ClientId, Code, Deliver, GroupId } from '@securechat/wire';
import { codeOf, control, decodeMessage, idOf, SecureChatError } from '@securechat/wire';
import { sendingGroup, withAccepted } from '../../core/lineage.ts';
import { noteChainNumber } from '../../core/order.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import type { OpenAccount } from '../open-account.ts';
import { readContent } from './read-content.ts';
import { readInvitation } from './read-invitation.ts';
import type { Outcome } from './row-outcome.ts';
import { cursorAt, nothing, ofReplacedKeys, unreadable } from './row-outcome.ts';
import { leaveBehind } from '../send/leave-behind.ts';
import { giveUp } from '../send/settle.ts';

/** How long a message of a device that left the list may still be on its way. */
const LATE_MS = 60_000;

/** What the server itself wrote and cannot be read never will be. */
export async function readRow(account: OpenAccount, row: Deliver): Promise<Outcome> {
  try {
    return await readKind(account, row);
  } catch (error) {
    if (error instanceof SecureChatError && error.code === 'MALFORMED') return unreadable(row);
    throw error;
  }
}

function readKind(account: OpenAccount, row: Deliver): Promise<Outcome> | Outcome {
  switch (row.kind) {
    case 'message':
    case 'commit':
      return readInGroup(account, row);
    case 'invitation':
      return readInvitation(account, row);
    case 'bounce':
      return readBounce(account, row);
    case 'resync':
      return missing(row, 'RESYNC_REQUIRED');
    case 'expired':
      return missing(row, 'EXPIRED');
  }
}

async function readInGroup(account: OpenAccount, row: Deliver): Promise<Outcome> {
  const { ledger } = account;
  const user = ledger.userOfGroup(row.group);
  // Its invitation may still come.
  if (user === undefined) return { ...nothing, park: true };
  const record = await ledger.group(row.group);
  const contact = ledger.contacts.get(user);
  // A group that was given up: a commit in it says nothing to a person, a message would have.
  if (record === undefined || contact === undefined) return row.kind === 'commit' ? nothing : unreadable(row);
  const me = await account.people.me();
  const peer = await bundleNow(account, contact);
  if (peer === undefined) return { ...nothing, park: true };
  const people = [me.person, peer];
  const result = decryptRow({
    engine: account.mls,
    group: row.group,
    state: record.state,
    row: row.kind === 'commit' ? 'commit' : 'message',
    ciphertext: row.payload,
    people,
    nowMs: account.nowMs(),
  });
  if (result.kind === 'refused') {
    if (result.park) return { ...nothing, park: true };
    return missesNothing(row, result.reason) ? nothing : unreadable(row);
  }
  const conversation = ledger.conversation(user);
  if (result.kind === 'commit') {
    const lineage = conversation.lineage.map((facts) =>
      facts.group === row.group ? { ...facts, epoch: result.epoch } : facts,
    );
    const spent = record.pending === undefined ? result.wipe : [...result.wipe, record.pending];
    return {
      changes: [
        { put: 'group', value: { ...record, state: result.state, pending: undefined } },
        { put: 'conversation', value: { ...conversation, lineage } },
      ],
      after: () => {
        wipe(...spent);
        account.dispatch({ kind: 'lineage', user, lineage });
        account.inbox.parked.retry(row.group);
      },
    };
  }
  const { device } = result.author;
  if (!result.author.listed && tooLate(account, user, row.group))
    // Its key is used, whether or not the message is believed.
    return {
      ...ofReplacedKeys(row),
      changes: [{ put: 'group', value: { ...record, state: result.state } }],
      after: () => wipe(...result.wipe),
    };
  const noted = noteChainNumber(record.received, device, result.content.chainNumber);
  const read = await contentOutcome(account, user, conversation, result, noted.fresh);
  return {
    changes: [{ put: 'group', value: { ...record, state: result.state, received: noted.received } }, ...read.changes],
    ...(noted.missing > 0 && { gap: { group: row.group, missing: noted.missing, code: 'GAP' } }),
    after: () => {
      wipe(...result.wipe);
      read.after();
    },
  };
}

/** Undefined once their certificates as known here have ended: they are looked up, and the row waits for what comes of it. */
async function bundleNow(account: OpenAccount, contact: ContactRecord): Promise<AccountBundle | undefined> {
  try {
    return await account.people.bundle(contact);
  } catch (error) {
    if (!(error instanceof SecureChatError) || error.code !== 'CERTIFICATE_REJECTED') throw error;
    account.chores.once(`keys ${contact.user}`, async () => {
      await account.people.lookup(account, contact.user);
      await account.inbox.parked.retryAll();
    });
    return undefined;
  }
}

/** Seen before; or new keys of a device that left its owner's list meanwhile, which say nothing to a person. */
function missesNothing({ kind }: Deliver, reason: RowRefusal): boolean {
  if (reason === 'replayed' || reason === 'own') return true;
  return kind === 'commit' && (reason === 'credential' || reason === 'unknown-device');
}

/**
 * A device that left its owner's list may have written before it did. Not any more once the conversation goes on in
 * another group, nor long after the new list came: then the one who holds its keys is a thief.
 */
function tooLate(account: OpenAccount, user: string, group: GroupId): boolean {
  const { ledger, people } = account;
  const { lineage } = ledger.conversation(user);
  if (sendingGroup(lineage.filter((facts) => facts.group !== group)) !== undefined) return true;
  const droppedMs = people.droppedMs(user);
  return droppedMs !== undefined && !account.inbox.backlog.behind && account.nowMs() - droppedMs > LATE_MS;
}

/** What a decrypted content comes to. `fresh`: its number in the chain was not seen before. */
export function contentOutcome(
  account: OpenAccount,
  user: string,
  conversation: ConversationRecord,
  decrypted: DecryptedContent,
  fresh: boolean,
): Promise<Outcome> {
  const { account: author } = decrypted.author;
  // In a direct conversation a content of ours comes from another device of this account.
  if (author === account.ledger.account.account) return Promise.resolve(nothing);
  return readContent(account, user, conversation, { content: decrypted.content, fresh });
}

async function readBounce(account: OpenAccount, row: Deliver): Promise<Outcome> {
  const bounce = decodeMessage(control.Bounce, row.payload);
  const code = codeOf(bounce.code);
  const id = idOf<ClientId>(bounce.id);
  const sent = account.ledger.outboxBySubmit(id);
  // That a commit comes back may be heard before its acceptance, which the core waits for all the same.
  const isCommit = bounce.commit === true && (sent === undefined || sent.kind === 'commit');
  const cannotFollow = isCommit || sent?.sealed?.kind === 'found';
  const user = sent?.user ?? account.ledger.userOfGroup(row.group);
  if (code === 'EXPIRED' && cannotFollow && user !== undefined)
    return serially(account, user, row, async () => {
      await leaveBehind(account, user, { group: row.group, id, code });
      return nothing;
    });
  // A commit is nobody's message: whatever is said of it, its answer counts.
  if (sent === undefined || sent.kind === 'commit') return nothing;
  return serially(account, sent.user, row, async () => {
    const now = account.ledger.outboxBySubmit(id);
    if (now?.sealed === undefined) return nothing;
    // Stored and sent back, and its acceptance never came: the core still waits for an answer.
    const { user, order, acceptedMs, sealed } = now;
    const conversation = account.ledger.conversation(user);
    const lineage = acceptedMs > 0 ? conversation.lineage : withAccepted(conversation.lineage, sealed);
    await giveUp(account, now, code, [
      ...(acceptedMs > 0 ? [] : [{ put: 'conversation', value: { ...conversation, lineage } } as const]),
      ...cursorAt(account, row),
    ]);
    if (acceptedMs > 0) return nothing;
    account.answer(order, { kind: 'failed', code });
    account.dispatch({ kind: 'settled', user, order, lineage });
    return nothing;
  });
}

function missing(row: Deliver, code: Code): Outcome {
  const { count } = decodeMessage(control.Missing, row.payload);
  // Nothing but notices expired, and those come again.
  if (row.kind === 'expired' && count === 0) return nothing;
  return { ...nothing, gap: { group: row.group, missing: count, code } };
}

/** The queue of the conversation that a row belongs to, as far as that is known before opening it. */
export function inConversation<T>(account: OpenAccount, row: Deliver, work: () => Promise<T>): Promise<T> {
  const user = account.ledger.userOfGroup(row.group);
  // An invitation names its conversation inside: it enters the queue itself.
  if (user === undefined || row.kind === 'invitation') return work();
  return account.serial.run(user, work);
}

function serially<T>(account: OpenAccount, user: string, row: Deliver, work: () => Promise<T>): Promise<T> {
  // Already in the queue of this conversation where the row named its group.
  const held = row.kind !== 'invitation' && account.ledger.userOfGroup(row.group) === user;
  return held ? work() : account.serial.run(user, work);
}
