/** A file that is to be offered: read once, before anything is said of it. */
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { hasher, sha256 } from '@securechat/crypto';
import { chunkCount, chunkPlace, safeFileName } from '@securechat/e2ee';
import { limits, SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';
import { readChunk } from './upload.ts';

/** Name, size and hashes. FILE_NOT_FOUND, FILE_UNREADABLE, FILE_TOO_LARGE. `path`: absolute. */
export async function describeFile(
  path: string,
  bytesMax: number,
): Promise<Pick<TransferRecord, 'name' | 'bytes' | 'sha256' | 'path' | 'chunks'>> {
  const facts = await stat(path).catch((cause: unknown) => {
    const missing = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    throw new SecureChatError(missing ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE', {}, { cause });
  });
  if (!facts.isFile()) throw new SecureChatError('FILE_UNREADABLE', { text: 'This is not a regular file.' });
  if (facts.size > bytesMax) throw new SecureChatError('FILE_TOO_LARGE');
  const shape = { chunkBytes: limits.fileChunkBytesMax.value, totalBytes: facts.size };
  try {
    const file = await open(path, 'r');
    try {
      const whole = hasher('sha256');
      const chunks: Uint8Array[] = [];
      for (let index = 0; index < chunkCount(shape); index += 1) {
        const place = chunkPlace(shape, index);
        const chunk = await readChunk(file, place.fileOffset, place.fileBytes);
        if (chunk === undefined) throw new SecureChatError('FILE_UNREADABLE', { text: 'The file changes.' });
        whole.update(chunk);
        chunks.push(sha256(chunk));
      }
      return { name: safeFileName(basename(path)), bytes: facts.size, sha256: whole.digest(), path, chunks };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof SecureChatError) throw cause;
    throw new SecureChatError('FILE_UNREADABLE', {}, { cause });
  }
}
