/**
 * Backups of a data folder, taken while a server runs.
 *
 *     BACKUP/  manifest.json        what belongs to it: format, time, schema, fingerprint, {file: {bytes, sha256}}
 *              securechat.db        a copy of the database, one file
 *              identity.pem, opaque.setup, slot.key
 *              blobs/…              files under way that were complete
 *
 * The sealing key is not in it: it would open recorded first flights, and a server makes another one. Under a pass phrase
 * all of it is one file (sealed-file.ts), and what goes into that is never in the clear outside of the data folder.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BlobId } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import { decodeRecord } from '../core/records.ts';
import { dataFiles } from '../data-folder.ts';
import { inspectKeys } from '../keys.ts';
import { StartError } from '../start-error.ts';
import type { DatabaseState } from '../stores/sqlite/index.ts';
import { copyDatabase, DATABASE_FILE, inspectDatabase } from '../stores/sqlite/index.ts';
import type { Manifest } from './manifest.ts';
import { entryOf, keyFiles, MANIFEST, MANIFEST_FORMAT } from './manifest.ts';
import { appear, asSentence, copyPrivate, filesIn, makePrivateFolder, refuseFilled } from './place.ts';
import { refuseShort, sealFolder } from './sealed-file.ts';
import type { BackupReport } from './verify.ts';
import { verifyFolder } from './verify.ts';

/** In the data folder: what a sealed backup is made of. */
const GATHERING = 'backup.partial';

/**
 * Copies the data folder `data`, while a server may run on it, and verifies the copy: to the new folder `into`, or with a
 * pass phrase to the new file of that name. It appears whole or not at all. StartError in one sentence.
 */
export async function makeBackup(
  data: string,
  into: string,
  { nowMs, passphrase }: { readonly nowMs: number; readonly passphrase?: string },
): Promise<BackupReport> {
  if (!existsSync(join(data, DATABASE_FILE))) throw new StartError(2, `There is no server in the data folder ${data}.`);
  if (passphrase !== undefined) refuseShort(passphrase);
  const target = resolve(into);
  refuseFilled(target);
  const partial = `${target}.partial`;
  const gathering = passphrase === undefined ? partial : join(data, GATHERING);
  const clear = (): void => {
    for (const path of [partial, gathering]) rmSync(path, { recursive: true, force: true });
  };
  clear();
  try {
    await gather(data, gathering, nowMs);
    const report = await verifyFolder(gathering);
    if (report.problems.length > 0) throw new StartError(2, `The backup is not sound: ${report.problems.join(' ')}`);
    if (passphrase !== undefined) await sealFolder(gathering, partial, passphrase);
    appear(partial, target);
    return { ...report, sealed: passphrase !== undefined };
  } catch (error) {
    throw asSentence(error, `The backup ${target} cannot be made`);
  } finally {
    clear();
  }
}

async function gather(data: string, into: string, nowMs: number): Promise<void> {
  makePrivateFolder(into);
  for (const name of keyFiles) copyPrivate(join(data, name), join(into, name));
  await copyDatabase(data, into);
  const state = inspectDatabase(join(into, DATABASE_FILE));
  copyBlobs(state, join(data, dataFiles.blobs), join(into, dataFiles.blobs));
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    madeAt: new Date(nowMs).toISOString(),
    schema: state.schema,
    fingerprint: inspectKeys(into).fingerprint,
    accounts: state.accounts,
    rows: state.rows,
    files: Object.fromEntries(filesIn(into).map((name) => [name, entryOf(join(into, name))])),
  };
  writeFileSync(join(into, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
}

/** Only what the copied database calls complete: those files do not change any more. One that expired meanwhile is not there. */
function copyBlobs(state: DatabaseState, from: string, into: string): void {
  makePrivateFolder(into);
  for (const record of state.blobs) {
    if (decodeRecord('blob', record)?.value.finished !== true) continue;
    const name = Buffer.from(idBytes(record.key as BlobId)).toString('hex');
    if (existsSync(join(from, name))) copyPrivate(join(from, name), join(into, name));
  }
}
