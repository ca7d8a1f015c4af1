/** Small files that only their owner reads, replaced as a whole or not at all. */
import { chmodSync, closeSync, fchmodSync, fsyncSync, openSync, readSync } from 'node:fs';
import { fstatSync, lstatSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { SecureChatError } from '@securechat/wire';
import { makeFolders } from '../../make-folders.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER, profileError } from './database.ts';

/** Far above any header or list of servers; a larger file is not one of ours. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Makes the folder 0700, parents as the umask says. PROFILE_UNWRITABLE. */
export function makePrivateFolder(path: string): void {
  try {
    makeFolders(dirname(path), 0o777);
    makeFolders(path, PRIVATE_FOLDER);
    if (!lstatSync(path).isDirectory())
      throw new SecureChatError('PROFILE_UNWRITABLE', { text: 'The profile path is not a folder.' });
    chmodSync(path, PRIVATE_FOLDER);
  } catch (cause) {
    throw folderError(cause);
  }
}

/**
 * Durable when it returns: written beside, fsynced, renamed, folder fsynced. A crash leaves the old or the new content.
 * PROFILE_UNWRITABLE.
 */
export function writePrivateFile(path: string, text: string): void {
  const beside = `${path}.new`;
  try {
    const file = openSync(beside, 'w', PRIVATE_FILE);
    try {
      fchmodSync(file, PRIVATE_FILE);
      const bytes = Buffer.from(text, 'utf8');
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
    syncFolder(dirname(path));
  } catch (cause) {
    rmSync(beside, { force: true });
    throw profileError(cause);
  }
}

/** undefined when there is none. PROFILE_DAMAGED when it is absurdly large, PROFILE_UNWRITABLE when it is not ours to read. */
export function readPrivateFile(path: string): string | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const size = fstatSync(file).size;
      if (size > FILE_BYTES_MAX) throw new SecureChatError('PROFILE_DAMAGED');
      const bytes = Buffer.alloc(size);
      let at = 0;
      for (let count = -1; at < size && count !== 0; at += count) count = readSync(file, bytes, at, size - at, at);
      return bytes.toString('utf8', 0, at);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw profileError(cause);
  }
}

/** A rename or a new file is on disk once its folder is. Windows has no such call and needs none. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function folderError(cause: unknown): SecureChatError {
  const known = profileError(cause);
  if (known.code !== 'INTERNAL') return known;
  return new SecureChatError('PROFILE_UNWRITABLE', { text: 'The profile folder cannot be made.' }, { cause });
}
