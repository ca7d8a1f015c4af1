/** Collection `conversation`, by user name: the chain of groups, what is unread, which receipts are owed. */
import type { GroupId, MessageId } from '@securechat/wire';
import type { GroupFacts, Lineage } from './lineage.ts';
import { readId, readIds, readMany, readOne, recordCodec, writeId, writeIds, writeOne } from './record.ts';

export interface ConversationRecord {
  readonly user: string;
  readonly lineage: Lineage;
  readonly unread: number;
  /** The newest of them, for read receipts; at most `UNREAD_IDS_MAX`. */
  readonly unreadIds: readonly MessageId[];
  /** Stored here, not yet told to the sender. */
  readonly delivered: readonly MessageId[];
  /** Read here, not yet told to the sender. */
  readonly read: readonly MessageId[];
  /** When something last came or went, Unix ms. */
  readonly lastMs: number;
}

export const UNREAD_IDS_MAX = 256;
/** Receipts owed beyond this are forgotten, oldest first: a person who never comes online must not fill the disk. */
export const RECEIPTS_OWED_MAX = 1024;

export function emptyConversation(user: string): ConversationRecord {
  return { user, lineage: [], unread: 0, unreadIds: [], delivered: [], read: [], lastMs: 0 };
}

const states = ['founding', 'live', 'dead'] as const;

export const conversationRecord = recordCodec<ConversationRecord>(
  1,
  (writer, value) => {
    writer.text16(value.user).u32(value.lineage.length);
    for (const group of value.lineage) {
      writeId(writer, group.group);
      writer.u64(group.generation).u64(group.ownSequence).u64(group.peerSequence);
      writer.u64(group.epoch).u64(group.chainAccepted);
      writeOne(writer, states, group.state);
    }
    writer.u64(value.unread);
    writeIds(writer, value.unreadIds);
    writeIds(writer, value.delivered);
    writeIds(writer, value.read);
    writer.u64(value.lastMs);
  },
  (reader) => ({
    user: reader.text16(),
    lineage: readMany(reader, (): GroupFacts => ({
      group: readId<GroupId>(reader),
      generation: reader.u64(),
      ownSequence: reader.u64(),
      peerSequence: reader.u64(),
      epoch: reader.u64(),
      chainAccepted: reader.u64(),
      state: readOne(reader, states),
    })),
    unread: reader.u64(),
    unreadIds: readIds<MessageId>(reader),
    delivered: readIds<MessageId>(reader),
    read: readIds<MessageId>(reader),
    lastMs: reader.u64(),
  }),
);
