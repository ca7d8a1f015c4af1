/**
 * One file into one blob (docs/protocol/files.md). The upload goes on where the server's copy ends; chunks before that are
 * sealed again, to the same bytes, for the root. A chunk whose plaintext is not what was offered is never sealed: two
 * plaintexts under one nonce would give both away.
 */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { equal, sha256 } from '@securechat/crypto';
import type { FileShape } from '@securechat/e2ee';
import { blobBytes, chunkCount, chunkPlace, fileSealer } from '@securechat/e2ee';
import type { AccountId, control } from '@securechat/wire';
import { idBytes, limits, SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';
import type { Link } from '../link/link-port.ts';
import { PARTS_IN_FLIGHT_MAX, requestPatiently, waitOut } from './patient.ts';

/** Rounds in a row in which the server's copy does not grow. */
const ROUNDS_IDLE_MAX = 10;

export interface UploadInput {
  readonly link: Link;
  readonly record: TransferRecord;
  readonly shape: FileShape;
  readonly recipient: AccountId;
  readonly onProgress: (bytes: number) => void;
  readonly stopped: () => boolean;
  /** Ends waiting for a rate limit, with CONNECTION_LOST. */
  readonly signal?: AbortSignal | undefined;
}

/** The ciphertext root. FILE_UNREADABLE when the file is gone or has changed, and what the server refuses with. */
export async function upload(input: UploadInput): Promise<Uint8Array> {
  const { link, shape, record, signal } = input;
  const blob = idBytes(shape.blob);
  const file = await openFile(record);
  try {
    const size = blobBytes(shape);
    const created = await requestPatiently(
      link,
      'blobCreate',
      { blob, size, recipient: idBytes(input.recipient) },
      signal,
    );
    let { have } = stateIn(created);
    const sealer = fileSealer(shape);
    for (let index = 0; index < chunkCount(shape); index += 1) {
      const place = chunkPlace(shape, index);
      const plaintext = await readChunk(file, place.fileOffset, place.fileBytes);
      const offered = record.chunks[index];
      if (plaintext === undefined || offered === undefined || !equal(sha256(plaintext), offered)) throw changed();
      const ciphertext = sealer.seal(plaintext);
      have = await putChunk(input, ciphertext, place.blobOffset, have);
      input.onProgress(place.fileOffset + place.fileBytes);
    }
    const { root } = sealer.finish();
    await requestPatiently(link, 'blobFinish', { blob }, signal);
    return root;
  } finally {
    await file.close();
  }
}

/** Sends what the server lacks of one chunk, some parts at once; returns how much it has then. */
async function putChunk(input: UploadInput, chunk: Uint8Array, at: number, have: number): Promise<number> {
  const end = at + chunk.length;
  let offset = Math.max(at, have);
  for (let idle = 0; offset < end;) {
    if (input.stopped()) throw new SecureChatError('CONNECTION_LOST');
    // Everything is taken and nothing is there: later again, not in circles.
    if (idle > ROUNDS_IDLE_MAX) throw new SecureChatError('TIMEOUT');
    const before = offset;
    const parts: Promise<number | undefined>[] = [];
    for (let next = offset; next < end && parts.length < PARTS_IN_FLIGHT_MAX;) {
      const partEnd = Math.min(end, next + limits.blobPartBytesMax.value);
      parts.push(putPart(input, chunk.subarray(next - at, partEnd - at), next, idle));
      next = partEnd;
    }
    // A part that was put off leaves the ones behind it out of place: go on where the server is.
    for (const now of await Promise.all(parts)) if (now !== undefined) offset = Math.max(at, now);
    idle = offset > before ? 0 : idle + 1;
  }
  return offset;
}

/** How much the server has after it; undefined when it was put off by a rate limit. */
async function putPart(
  { link, shape, signal }: UploadInput,
  part: Uint8Array,
  offset: number,
  waits: number,
): Promise<number | undefined> {
  try {
    return stateIn(await link.request('blobPut', { blob: idBytes(shape.blob), offset, part })).have;
  } catch (error) {
    await waitOut(error, waits, signal);
    return undefined;
  }
}

function stateIn(body: NonNullable<control.Response['body']>): control.BlobState {
  if (body.$case !== 'blob') throw new SecureChatError('MALFORMED');
  return body.value;
}

async function openFile({ path }: TransferRecord): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new SecureChatError('FILE_UNREADABLE', {}, { cause });
  }
}

/** Undefined when the file is shorter now. */
export async function readChunk(file: FileHandle, offset: number, bytes: number): Promise<Uint8Array | undefined> {
  const chunk = new Uint8Array(bytes);
  for (let filled = 0; filled < bytes;) {
    const { bytesRead } = await file.read(chunk, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) return undefined;
    filled += bytesRead;
  }
  return chunk;
}

function changed(): SecureChatError {
  return new SecureChatError('FILE_UNREADABLE', { text: 'The file was changed after it was offered.' });
}
