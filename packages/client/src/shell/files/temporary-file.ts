/** The temporary file of a download: in the folder that the file goes to, under a name that its transfer alone has. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { SecureChatError } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';

type Place = Pick<TransferRecord, 'path' | 'id'>;

export function temporaryOf({ path, id }: Place): string {
  return join(path, `.securechat-${id}.part`);
}

/** Empty, for its owner alone. FILE_UNWRITABLE. */
export function createTemporary(transfer: Place): Promise<FileHandle> {
  return unwritable(async () => {
    // A folder of ours is for its owner; one that is there already stays as it is.
    await mkdir(transfer.path, { recursive: true, mode: 0o700 });
    // Whatever an earlier process left; never through a link that somebody put there.
    await rm(temporaryOf(transfer), { force: true });
    const { O_WRONLY, O_CREAT, O_EXCL } = constants;
    return open(temporaryOf(transfer), O_WRONLY | O_CREAT | O_EXCL, 0o600);
  });
}

/** Of a download that is given up. */
export async function removeTemporary(transfer: Place): Promise<void> {
  await rm(temporaryOf(transfer), { force: true }).catch(() => undefined);
}

/** FILE_UNWRITABLE where the folder takes no file, or none of this size: said before the sender sends it. */
export async function proveRoom(transfer: Place & Pick<TransferRecord, 'bytes'>): Promise<void> {
  const file = await createTemporary(transfer);
  await file.close();
  await removeTemporary(transfer);
  await unwritable(async () => {
    const { bavail, bsize } = await statfs(transfer.path, { bigint: true });
    if (bavail * bsize < BigInt(transfer.bytes)) throw new SecureChatError('FILE_UNWRITABLE');
  });
}

/** What the file system says no to. FILE_UNWRITABLE, with its cause. */
export async function unwritable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SecureChatError) throw cause;
    throw new SecureChatError('FILE_UNWRITABLE', {}, { cause });
  }
}
