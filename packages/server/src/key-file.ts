/** Files that a server is lost without: for their owner alone, and on the disk before anything is built on them. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { refuseOthers } from './data-folder.ts';
import { StartError } from './start-error.ts';

/** StartError in one sentence when it cannot be read, or could be read by others. */
export function readKeyFile(path: string): string {
  if (!existsSync(path)) throw new StartError(2, `The key file ${path} is missing.`);
  refuseOthers(path, 'key file');
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StartError(2, `The key file ${path} cannot be read.`, { cause });
  }
}

/** Whole or not at all, also when the power fails: written beside, made durable, renamed, and the name made durable. */
export function writeKeyFile(path: string, text: string): void {
  const beside = `${path}.new`;
  try {
    const file = openSync(beside, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw new StartError(2, `The key file ${path} cannot be written.`, { cause });
  }
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
