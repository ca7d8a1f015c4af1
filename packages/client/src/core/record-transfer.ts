/** Collection `transfer`, by transfer id: a file on its way, on either side. */
import type { BlobId, MessageId } from '@securechat/wire';
import {
  readId,
  readMany,
  readOne,
  readOptional,
  recordCodec,
  writeId,
  writeLongText,
  readLongText,
  writeOne,
  writeOptional,
} from './record.ts';

const directions = ['up', 'down'] as const;
/**
 * up: offered → sending → ready. down: offered → accepted → fetching → placing (all of it is here, and gets its name).
 * A transfer that ended is deleted.
 */
const stages = ['offered', 'accepted', 'sending', 'ready', 'fetching', 'placing'] as const;
export type TransferStage = (typeof stages)[number];

export interface TransferRecord {
  readonly id: MessageId;
  readonly direction: (typeof directions)[number];
  readonly stage: TransferStage;
  readonly user: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: Uint8Array;
  /** up: the file; down: the folder it goes to. Absolute. */
  readonly path: string;
  /** up: SHA-256 of every chunk of plaintext, so that a file changed meanwhile is never sealed under a used nonce. */
  readonly chunks: readonly Uint8Array[];
  readonly blob: BlobFacts | undefined;
  /** placing: the path it is about to get, or has. Empty before. */
  readonly placed: string;
  readonly sinceMs: number;
}

export interface BlobFacts {
  readonly id: BlobId;
  readonly key: Uint8Array;
  readonly chunkBytes: number;
  /** down: what the ciphertext must hash to; up: empty. */
  readonly root: Uint8Array;
}

export const transferRecord = recordCodec<TransferRecord>(
  2,
  (writer, value) => {
    writeId(writer, value.id);
    writeOne(writer, directions, value.direction);
    writeOne(writer, stages, value.stage);
    writer.text16(value.user);
    writeLongText(writer, value.name);
    writer.u64(value.bytes).vec16(value.sha256);
    writeLongText(writer, value.path);
    writer.u32(value.chunks.length);
    for (const chunk of value.chunks) writer.vec16(chunk);
    writeOptional(writer, value.blob, (blob) => {
      writeId(writer, blob.id);
      writer.vec16(blob.key).u32(blob.chunkBytes).vec16(blob.root);
    });
    writer.u64(value.sinceMs);
    writeLongText(writer, value.placed);
  },
  (reader, written) => ({
    id: readId<MessageId>(reader),
    direction: readOne(reader, directions),
    stage: readOne(reader, stages),
    user: reader.text16(),
    name: readLongText(reader),
    bytes: reader.u64(),
    sha256: reader.vec16().slice(),
    path: readLongText(reader),
    chunks: readMany(reader, () => reader.vec16().slice()),
    blob: readOptional(reader, () => ({
      id: readId<BlobId>(reader),
      key: reader.vec16().slice(),
      chunkBytes: reader.u32(),
      root: reader.vec16().slice(),
    })),
    sinceMs: reader.u64(),
    placed: written < 2 ? '' : readLongText(reader),
  }),
);
