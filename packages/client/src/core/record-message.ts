/** The history: one value per message, in the order of arrival. */
import type { Code, MessageId } from '@securechat/wire';
import { isCode } from '@securechat/wire';
import type { Message, MessageState } from '../api.ts';
import {
  readFlags,
  readId,
  readLongText,
  readOne,
  readOptional,
  recordCodec,
  writeFlags,
  writeId,
  writeLongText,
  writeOne,
  writeOptional,
} from './record.ts';

export interface MessageRecord {
  readonly id: MessageId;
  readonly own: boolean;
  /** A body of a newer version: there is no text. */
  readonly unreadable: boolean;
  readonly text: string;
  /** Sender's clock, Unix ms. */
  readonly sentMs: number;
  readonly replyTo: MessageId | undefined;
  /** Own messages; `delivered` for others'. */
  readonly state: MessageState;
  readonly code: Code | undefined;
}

const states = ['queued', 'sent', 'delivered', 'read', 'failed'] as const satisfies readonly MessageState[];

export const UNREADABLE_TEXT = 'This message cannot be read by this version of SecureChat.';

export const messageRecord = recordCodec<MessageRecord>(
  1,
  (writer, value) => {
    writeId(writer, value.id);
    writeFlags(writer, value.own, value.unreadable);
    writeLongText(writer, value.text);
    writer.u64(value.sentMs);
    writeOptional(writer, value.replyTo, (id) => writeId(writer, id));
    writeOne(writer, states, value.state);
    writer.text16(value.code ?? '');
  },
  (reader) => {
    const id = readId<MessageId>(reader);
    const [own = false, unreadable = false] = readFlags(reader);
    const text = readLongText(reader);
    const sentMs = reader.u64();
    const replyTo = readOptional(reader, () => readId<MessageId>(reader));
    const state = readOne(reader, states);
    const code = reader.text16();
    return { id, own, unreadable, text, sentMs, replyTo, state, code: isCode(code) ? code : undefined };
  },
);

/** Beyond it there is no date; another's clock may say anything. */
const DATE_MS_MAX = 8.64e15;

/** As programs see it. `ownName`: the account's user name. */
export function messageView(record: MessageRecord, user: string, ownName: string): Message {
  return {
    id: record.id,
    conversation: `@${user}`,
    from: record.own ? ownName : user,
    text: record.unreadable ? UNREADABLE_TEXT : record.text,
    at: new Date(Math.min(record.sentMs, DATE_MS_MAX)).toISOString(),
    ...(record.replyTo !== undefined && { replyTo: record.replyTo }),
    own: record.own,
    ...(record.own && { state: record.state }),
    ...(record.own && record.code !== undefined && { code: record.code }),
  };
}

/** A state never goes back: a late `sent` does not undo `read`. `failed` comes from anywhere but `read`. */
const ranks: Readonly<Record<MessageState, number>> = { queued: 0, failed: 1, sent: 2, delivered: 3, read: 4 };

export function advances(from: MessageState, to: MessageState): boolean {
  return to === 'failed' ? from === 'queued' || from === 'sent' : ranks[to] > ranks[from];
}
