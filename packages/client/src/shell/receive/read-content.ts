/** What a decrypted content of the other side means: a message, receipts, a step of a file. In their serial queue. */
import type { Content } from '@securechat/e2ee';
import type { MessageId } from '@securechat/wire';
import type { ConversationRecord } from '../../core/record-conversation.ts';
import { RECEIPTS_OWED_MAX } from '../../core/record-conversation.ts';
import type { MessageRecord } from '../../core/record-message.ts';
import { messageView } from '../../core/record-message.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { readFileStep } from '../files/read-file-step.ts';
import { stateChange } from '../send/settle.ts';

export interface ContentRead {
  readonly changes: readonly LedgerChange[];
  after(): void;
}

export async function readContent(
  account: OpenAccount,
  user: string,
  conversation: ConversationRecord,
  { content, fresh }: { readonly content: Content; readonly fresh: boolean },
): Promise<ContentRead> {
  const receipts = await readReceipts(account, user, content);
  // Blocked: read, so that the chain goes on, and shown to nobody.
  const hidden = account.ledger.contacts.get(user)?.blocked === true;
  const body = hidden ? undefined : await readBody(account, user, conversation, content, fresh);
  return {
    changes: [...receipts.changes, ...(body?.changes ?? [])],
    after: () => {
      receipts.after();
      body?.after();
    },
  };
}

async function readBody(
  account: OpenAccount,
  user: string,
  conversation: ConversationRecord,
  content: Content,
  fresh: boolean,
): Promise<ContentRead | undefined> {
  switch (content.body.kind) {
    case 'text':
    case 'unreadable':
      return readMessage(account, user, conversation, content);
    case 'file-offer':
    case 'file-answer':
    case 'file-ready':
    case 'file-received':
      // Its chain number came before, in a message that the server called refused: which of the two is right nobody knows.
      if (!fresh) return { changes: [], after: () => emitGap(account, user) };
      return readFileStep(account, user, content.body);
    case 'receipt':
    case 'skipped':
      return undefined;
  }
}

function emitGap(account: OpenAccount, user: string): void {
  account.emit({ kind: 'gap', conversation: `@${user}`, missing: 1, code: 'GAP' });
}

async function readMessage(
  account: OpenAccount,
  user: string,
  conversation: ConversationRecord,
  content: Content,
): Promise<ContentRead | undefined> {
  const { id, body } = content;
  // Shown once, ever: a message encrypted again has a new ciphertext and the same id.
  if (await account.ledger.hasMessage(user, id)) return undefined;
  const record: MessageRecord = {
    id,
    own: false,
    unreadable: body.kind !== 'text',
    text: body.kind === 'text' ? body.text : '',
    sentMs: content.sentAtMs,
    replyTo: body.kind === 'text' ? body.replyTo : undefined,
    state: 'delivered',
    code: undefined,
  };
  const value: ConversationRecord = {
    ...conversation,
    unread: conversation.unread + 1,
    delivered: account.receipts.mayKnow(user)
      ? [...conversation.delivered, id].slice(-RECEIPTS_OWED_MAX)
      : conversation.delivered,
    lastMs: account.nowMs(),
  };
  return {
    changes: [
      { put: 'message', user, value: record },
      { put: 'conversation', value },
    ],
    after: () => {
      account.emit({ kind: 'message', message: messageView(record, user, account.ledger.account.username) });
      account.receipts.owed(user);
    },
  };
}

/** Delivered and read: each moves a message of ours one state on. What was delivered can bounce no more. */
async function readReceipts(account: OpenAccount, user: string, content: Content): Promise<ContentRead> {
  const read = content.body.kind === 'receipt' ? content.body.read : [];
  const told: ContentRead[] = [];
  const rows = new Set<number>();
  const step = async (id: MessageId, state: 'delivered' | 'read'): Promise<void> => {
    const change = await stateChange(account, user, id, state);
    if (change !== undefined) told.push(change);
    const row = account.ledger.outboxByMessage(id);
    if (row?.user === user && row.acceptedMs > 0) rows.add(row.order);
  };
  for (const id of content.delivered) if (!read.includes(id)) await step(id, 'delivered');
  for (const id of read) await step(id, 'read');
  return {
    changes: [
      ...told.flatMap(({ changes }) => changes),
      ...[...rows].map((key): LedgerChange => ({ drop: 'outbox', key })),
    ],
    after: () => {
      for (const one of told) one.after();
    },
  };
}
