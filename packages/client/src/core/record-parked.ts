/** Collection `parked`, by mailbox number: rows that were acknowledged but cannot be processed yet. */
import type { Deliver, GroupId, MailboxSeq, RowKind } from '@securechat/wire';
import { limits } from '@securechat/wire';
import { readId, readOne, recordCodec, writeId, writeOne } from './record.ts';

export interface ParkedRecord {
  readonly row: Deliver;
  /** Unix ms here. */
  readonly parkedMs: number;
}

const kinds = ['message', 'commit', 'invitation', 'bounce', 'resync', 'expired'] as const satisfies readonly RowKind[];

export const parkedRecord = recordCodec<ParkedRecord>(
  1,
  (writer, { row, parkedMs }) => {
    writer.u64(row.seq);
    writeOne(writer, kinds, row.kind);
    writeId(writer, row.group);
    writer.u64(row.storedAtMs).vec32(row.payload).u64(parkedMs);
  },
  (reader) => {
    const row: Deliver = {
      seq: reader.u64() as MailboxSeq,
      kind: readOne(reader, kinds),
      group: readId<GroupId>(reader),
      storedAtMs: reader.u64(),
      payload: reader.vec32().slice(),
    };
    return { row, parkedMs: reader.u64() };
  },
);

export function parkedKey(seq: number): string {
  return seq.toString(16).padStart(14, '0');
}

/** Which parked rows have to be given up now: those too old, then the oldest beyond what is kept. Each is a gap. */
export function overdue(parked: readonly ParkedRecord[], nowMs: number): readonly ParkedRecord[] {
  const inOrder = [...parked].sort((a, b) => a.row.seq - b.row.seq);
  const old = inOrder.filter(({ parkedMs }) => nowMs - parkedMs > limits.parkedMsMax.value);
  const rest = inOrder.filter((one) => !old.includes(one));
  let bytes = rest.reduce((sum, { row }) => sum + row.payload.length, 0);
  let count = rest.length;
  const over: ParkedRecord[] = [];
  for (const one of rest) {
    if (count <= limits.parkedRowsMax.value && bytes <= limits.parkedBytesMax.value) break;
    over.push(one);
    count -= 1;
    bytes -= one.row.payload.length;
  }
  return [...old, ...over];
}
