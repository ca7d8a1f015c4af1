/** Puts a backup back. */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StartError } from '../start-error.ts';
import { DATABASE_FILE, makeServable } from '../stores/sqlite/index.ts';
import { MANIFEST } from './manifest.ts';
import { appear, asSentence, copyPrivate, filesIn, makePrivateFolder, refuseFilled } from './place.ts';
import { unsealInto } from './sealed-file.ts';
import type { BackupReport } from './verify.ts';
import { isSealed, phraseFor, verifyFolder } from './verify.ts';

/**
 * Puts a verified backup into the data folder `data`, which must be new or empty. The server that starts there has
 * another history of mailbox numbers, so that every client notices; invites, resumptions and one-time key packages of
 * the backup are gone, because they may have been used since. StartError.
 */
export async function restoreBackup(backup: string, data: string, passphrase?: string): Promise<BackupReport> {
  const target = resolve(data);
  const phrase = isSealed(backup) ? phraseFor(backup, passphrase) : undefined;
  // Of a folder all is known before anything is written; of a sealed file once it is opened.
  const known = phrase === undefined ? await insistOnSound(backup, backup) : undefined;
  refuseFilled(target);
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    makePrivateFolder(partial);
    if (phrase !== undefined) await unsealInto(backup, phrase, partial);
    else for (const name of filesIn(backup)) copyPrivate(join(backup, name), join(partial, name));
    const report = known ?? (await insistOnSound(partial, backup));
    rmSync(join(partial, MANIFEST));
    makeServable(join(partial, DATABASE_FILE));
    appear(partial, target);
    return report;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw asSentence(error, `The backup cannot be put back to ${target}`);
  }
}

async function insistOnSound(folder: string, backup: string): Promise<BackupReport> {
  const report = await verifyFolder(folder);
  if (report.problems.length === 0) return report;
  throw new StartError(2, `The backup ${backup} is not put back: ${report.problems.join(' ')}`);
}
