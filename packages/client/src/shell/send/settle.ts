/** What the server's answers change on disk: accepted, given up, bounced. Under the conversation's serial queue. */
import { wipe } from '@securechat/crypto';
import type { ClientId, Code, MessageId, Presence } from '@securechat/wire';
import type { MessageState } from '../../api.ts';
import type { EffectOf } from '../../core/effect.ts';
import type { Lineage } from '../../core/lineage.ts';
import { withAccepted } from '../../core/lineage.ts';
import { advances } from '../../core/record-message.ts';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import { emptyConversation } from '../../core/record-conversation.ts';
import type { OutboxRecord, SealedRecord } from '../../core/record-outbox.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';

const none = new Uint8Array(0);

export interface Accepted {
  readonly order: number;
  /** What was accepted: a full disk may keep this waiting until the row was encrypted anew, with other keys. */
  readonly id: ClientId;
  readonly presence: Presence;
}

/**
 * Accepted: the group's state that came with it counts from now on; a message is `sent`. Several at once share a commit.
 * In the serial queue of the user.
 */
export async function settleItems(account: OpenAccount, user: string, told: readonly Accepted[]): Promise<void> {
  const { ledger } = account;
  const accepted = told.filter(({ order, id }) => {
    const row = ledger.outbox.get(order);
    return row === undefined || row.sealed?.id === id;
  });
  let conversation = ledger.conversation(user);
  const steps: Settlement[] = [];
  for (const { order } of accepted) {
    const row = ledger.outbox.get(order);
    const step = row?.sealed === undefined ? undefined : await settlement(account, row, row.sealed, conversation);
    if (step === undefined) continue;
    ({ conversation } = step);
    steps.push(step);
  }
  const contact = ledger.contacts.get(user);
  const written = contact?.written === false && steps.some(({ kept }) => kept);
  if (steps.length > 0)
    await ledger.commit([
      ...steps.flatMap(({ changes }) => changes),
      ...(written ? [{ put: 'contact', value: { ...contact, written: true } } as const] : []),
      { put: 'conversation', value: conversation },
    ]);
  for (const { after } of steps) after();
  for (const { order, presence } of accepted) {
    account.answer(order, { kind: 'sent', presence });
    account.dispatch({ kind: 'settled', user, order, lineage: conversation.lineage });
  }
}

interface Settlement {
  readonly conversation: ConversationRecord;
  readonly changes: readonly LedgerChange[];
  /** The row stays until it is delivered or bounces. */
  readonly kept: boolean;
  after(): void;
}

async function settlement(
  account: OpenAccount,
  row: OutboxRecord,
  sealed: SealedRecord,
  conversation: ConversationRecord,
): Promise<Settlement> {
  const { ledger } = account;
  const kept = row.kind === 'message' || row.kind === 'file';
  const closed = { ...row, draft: none, sealed: { ...sealed, payload: none }, acceptedMs: account.nowMs() };
  const changes: LedgerChange[] = [kept ? { put: 'outbox', value: closed } : { drop: 'outbox', key: row.order }];
  let lineage: Lineage = withAccepted(conversation.lineage, sealed);
  const spent: Uint8Array[] = [sealed.payload];
  if (sealed.kind === 'commit') {
    const record = await ledger.group(sealed.group);
    if (record?.pending !== undefined) {
      const merged = account.mls.mergeOwn({ state: record.state, pending: record.pending });
      const ownKeysMs = account.nowMs();
      changes.push({ put: 'group', value: { ...record, state: merged.state, pending: undefined, ownKeysMs } });
      lineage = lineage.map((facts) => (facts.group === sealed.group ? { ...facts, epoch: merged.epoch } : facts));
      spent.push(...merged.wipe);
    }
  }
  const told = row.kind === 'message' ? await stateChange(account, row.user, row.message, 'sent') : undefined;
  if (told !== undefined) changes.push(...told.changes);
  const lastMs = row.kind === 'message' ? account.nowMs() : conversation.lastMs;
  return {
    conversation: { ...conversation, lineage, lastMs },
    changes,
    kept,
    after() {
      wipe(...spent);
      told?.after();
      if (sealed.kind === 'commit') account.inbox.parked.retry(sealed.group);
    },
  };
}

/** Given up: the message is `failed` with the code, a file step ends its transfer. */
export async function failItem(account: OpenAccount, { user, order, code }: EffectOf<'fail'>): Promise<void> {
  await account.serial.run(user, async () => {
    const row = account.ledger.outbox.get(order);
    if (row !== undefined) await giveUp(account, row, code);
    account.answer(order, { kind: 'failed', code });
  });
}

/** The row and what hangs on it. In the serial queue of its user. */
export async function giveUp(
  account: OpenAccount,
  row: OutboxRecord,
  code: Code,
  more: readonly LedgerChange[] = [],
): Promise<void> {
  const told = row.kind === 'message' ? await stateChange(account, row.user, row.message, 'failed', code) : undefined;
  const ended = row.transfer === undefined ? undefined : account.transfers.stepFailed(row.transfer, code);
  await account.ledger.commit([
    { drop: 'outbox', key: row.order },
    // Also somebody whom no message ever reached has a history.
    ...(account.ledger.conversations.has(row.user)
      ? []
      : [{ put: 'conversation', value: emptyConversation(row.user) } as const]),
    ...(told?.changes ?? []),
    ...(ended?.changes ?? []),
    ...more,
  ]);
  told?.after();
  ended?.after();
}

export interface StateChange {
  readonly changes: readonly LedgerChange[];
  after(): void;
}

/** A new state of an own message, where it is one step on; undefined where nothing changes. */
export async function stateChange(
  account: OpenAccount,
  user: string,
  id: MessageId,
  state: MessageState,
  code?: Code,
): Promise<StateChange | undefined> {
  const record = await account.ledger.message(user, id);
  if (record === undefined || !record.own || !advances(record.state, state)) return undefined;
  return {
    changes: [{ put: 'message', user, value: { ...record, state, code } }],
    after: () =>
      account.emit({ kind: 'state', id, conversation: `@${user}`, state, ...(code !== undefined && { code }) }),
  };
}
