/** Storage of file ciphertext. Bytes alone: who may do what, and quotas, are rules of core/blobs.ts. */
import type { BlobId } from '@securechat/wire';

export interface Blobs {
  /** Makes an empty blob; no effect where it exists. */
  create(blob: BlobId): Promise<void>;
  /** Bytes that are there; 0 where there is nothing. */
  size(blob: BlobId): Promise<number>;
  /** Writes `part` at `offset`, which must be the present size. Not yet durable. */
  append(blob: BlobId, offset: number, part: Uint8Array): Promise<void>;
  /** Makes everything appended durable. */
  finish(blob: BlobId): Promise<void>;
  /** At most `length` bytes from `offset`; fewer at the end. */
  read(blob: BlobId, offset: number, length: number): Promise<Uint8Array>;
  /** Idempotent. */
  remove(blob: BlobId): Promise<void>;
  /** Every blob that has a file. */
  list(): Promise<readonly BlobId[]>;
  /** Bytes that this process may still write to the disk. */
  freeBytes(): Promise<number>;
}
