/** The data folder of a server: for its owner alone. One server at a time uses it: the store holds the lock. */
import { statSync } from 'node:fs';
import { makeFolder } from './make-folder.ts';
import { StartError } from './start-error.ts';

/** Names inside the folder. The database's own files belong to its driver. */
export const dataFiles = {
  identity: 'identity.pem',
  sealing: 'sealing.pem',
  slot: 'slot.key',
  opaque: 'opaque.setup',
  blobs: 'blobs',
  adminSocket: 'admin.sock',
} as const;

/** Makes the folder (0700) where there is none. */
export function prepareDataFolder(path: string): void {
  try {
    makeFolder(path);
  } catch (cause) {
    throw new StartError(2, `The data folder ${path} cannot be made.`, { cause });
  }
  if (!statSync(path).isDirectory()) throw new StartError(2, `The data folder ${path} is not a folder.`);
  refuseOthers(path, 'data folder');
}

/** A file or folder that anyone but its owner can read or write is not used: keys in it may be known already. */
export function refuseOthers(path: string, what: string): void {
  if (process.platform === 'win32') return;
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0)
    throw new StartError(
      2,
      `The ${what} ${path} can be used by others (mode ${mode.toString(8)}); make it private with: chmod go= '${path}'`,
    );
}
