/**
 * Backups of a data folder: taken while a server runs, verified, put back.
 *
 *     BACKUP/  manifest.json        what belongs to it: format, time, schema, fingerprint, {file: {bytes, sha256}}
 *              securechat.db        a copy of the database, one file
 *              identity.pem, opaque.setup, slot.key
 *              blobs/…              files under way that were complete
 *
 * The sealing key is not in it: it would open recorded first flights, and a server makes another one.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { hasher } from '@securechat/crypto';
import type { BlobId } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import { decodeRecord } from './core/records.ts';
import { dataFiles, refuseOthers } from './data-folder.ts';
import { inspectKeys } from './keys.ts';
import { openOpaqueSetup } from './opaque/index.ts';
import { StartError } from './start-error.ts';
import type { DatabaseState } from './stores/sqlite/index.ts';
import { copyDatabase, DATABASE_FILE, inspectDatabase, makeServable } from './stores/sqlite/index.ts';

const MANIFEST = 'manifest.json';
const FORMAT = 1;
const keyFiles = [dataFiles.identity, dataFiles.opaque, dataFiles.slot] as const;

interface FileEntry {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

interface Manifest {
  readonly format: typeof FORMAT;
  /** ISO 8601, by the clock of that machine. */
  readonly madeAt: string;
  readonly schema: number;
  readonly fingerprint: string;
  readonly files: Readonly<Record<string, FileEntry>>;
}

export interface BackupReport {
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

/**
 * Copies the data folder `data` to the new folder `into`, while a server may run on it, and verifies the copy. It appears
 * whole or not at all. StartError in one sentence.
 */
export async function makeBackup(data: string, into: string, nowMs: number): Promise<BackupReport> {
  if (!existsSync(join(data, DATABASE_FILE))) throw new StartError(2, `There is no server in the data folder ${data}.`);
  const target = resolve(into);
  refuseFilled(target);
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    makeFolder(partial);
    for (const name of keyFiles) copyPrivate(join(data, name), join(partial, name));
    await copyDatabase(data, partial);
    const state = inspectDatabase(join(partial, DATABASE_FILE));
    copyBlobs(state, join(data, dataFiles.blobs), join(partial, dataFiles.blobs));
    const files = Object.fromEntries(filesIn(partial).map((name) => [name, entryOf(join(partial, name))]));
    const { fingerprint } = inspectKeys(partial);
    const madeAt = new Date(nowMs).toISOString();
    const manifest: Manifest = { format: FORMAT, madeAt, schema: state.schema, fingerprint, files };
    writeFileSync(join(partial, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
    const report = await verifyBackup(partial);
    if (report.problems.length > 0) throw new StartError(2, `The backup is not sound: ${report.problems.join(' ')}`);
    appear(partial, target);
    return report;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw asSentence(error, `The backup ${target} cannot be made`);
  }
}

/** Reads all of it: sizes, hashes, database, keys. StartError when there is no backup that can be judged. */
export async function verifyBackup(backup: string): Promise<BackupReport> {
  const manifest = readManifest(backup);
  const problems: string[] = [];
  for (const [name, entry] of Object.entries(manifest.files)) {
    const path = join(backup, name);
    if (!existsSync(path)) problems.push(`${name} is missing.`);
    else if (entryOf(path).sha256 !== entry.sha256) problems.push(`${name} was changed.`);
  }
  for (const name of filesIn(backup))
    if (!Object.hasOwn(manifest.files, name) && name !== MANIFEST) problems.push(`${name} does not belong to it.`);
  for (const name of [DATABASE_FILE, ...keyFiles])
    if (!Object.hasOwn(manifest.files, name)) problems.push(`${name} is not in the manifest.`);
  let state: Pick<DatabaseState, 'accounts' | 'rows'> = { accounts: 0, rows: 0 };
  if (problems.length === 0) {
    const inspected = inspectDatabase(join(backup, DATABASE_FILE));
    state = inspected;
    problems.push(...inspected.problems, ...(await keyProblems(backup, manifest.fingerprint)));
  }
  const sizes = Object.values(manifest.files).map(({ bytes }) => bytes);
  return {
    problems,
    madeAt: manifest.madeAt,
    fingerprint: manifest.fingerprint,
    accounts: state.accounts,
    rows: state.rows,
    files: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

/**
 * Puts a verified backup into the data folder `data`, which must be new or empty. The server that starts there has
 * another history of mailbox numbers, so that every client notices; invites, resumptions and one-time key packages of
 * the backup are gone, because they may have been used since. StartError.
 */
export async function restoreBackup(backup: string, data: string): Promise<BackupReport> {
  const report = await verifyBackup(backup);
  if (report.problems.length > 0)
    throw new StartError(2, `The backup ${backup} is not put back: ${report.problems.join(' ')}`);
  const target = resolve(data);
  refuseFilled(target);
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    makeFolder(partial);
    for (const name of filesIn(backup)) if (name !== MANIFEST) copyPrivate(join(backup, name), join(partial, name));
    makeServable(join(partial, DATABASE_FILE));
    appear(partial, target);
    return report;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw asSentence(error, `The backup cannot be put back to ${target}`);
  }
}

/** Only what the copied database calls complete: those files do not change any more. One that expired meanwhile is not there. */
function copyBlobs(state: DatabaseState, from: string, into: string): void {
  makeFolder(into);
  for (const record of state.blobs) {
    if (decodeRecord('blob', record)?.value.finished !== true) continue;
    const name = Buffer.from(idBytes(record.key as BlobId)).toString('hex');
    if (existsSync(join(from, name))) copyPrivate(join(from, name), join(into, name));
  }
}

async function keyProblems(folder: string, fingerprint: string): Promise<readonly string[]> {
  const problems: string[] = [];
  try {
    if (inspectKeys(folder).fingerprint !== fingerprint) problems.push('identity.pem is of another server.');
    await openOpaqueSetup(join(folder, dataFiles.opaque));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : 'A key file cannot be read.');
  }
  return problems;
}

function readManifest(backup: string): Manifest {
  const path = join(backup, MANIFEST);
  if (!existsSync(path)) throw new StartError(2, `There is no backup in ${backup}.`);
  refuseOthers(backup, 'backup');
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8')) as Partial<Manifest>;
  } catch (cause) {
    throw new StartError(2, `The manifest of the backup ${backup} is damaged.`, { cause });
  }
  if (typeof manifest.format === 'number' && manifest.format > FORMAT)
    throw new StartError(2, `The backup ${backup} was made by a newer SecureChat; update this one.`);
  const { format, madeAt, schema, fingerprint, files } = manifest;
  const whole = format === FORMAT && typeof files === 'object' && files !== null && typeof schema === 'number';
  // Names lead nowhere else: what is read and copied lies in the backup.
  const names = whole ? Object.keys(files) : [];
  if (!whole || !names.every((name) => /^(blobs\/)?[\w-]+(\.\w+)?$/.test(name)))
    throw new StartError(2, `The manifest of the backup ${backup} is damaged.`);
  return { format: FORMAT, madeAt: String(madeAt), schema, fingerprint: String(fingerprint), files };
}

/** Names of all files, those in `blobs/` with it in front. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? readdirSync(join(folder, entry.name)).map((name) => `${entry.name}/${name}`) : [entry.name],
  );
}

function entryOf(path: string): FileEntry {
  const hash = hasher('sha256');
  const file = openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(1024 * 1024);
    let bytes = 0;
    for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) {
      hash.update(piece.subarray(0, read));
      bytes += read;
    }
    return { bytes, sha256: Buffer.from(hash.digest()).toString('hex') };
  } finally {
    closeSync(file);
  }
}

function copyPrivate(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  writeFileSync(to, '', { mode: 0o600 });
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  sync(to);
}

function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  refuseOthers(path, 'folder');
}

/** What is there already is never written over. */
function refuseFilled(path: string): void {
  if (existsSync(path) && (!statSync(path).isDirectory() || readdirSync(path).length > 0))
    throw new StartError(2, `${path} is there already and not empty; name a new folder.`);
}

/** Under its name only when all of it is on the disk. */
function appear(partial: string, target: string): void {
  if (existsSync(join(partial, dataFiles.blobs))) sync(join(partial, dataFiles.blobs));
  sync(partial);
  // Windows does not rename over an empty folder.
  if (existsSync(target)) rmdirSync(target);
  renameSync(partial, target);
  sync(dirname(target));
}

function sync(path: string): void {
  if (process.platform === 'win32' && statSync(path).isDirectory()) return;
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function asSentence(error: unknown, what: string): StartError {
  if (error instanceof StartError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  return new StartError(2, `${what}${typeof code === 'string' ? ` (${code})` : ''}.`, { cause: error });
}
