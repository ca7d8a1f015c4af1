/** What a row of the outbox says, with the receipts that ride on it. */
import type { ContentDraft } from '@securechat/e2ee';
import { decodeContent } from '@securechat/e2ee';
import type { MessageId } from '@securechat/wire';
import { limits } from '@securechat/wire';
import type { OutboxRecord } from '../../core/record-outbox.ts';

/** Ids to be reported to the other side. */
export interface Owed {
  readonly delivered: readonly MessageId[];
  readonly read: readonly MessageId[];
}

/** The content of a row, with the receipts owed as far as they fit; undefined for a receipt with nothing to say. */
export function takeReceipts(
  row: OutboxRecord,
  owed: Owed,
): { readonly content: ContentDraft; readonly left: Owed } | undefined {
  const content = draftOf(row);
  const room = limits.idsPerContentMax.value;
  const delivered = [...content.delivered, ...owed.delivered.slice(0, room - content.delivered.length)];
  const left = { delivered: owed.delivered.slice(room - content.delivered.length), read: owed.read };
  if (content.body.kind !== 'receipt') return { content: { ...content, delivered }, left };
  const read = [...content.body.read, ...owed.read.slice(0, room - content.body.read.length)];
  if (delivered.length === 0 && read.length === 0) return undefined;
  return {
    content: { ...content, delivered, body: { kind: 'receipt', read } },
    left: { ...left, read: owed.read.slice(room - content.body.read.length) },
  };
}

export function draftOf(row: OutboxRecord): ContentDraft {
  const { chainNumber: _, ...draft } = decodeContent(row.draft);
  return draft;
}
