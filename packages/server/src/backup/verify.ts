/** Reads all of a backup and says whether it can be put back. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasher } from '@securechat/crypto';
import { dataFiles, refuseOthers } from '../data-folder.ts';
import { inspectKeys } from '../keys.ts';
import { openOpaqueSetup } from '../opaque/index.ts';
import { StartError } from '../start-error.ts';
import { DATABASE_FILE, inspectDatabase } from '../stores/sqlite/index.ts';
import type { FileEntry, Manifest } from './manifest.ts';
import { entryOf, hex, MANIFEST, parseManifest, problemsOf } from './manifest.ts';
import { filesIn } from './place.ts';
import { readSealed } from './sealed-file.ts';

export interface BackupReport {
  /** Under a pass phrase. */
  readonly sealed: boolean;
  /** Sentences; none for a backup that can be put back. */
  readonly problems: readonly string[];
  readonly madeAt: string;
  readonly fingerprint: string;
  readonly accounts: number;
  /** Undelivered rows. */
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

/** StartError when there is no backup that can be judged; also where the pass phrase does not open it. */
export async function verifyBackup(backup: string, passphrase?: string): Promise<BackupReport> {
  return isSealed(backup) ? verifySealed(backup, phraseFor(backup, passphrase)) : verifyFolder(backup);
}

export function isSealed(backup: string): boolean {
  return existsSync(backup) && statSync(backup).isFile();
}

/** A sealed backup is nothing without it. */
export function phraseFor(backup: string, passphrase: string | undefined): string {
  if (passphrase !== undefined) return passphrase;
  throw new StartError(2, `The backup ${backup} is sealed; its pass phrase is needed (--passphrase-file FILE).`);
}

/** Sizes, hashes, database, keys. */
export async function verifyFolder(backup: string): Promise<BackupReport> {
  const path = join(backup, MANIFEST);
  if (!existsSync(path)) throw new StartError(2, `There is no backup in ${backup}.`);
  refuseOthers(backup, 'backup');
  const manifest = parseManifest(readFileSync(path, 'utf8'), backup);
  const found = new Map(filesIn(backup).map((name) => [name, entryOf(join(backup, name))]));
  const problems = problemsOf(manifest, found);
  if (problems.length > 0) return reportOf(manifest, problems);
  const { accounts, rows, problems: inDatabase } = inspectDatabase(join(backup, DATABASE_FILE));
  return reportOf({ ...manifest, accounts, rows }, [...inDatabase, ...(await keyProblems(backup, manifest))]);
}

/** Without writing anything: every byte is as it was when the copy was verified and sealed. */
async function verifySealed(backup: string, passphrase: string): Promise<BackupReport> {
  const found = new Map<string, FileEntry>();
  const pieces: Uint8Array[] = [];
  await readSealed(backup, passphrase, (name) => {
    const hash = hasher('sha256');
    let bytes = 0;
    return {
      take(piece) {
        hash.update(piece);
        bytes += piece.length;
        if (name === MANIFEST) pieces.push(piece.slice());
      },
      end: () => void found.set(name, { bytes, sha256: hex(hash.digest()) }),
    };
  });
  const manifest = parseManifest(Buffer.concat(pieces).toString('utf8'), backup);
  return { ...reportOf(manifest, problemsOf(manifest, found)), sealed: true };
}

async function keyProblems(folder: string, { fingerprint }: Manifest): Promise<readonly string[]> {
  const problems: string[] = [];
  try {
    if (inspectKeys(folder).fingerprint !== fingerprint) problems.push('identity.pem is of another server.');
    await openOpaqueSetup(join(folder, dataFiles.opaque));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : 'A key file cannot be read.');
  }
  return problems;
}

function reportOf(manifest: Manifest, problems: readonly string[]): BackupReport {
  const { madeAt, fingerprint, accounts, rows } = manifest;
  const sizes = Object.values(manifest.files).map(({ bytes }) => bytes);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { sealed: false, problems, madeAt, fingerprint, accounts, rows, files: sizes.length, bytes };
}
