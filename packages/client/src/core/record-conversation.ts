/** Collection `conversation`, by user name: the chain of groups, what is unread, which receipts are owed. */
import type { GroupId, MessageId } from '@securechat/wire';
import type { GroupFacts, Lineage } from './lineage.ts';
import { readId, readIds, readMany, readOne, recordCodec, writeId, writeIds, writeOne } from './record.ts';

export interface ConversationRecord {
  readonly user: string;
  readonly lineage: Lineage;
  /** Messages of the other side: the newest so many of the history. */
  readonly unread: number;
  /** Stored here, not yet told to the sender. */
  readonly delivered: readonly MessageId[];
  /** Read here, not yet told to the sender. */
  readonly read: readonly MessageId[];
  /** When something last came or went, Unix ms. */
  readonly lastMs: number;
}

/** Receipts owed beyond this are forgotten, oldest first: a person who never comes online must not fill the disk. */
export const RECEIPTS_OWED_MAX = 1024;

export function emptyConversation(user: string): ConversationRecord {
  return { user, lineage: [], unread: 0, delivered: [], read: [], lastMs: 0 };
}

const states = ['founding', 'live', 'dead'] as const;

export const conversationRecord = recordCodec<ConversationRecord>(
  2,
  (writer, value) => {
    writer.text16(value.user).u32(value.lineage.length);
    for (const group of value.lineage) {
      writeId(writer, group.group);
      writer.u64(group.generation).u64(group.ownSequence).u64(group.peerSequence);
      writer.u64(group.epoch).u64(group.chainAccepted);
      writeOne(writer, states, group.state);
    }
    writer.u64(value.unread);
    writeIds(writer, value.delivered);
    writeIds(writer, value.read);
    writer.u64(value.lastMs);
  },
  (reader, written) => {
    const user = reader.text16();
    const lineage = readMany(reader, (): GroupFacts => ({
      group: readId<GroupId>(reader),
      generation: reader.u64(),
      ownSequence: reader.u64(),
      peerSequence: reader.u64(),
      epoch: reader.u64(),
      chainAccepted: reader.u64(),
      state: readOne(reader, states),
    }));
    const unread = reader.u64();
    // Version 1 named what is unread; the history says it as well.
    if (written < 2) readIds<MessageId>(reader);
    const [delivered, read] = [readIds<MessageId>(reader), readIds<MessageId>(reader)];
    return { user, lineage, unread, delivered, read, lastMs: reader.u64() };
  },
);
