/**
 * One blob into one temporary file (docs/protocol/files.md). Every chunk is verified before it is written; what it is
 * called in the end is not decided here (place-file.ts). A lost connection keeps what is there: `run` again with the
 * next link.
 */
import type { FileHandle } from 'node:fs/promises';
import type { FileOpener, FileShape } from '@securechat/e2ee';
import { chunkCount, chunkPlace, fileOpener } from '@securechat/e2ee';
import { concatBytes, idBytes, limits, SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';
import type { Link } from '../link/link-port.ts';
import { PARTS_IN_FLIGHT_MAX, requestPatiently } from './patient.ts';
import { createTemporary, removeTemporary, unwritable } from './temporary-file.ts';

export interface DownloadRun {
  readonly link: Link;
  readonly onProgress: (bytes: number) => void;
  readonly stopped: () => boolean;
  /** Ends waiting for a rate limit, with CONNECTION_LOST. */
  readonly signal?: AbortSignal | undefined;
}

export class Download {
  readonly #transfer: TransferRecord;
  readonly #shape: FileShape;
  readonly #root: Uint8Array;
  readonly #opener: FileOpener;
  #file: FileHandle | undefined;
  #index = 0;

  /** MALFORMED for an impossible shape. */
  constructor(transfer: TransferRecord, shape: FileShape, root: Uint8Array) {
    this.#transfer = transfer;
    this.#shape = shape;
    this.#root = root;
    this.#opener = fileOpener(shape);
  }

  /**
   * Resolves when the temporary file is whole, right and on disk. FILE_DAMAGED (what came is not what was announced),
   * FILE_UNWRITABLE, and what the server refuses with. After CONNECTION_LOST it may be run again; after anything else call `discard`.
   */
  async run({ link, onProgress, stopped, signal }: DownloadRun): Promise<void> {
    const file = (this.#file ??= await createTemporary(this.#transfer));
    for (; this.#index < chunkCount(this.#shape); this.#index += 1) {
      if (stopped()) throw new SecureChatError('CONNECTION_LOST');
      const place = chunkPlace(this.#shape, this.#index);
      const ciphertext = await this.#fetch(link, { offset: place.blobOffset, bytes: place.blobBytes }, signal);
      const plaintext = this.#opener.open(ciphertext);
      if (plaintext === undefined) throw new SecureChatError('FILE_DAMAGED');
      await unwritable(() => writeAll(file, plaintext, place.fileOffset));
      onProgress(place.fileOffset + place.fileBytes);
    }
    if (!this.#opener.verify({ root: this.#root, sha256: this.#transfer.sha256 }))
      throw new SecureChatError('FILE_DAMAGED');
    await unwritable(async () => {
      await file.sync();
      await file.close();
      this.#file = undefined;
    });
  }

  async discard(): Promise<void> {
    await this.pause();
    await removeTemporary(this.#transfer);
  }

  /** Keeps the temporary file's name for a later process, which starts over. */
  async pause(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  async #fetch(
    link: Link,
    { offset, bytes }: { readonly offset: number; readonly bytes: number },
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const blob = idBytes(this.#shape.blob);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes;) {
      const asked: Promise<Uint8Array>[] = [];
      for (; at < bytes && asked.length < PARTS_IN_FLIGHT_MAX;) {
        const length = Math.min(limits.blobPartBytesMax.value, bytes - at);
        asked.push(fetchPart(link, { blob, offset: offset + at, length }, signal));
        at += length;
      }
      parts.push(...(await Promise.all(asked)));
    }
    return concatBytes(...parts);
  }
}

async function fetchPart(
  link: Link,
  request: { readonly blob: Uint8Array; readonly offset: number; readonly length: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const body = await requestPatiently(link, 'blobGet', request, signal);
  if (body.$case !== 'blobPart') throw new SecureChatError('MALFORMED');
  // A short or long answer would shift everything behind it.
  if (body.value.part.length !== request.length) throw new SecureChatError('FILE_DAMAGED');
  return body.value.part;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
