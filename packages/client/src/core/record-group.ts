/**
 * Collection `group`, by group id: what each message changes. The rest of the group's state is in `groupBase` under the
 * same key, as the engine packs it. Version 1 held the state of an engine that is gone, and has no base.
 */
import type { DeviceId, GroupId } from '@securechat/wire';
import type { Received } from './order.ts';
import { readId, readMany, readOptional, recordCodec, writeId, writeOptional } from './record.ts';

export interface GroupRecord {
  readonly group: GroupId;
  readonly user: string;
  /** Opaque to everything but the engine; secret. */
  readonly messageKeys: Uint8Array;
  /** A commit of ours that the server has not accepted yet: the state after it. */
  readonly pending: Uint8Array | undefined;
  /** Chain numbers seen, by sending device. */
  readonly received: readonly Received[];
  /** When this device's own leaf keys were made, Unix ms. */
  readonly ownKeysMs: number;
}

export const groupRecord = recordCodec<GroupRecord>(
  2,
  (writer, value) => {
    writeId(writer, value.group);
    writer.text16(value.user).vec32(value.messageKeys);
    writeOptional(writer, value.pending, (pending) => writer.vec32(pending));
    writer.u32(value.received.length);
    for (const { device, highest, missing } of value.received) {
      writeId(writer, device);
      writer.u64(highest).u32(missing.length);
      for (const number of missing) writer.u64(number);
    }
    writer.u64(value.ownKeysMs);
  },
  (reader) => ({
    group: readId<GroupId>(reader),
    user: reader.text16(),
    messageKeys: reader.vec32().slice(),
    pending: readOptional(reader, () => reader.vec32().slice()),
    received: readMany(reader, () => ({
      device: readId<DeviceId>(reader),
      highest: reader.u64(),
      missing: readMany(reader, () => reader.u64()),
    })),
    ownKeysMs: reader.u64(),
  }),
);
