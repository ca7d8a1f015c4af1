/**
 * Blobs as files (0600) in one folder (0700), named by the id in hexadecimal: base64url names differ only in case, which
 * some file systems ignore. Writers of one blob are serialised by the caller.
 */
import { mkdir, open, readdir, stat, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobId } from '@securechat/wire';
import { ID_BYTES, idBytes, idOf } from '@securechat/wire';
import type { Blobs } from './port.ts';

export async function openFileBlobs(folder: string): Promise<Blobs> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pathOf = (blob: BlobId): string => join(folder, Buffer.from(idBytes(blob)).toString('hex'));
  return {
    async create(blob) {
      await (await open(pathOf(blob), 'a', 0o600)).close();
    },
    async size(blob) {
      try {
        return (await stat(pathOf(blob))).size;
      } catch (error) {
        if (isAbsent(error)) return 0;
        throw error;
      }
    },
    async append(blob, offset, part) {
      const file = await open(pathOf(blob), 'r+');
      try {
        for (let done = 0; done < part.length;)
          done += (await file.write(part, done, part.length - done, offset + done)).bytesWritten;
      } finally {
        await file.close();
      }
    },
    async finish(blob) {
      const file = await open(pathOf(blob), 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      const directory = await open(folder, 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    },
    async read(blob, offset, length) {
      const file = await open(pathOf(blob), 'r');
      try {
        const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    async remove(blob) {
      try {
        await unlink(pathOf(blob));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    },
    async list() {
      const names = await readdir(folder);
      const wanted = new RegExp(`^[0-9a-f]{${ID_BYTES * 2}}$`);
      return names.filter((name) => wanted.test(name)).map((name) => idOf<BlobId>(Buffer.from(name, 'hex')));
    },
    async freeBytes() {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  };
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
