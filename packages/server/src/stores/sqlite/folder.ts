/** The data folder: 0700, its files 0600. */
import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../make-folder.ts';

const OTHERS = 0o077;

/** Makes the folder (0700) when it is missing; an existing one is left as it is. */
export function makeDataFolder(directory: string): void {
  makeFolder(directory);
}

/** One sentence when group or others may enter the folder, or undefined. Windows has no such bits and always passes. */
export function dataFolderProblem(directory: string): string | undefined {
  if (process.platform === 'win32' || !existsSync(directory)) return undefined;
  const { mode } = statSync(directory);
  if ((mode & OTHERS) === 0) return undefined;
  return `The data folder ${directory} is open to other users of this machine (mode ${(mode & 0o777).toString(8)}); make it 700.`;
}

/** Creates the file empty with mode 0600 if missing, and takes the rights of others from an existing one. */
export function privateFile(directory: string, name: string): string {
  const path = join(directory, name);
  closeSync(openSync(path, 'a', 0o600));
  if (process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0) chmodSync(path, 0o600);
  return path;
}
