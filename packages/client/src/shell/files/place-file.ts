/**
 * The name of a file that is whole: never in place of another file, and once, wherever the power fails. The temporary file
 * is on disk before the name is recorded, and the name is recorded before it is taken: so that after a crash it is known
 * what stands there.
 */
import { lstat, link as hardLink, open, rename, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { equal, hasher } from '@securechat/crypto';
import { safeFileName } from '@securechat/e2ee';
import { SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';
import { temporaryOf, unwritable } from './temporary-file.ts';

const NAMES_TRIED_MAX = 1000;
const READ_BYTES = 64 * 1024;

/** The path it got. `record` is awaited before each name is tried. FILE_UNWRITABLE, and what `record` rejects with. */
export function placeFile(transfer: TransferRecord, record: (path: string) => Promise<void>): Promise<string> {
  return unwritable(async () => {
    const temporary = temporaryOf(transfer);
    for (const path of candidates(transfer)) {
      if (await factsOf(path)) continue;
      await record(path);
      if (!(await claimName(temporary, path))) continue;
      await syncFolder(transfer.path);
      return path;
    }
    throw new SecureChatError('FILE_UNWRITABLE');
  });
}

/**
 * After a crash that came once a name was recorded. `placed`: the file stands there. `whole`: it still has to be placed.
 * `gone`: neither is there, or somebody else's file is: to be fetched again. A process to which the record was said to have
 * failed may have begun to fetch anew before the crash: so a temporary file is whole only if it has the content.
 */
export function findPlaced(transfer: TransferRecord): Promise<'placed' | 'whole' | 'gone'> {
  return unwritable(async () => {
    const temporary = temporaryOf(transfer);
    const [part, file] = [await factsOf(temporary), await factsOf(transfer.placed)];
    const linked = part !== undefined && file?.ino === part.ino && file.dev === part.dev;
    if (!linked && part?.isFile() === true && (await hasContent(temporary, transfer))) {
      // An empty one was made a moment before the crash, to take the name without hard links.
      if (file?.isFile() === true && file.size === 0n && transfer.bytes > 0) await rm(transfer.placed, { force: true });
      return 'whole';
    }
    if (!linked && (file?.isFile() !== true || !(await hasContent(transfer.placed, transfer)))) return 'gone';
    await rm(temporary, { force: true });
    await syncFolder(transfer.path);
    return 'placed';
  });
}

function* candidates({ name, path }: TransferRecord): Generator<string> {
  const safe = safeFileName(name);
  const extension = extname(safe);
  const stem = safe.slice(0, safe.length - extension.length);
  yield join(path, safe);
  for (let number = 2; number <= NAMES_TRIED_MAX; number += 1) yield join(path, `${stem} (${number})${extension}`);
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

/** Whether the file at `path` is the one that was sent. */
async function hasContent(path: string, { bytes, sha256 }: TransferRecord): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const whole = hasher('sha256');
    const buffer = new Uint8Array(READ_BYTES);
    let total = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, total);
      total += bytesRead;
      // Somebody else's file may be of any size.
      if (bytesRead === 0 || total > bytes) break;
      whole.update(buffer.subarray(0, bytesRead));
    }
    return total === bytes && equal(whole.digest(), sha256);
  } finally {
    await file.close();
  }
}

async function factsOf(path: string) {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
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

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
