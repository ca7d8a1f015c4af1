/** What belongs to a backup: the one list that its files are held against. */
import { closeSync, openSync, readSync } from 'node:fs';
import { hasher } from '@securechat/crypto';
import { dataFiles } from '../data-folder.ts';
import { StartError } from '../start-error.ts';
import { DATABASE_FILE } from '../stores/sqlite/index.ts';

export const MANIFEST = 'manifest.json';
export const MANIFEST_FORMAT = 1;
export const keyFiles = [dataFiles.identity, dataFiles.opaque, dataFiles.slot] as const;

export interface FileEntry {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  /** ISO 8601, by the clock of that machine. */
  readonly madeAt: string;
  readonly schema: number;
  readonly fingerprint: string;
  readonly accounts: number;
  /** Undelivered rows. */
  readonly rows: number;
  readonly files: Readonly<Record<string, FileEntry>>;
}

/** Sentences; none where exactly these files are there. */
export function problemsOf(manifest: Manifest, found: ReadonlyMap<string, FileEntry>): string[] {
  const problems: string[] = [];
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const file = found.get(name);
    if (file === undefined) problems.push(`${name} is missing.`);
    else if (file.sha256 !== sha256) problems.push(`${name} was changed.`);
  }
  for (const name of found.keys())
    if (!Object.hasOwn(manifest.files, name) && name !== MANIFEST) problems.push(`${name} does not belong to it.`);
  for (const name of [DATABASE_FILE, ...keyFiles])
    if (!Object.hasOwn(manifest.files, name)) problems.push(`${name} is not in the manifest.`);
  return problems;
}

/** StartError in one sentence about `backup`. */
export function parseManifest(text: string, backup: string): Manifest {
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(text) as Partial<Manifest>;
  } catch (cause) {
    throw new StartError(2, `The manifest of the backup ${backup} is damaged.`, { cause });
  }
  if (typeof manifest.format === 'number' && manifest.format > MANIFEST_FORMAT)
    throw new StartError(2, `The backup ${backup} was made by a newer SecureChat; update this one.`);
  const { format, madeAt, schema, fingerprint, accounts = 0, rows = 0, files } = manifest;
  const whole = format === MANIFEST_FORMAT && typeof files === 'object' && files !== null && typeof schema === 'number';
  if (!whole || !Object.keys(files).every(isBackupName))
    throw new StartError(2, `The manifest of the backup ${backup} is damaged.`);
  const [madeAtText, fingerprintText] = [String(madeAt), String(fingerprint)];
  return { format, madeAt: madeAtText, schema, fingerprint: fingerprintText, accounts, rows, files };
}

/** Names lead nowhere else: what is read and written lies in the backup. */
export function isBackupName(name: string): boolean {
  return /^(blobs\/)?[\w-]+(\.\w+)?$/.test(name);
}

export function entryOf(path: string): FileEntry {
  const hash = hasher('sha256');
  const file = openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(1024 * 1024);
    let bytes = 0;
    for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) {
      hash.update(piece.subarray(0, read));
      bytes += read;
    }
    return { bytes, sha256: hex(hash.digest()) };
  } finally {
    closeSync(file);
  }
}

export function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}
