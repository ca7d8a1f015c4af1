/**
 * Collection `outbox`, by position. A row is written before anything is sent; once accepted it stays, without its content,
 * until it is known to be delivered or to have bounced.
 */
import type { ClientId, GroupId, MessageId, SubmitKind } from '@securechat/wire';
import type { Item, ItemKind, SealedState } from './item.ts';
import {
  readFlags,
  readId,
  readOne,
  readOptional,
  recordCodec,
  writeFlags,
  writeId,
  writeOne,
  writeOptional,
} from './record.ts';

export interface OutboxRecord {
  readonly order: number;
  readonly user: string;
  readonly kind: ItemKind;
  readonly onlineOnly: boolean;
  /** Inner id of the message; of a commit some id. */
  readonly message: MessageId;
  /** File transfer that this is a step of. */
  readonly transfer: MessageId | undefined;
  /** Encoded content with chain number 1; empty for a commit and once accepted. */
  readonly draft: Uint8Array;
  readonly sealed: SealedRecord | undefined;
  /** When the server accepted it, Unix ms here; 0: not yet. */
  readonly acceptedMs: number;
  readonly createdMs: number;
}

export interface SealedRecord {
  readonly id: ClientId;
  readonly kind: SubmitKind;
  readonly group: GroupId;
  readonly epoch: number;
  readonly chainNumber: number;
  readonly submitNumber: number;
  /** Empty once accepted. */
  readonly payload: Uint8Array;
}

const kinds = ['message', 'file', 'receipt', 'commit'] as const satisfies readonly ItemKind[];
const submits = ['message', 'commit', 'found'] as const satisfies readonly SubmitKind[];

export const outboxRecord = recordCodec<OutboxRecord>(
  1,
  (writer, value) => {
    writer.u64(value.order).text16(value.user);
    writeOne(writer, kinds, value.kind);
    writeFlags(writer, value.onlineOnly);
    writeId(writer, value.message);
    writeOptional(writer, value.transfer, (id) => writeId(writer, id));
    writer.vec32(value.draft);
    writeOptional(writer, value.sealed, (sealed) => {
      writeId(writer, sealed.id);
      writeOne(writer, submits, sealed.kind);
      writeId(writer, sealed.group);
      writer.u64(sealed.epoch).u64(sealed.chainNumber).u64(sealed.submitNumber).vec32(sealed.payload);
    });
    writer.u64(value.acceptedMs).u64(value.createdMs);
  },
  (reader) => ({
    order: reader.u64(),
    user: reader.text16(),
    kind: readOne(reader, kinds),
    onlineOnly: readFlags(reader)[0] ?? false,
    message: readId<MessageId>(reader),
    transfer: readOptional(reader, () => readId<MessageId>(reader)),
    draft: reader.vec32().slice(),
    sealed: readOptional(reader, () => ({
      id: readId<ClientId>(reader),
      kind: readOne(reader, submits),
      group: readId<GroupId>(reader),
      epoch: reader.u64(),
      chainNumber: reader.u64(),
      submitNumber: reader.u64(),
      payload: reader.vec32().slice(),
    })),
    acceptedMs: reader.u64(),
    createdMs: reader.u64(),
  }),
);

/** The record as the core sees it. */
export function itemOf(record: OutboxRecord, state: SealedState = 'stored'): Item {
  const { order, user, kind, onlineOnly, sealed } = record;
  if (sealed === undefined) return { order, user, kind, onlineOnly, sealed: undefined };
  const { payload, ...rest } = sealed;
  return { order, user, kind, onlineOnly, sealed: { ...rest, bytes: payload.length, strikes: 0, state } };
}

/** Rows sort by position, as text too. */
export function outboxKey(order: number): string {
  return order.toString(16).padStart(14, '0');
}
