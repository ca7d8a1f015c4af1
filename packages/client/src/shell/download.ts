/**
 * One blob into one file (docs/protocol/files.md). Every chunk is verified before it is written to a temporary file in the
 * download folder; the name appears when all of it is there and right, and never in place of another file. A lost
 * connection keeps what is there: `run` again with the next link.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { link as hardLink, mkdir, open, rename, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FileOpener, FileShape } from '@securechat/e2ee';
import { chunkCount, chunkPlace, fileOpener, safeFileName } from '@securechat/e2ee';
import { concatBytes, idBytes, limits, SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../core/record-transfer.ts';
import type { Link } from './link-port.ts';
import { PARTS_IN_FLIGHT_MAX, requestPatiently } from './patient.ts';

const NAMES_TRIED_MAX = 1000;

export class Download {
  readonly #transfer: TransferRecord;
  readonly #shape: FileShape;
  readonly #root: Uint8Array;
  readonly #temporary: string;
  readonly #opener: FileOpener;
  #file: FileHandle | undefined;
  #index = 0;

  /** MALFORMED for an impossible shape. */
  constructor(transfer: TransferRecord, shape: FileShape, root: Uint8Array) {
    this.#transfer = transfer;
    this.#shape = shape;
    this.#root = root;
    this.#temporary = temporaryOf(transfer);
    this.#opener = fileOpener(shape);
  }

  /**
   * The path of the finished file. FILE_DAMAGED (what came is not what was announced), FILE_UNWRITABLE, and what the
   * server refuses with. After CONNECTION_LOST it may be run again; after anything else call `discard`.
   */
  async run(link: Link, onProgress: (bytes: number) => void, stopped: () => boolean): Promise<string> {
    const file = (this.#file ??= await this.#createFile());
    for (; this.#index < chunkCount(this.#shape); this.#index += 1) {
      if (stopped()) throw new SecureChatError('CONNECTION_LOST');
      const place = chunkPlace(this.#shape, this.#index);
      const ciphertext = await this.#fetch(link, place.blobOffset, place.blobBytes);
      const plaintext = this.#opener.open(ciphertext);
      if (plaintext === undefined) throw new SecureChatError('FILE_DAMAGED');
      await unwritable(() => writeAll(file, plaintext, place.fileOffset));
      onProgress(place.fileOffset + place.fileBytes);
    }
    if (!this.#opener.verify({ root: this.#root, sha256: this.#transfer.sha256 }))
      throw new SecureChatError('FILE_DAMAGED');
    return unwritable(async () => {
      await file.sync();
      await file.close();
      this.#file = undefined;
      const path = await this.#giveName();
      await syncFolder(this.#transfer.path);
      return path;
    });
  }

  async discard(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  /** Keeps the temporary file's name for a later process, which starts over. */
  async pause(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  #createFile(): Promise<FileHandle> {
    return unwritable(async () => {
      // A folder of ours is for its owner; one that is there already stays as it is.
      await mkdir(this.#transfer.path, { recursive: true, mode: 0o700 });
      // Whatever an earlier process left; never through a link that somebody put there.
      await rm(this.#temporary, { force: true });
      const { O_WRONLY, O_CREAT, O_EXCL } = constants;
      return open(this.#temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    });
  }

  async #fetch(link: Link, offset: number, bytes: number): Promise<Uint8Array> {
    const blob = idBytes(this.#shape.blob);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes;) {
      const asked: Promise<Uint8Array>[] = [];
      for (; at < bytes && asked.length < PARTS_IN_FLIGHT_MAX;) {
        const length = Math.min(limits.blobPartBytesMax.value, bytes - at);
        asked.push(fetchPart(link, { blob, offset: offset + at, length }));
        at += length;
      }
      parts.push(...(await Promise.all(asked)));
    }
    return concatBytes(...parts);
  }

  async #giveName(): Promise<string> {
    const name = safeFileName(this.#transfer.name);
    const extension = extname(name);
    const stem = name.slice(0, name.length - extension.length);
    for (let attempt = 1; attempt <= NAMES_TRIED_MAX; attempt += 1) {
      const path = join(this.#transfer.path, attempt === 1 ? name : `${stem} (${attempt})${extension}`);
      if (await claimName(this.#temporary, path)) return path;
    }
    throw new SecureChatError('FILE_UNWRITABLE');
  }
}

type Place = Pick<TransferRecord, 'path' | 'id'>;

function temporaryOf({ path, id }: Place): string {
  return join(path, `.securechat-${id}.part`);
}

/** Of a download that is given up. */
export async function removeTemporary(transfer: Place): Promise<void> {
  await rm(temporaryOf(transfer), { force: true }).catch(() => undefined);
}

async function fetchPart(
  link: Link,
  request: { readonly blob: Uint8Array; readonly offset: number; readonly length: number },
): Promise<Uint8Array> {
  const body = await requestPatiently(link, 'blobGet', request);
  if (body.$case !== 'blobPart') throw new SecureChatError('MALFORMED');
  // A short or long answer would shift everything behind it.
  if (body.value.part.length !== request.length) throw new SecureChatError('FILE_DAMAGED');
  return body.value.part;
}

/** False when the name is taken. Atomic where the file system has hard links, and never an overwrite. */
async function claimName(temporary: string, path: string): Promise<boolean> {
  try {
    await hardLink(temporary, path);
    await rm(temporary, { force: true });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
  }
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
  await rename(temporary, path);
  return true;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Not every system can sync a folder; the file itself is on disk.
  }
}

async function unwritable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SecureChatError) throw cause;
    throw new SecureChatError('FILE_UNWRITABLE', {}, { cause });
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
