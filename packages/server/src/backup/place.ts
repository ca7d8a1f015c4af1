/** Where copies come to lie: private from the first byte, on the disk before they have their name. */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { dataFiles, refuseOthers } from '../data-folder.ts';
import { makeFolder } from '../make-folder.ts';
import { StartError } from '../start-error.ts';

/** Names of all files, those in `blobs/` with it in front. */
export function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? readdirSync(join(folder, entry.name)).map((name) => `${entry.name}/${name}`) : [entry.name],
  );
}

export function makePrivateFolder(path: string): void {
  makeFolder(path);
  refuseOthers(path, 'folder');
}

export function copyPrivate(from: string, to: string): void {
  makeFolder(dirname(to));
  writeFileSync(to, '', { mode: 0o600 });
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  sync(to);
}

/** What is there already is never written over. */
export function refuseFilled(path: string): void {
  if (existsSync(path) && (!statSync(path).isDirectory() || readdirSync(path).length > 0))
    throw new StartError(2, `${path} is there already and not empty; name a new one.`);
}

/** Under its name only when all of it is on the disk. */
export function appear(partial: string, target: string): void {
  if (existsSync(join(partial, dataFiles.blobs))) sync(join(partial, dataFiles.blobs));
  sync(partial);
  // Windows does not rename over an empty folder, and nobody does so with a file.
  if (existsSync(target)) rmdirSync(target);
  renameSync(partial, target);
  sync(dirname(target));
}

export function sync(path: string): void {
  if (process.platform === 'win32' && statSync(path).isDirectory()) return;
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function asSentence(error: unknown, what: string): StartError {
  if (error instanceof StartError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  return new StartError(2, `${what}${typeof code === 'string' ? ` (${code})` : ''}.`, { cause: error });
}
