/** How a data folder is, with or without a server on it. Looks and changes nothing. */
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { x509NotAfterMs } from '@securechat/crypto';
import type { Limits } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import type { BlobId } from '@securechat/wire';
import { decodeRecord } from './core/records.ts';
import { dataFiles } from './data-folder.ts';
import { inspectKeys, inspectSealing } from './keys.ts';
import { openOpaqueSetup } from './opaque/index.ts';
import { DATABASE_FILE, inspectDatabase } from './stores/sqlite/index.ts';

export interface Finding {
  /** `ok`: as it should be. `note`: good to know. `finding`: something to be done. */
  readonly level: 'ok' | 'note' | 'finding';
  readonly text: string;
  readonly todo?: string;
}

const LOG_BYTES_MAX = 128 * 1024 * 1024;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner is said. */
const CERTIFICATE_DAYS = 14;
const HOUR_MS = 3_600_000;

export async function examineServer(options: {
  readonly data: string;
  readonly limits: Limits;
  readonly tlsCertFile: string | undefined;
  readonly nowMs: number;
}): Promise<readonly Finding[]> {
  const { data, limits, tlsCertFile, nowMs } = options;
  if (!existsSync(join(data, DATABASE_FILE)))
    return [finding(`There is no server in ${data}.`, 'Name its folder with --data, or start one.')];
  const running = await isListening(join(data, dataFiles.adminSocket));
  return [
    running ? ok('A server runs on it.') : note('No server runs on it.'),
    ...modes(data),
    ...clock(data, nowMs),
    ...(await keys(data, nowMs)),
    ...database(data),
    ...space(data, limits),
    ...(tlsCertFile === undefined ? [] : certificate(tlsCertFile, nowMs)),
  ];
}

function* modes(data: string): Generator<Finding> {
  if (process.platform === 'win32') return;
  const paths = [data, ...readdirSync(data).map((name) => join(data, name))];
  const open = paths.filter((path) => (statSync(path).mode & 0o077) !== 0);
  for (const path of open) yield finding(`${path} is open to other users of this machine.`, `chmod go= '${path}'`);
  if (open.length === 0) yield ok('Its files are for their owner alone.');
}

/** The folder remembers a time: nothing in it can have been written later than now. */
function* clock(data: string, nowMs: number): Generator<Finding> {
  const newestMs = Math.max(...readdirSync(data).map((name) => statSync(join(data, name)).mtimeMs));
  if (newestMs > nowMs + HOUR_MS)
    yield finding(`The clock is behind: files were written at ${new Date(newestMs).toISOString()}.`, 'Set the clock.');
  else yield ok('The clock is not behind what was written.');
}

async function keys(data: string, nowMs: number): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const attempt = async (work: () => Finding | Promise<Finding>, todo: string): Promise<void> => {
    try {
      found.push(await work());
    } catch (error) {
      found.push(finding(error instanceof Error ? error.message : 'A key file cannot be used.', todo));
    }
  };
  const putBack = 'Put back the file from a backup.';
  await attempt(() => ok(`Identity and slot key are readable; fingerprint ${inspectKeys(data).fingerprint}.`), putBack);
  const setup = join(data, dataFiles.opaque);
  await attempt(async () => {
    if (!existsSync(setup)) return finding('opaque.setup is missing: no password can be checked.', putBack);
    await openOpaqueSetup(setup);
    return ok('opaque.setup is readable.');
  }, putBack);
  await attempt(async () => {
    const sealing = await inspectSealing(data);
    if (sealing === undefined) return note('The sealing key is made at the next start.');
    const days = Math.floor((sealing.notAfterMs - nowMs) / DAY_MS);
    return days < 0
      ? note('The sealing key has expired; the next start renews it.')
      : ok(`The sealing key holds for ${days} more days, and is renewed before that.`);
  }, 'Move sealing.pem away; the next start makes another one.');
  return found;
}

function* database(data: string): Generator<Finding> {
  try {
    const { problems, schema, accounts, devices, rows, blobs } = inspectDatabase(join(data, DATABASE_FILE));
    for (const text of problems) yield finding(text, 'Stop the server and put back a backup: securechat restore.');
    if (problems.length > 0) return;
    yield ok(
      `The database is sound: schema ${schema}, ${accounts} accounts, ${devices} devices, ${rows} undelivered rows.`,
    );
    const complete = blobs.filter((record) => decodeRecord('blob', record)?.value.finished === true);
    const missing = complete.filter(({ key }) => {
      const name = Buffer.from(idBytes(key as BlobId)).toString('hex');
      return !existsSync(join(data, dataFiles.blobs, name));
    });
    if (missing.length > 0)
      yield finding(`${missing.length} files under way are gone.`, 'Their senders have to offer them again.');
    else yield ok(`${complete.length} files under way are there.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    yield finding(`The database cannot be read (${why}).`, 'Check permissions and the disk.');
  }
  const log = join(data, `${DATABASE_FILE}-wal`);
  const bytes = existsSync(log) ? statSync(log).size : 0;
  if (bytes > LOG_BYTES_MAX)
    yield finding(`The write-ahead log has ${Math.floor(bytes / 1e6)} MB.`, 'Restart the server, which empties it.');
  else yield ok(`The write-ahead log has ${Math.floor(bytes / 1e6)} MB.`);
}

function* space(data: string, limits: Limits): Generator<Finding> {
  const { bavail, bsize } = statfsSync(data);
  const free = bavail * bsize;
  const text = `${Math.floor(free / 1e6)} MB are free on its disk.`;
  if (free < limits.diskFreeBytesMin)
    yield finding(text, 'Make room: files are refused below diskFreeBytesMin, messages on a full disk.');
  else yield ok(text);
  if (existsSync(join(data, 'ballast'))) return;
  // As in a folder that was put back from a backup, and not started since.
  if (!existsSync(join(data, dataFiles.sealing))) yield note('The ballast is laid at the next start.');
  else yield finding('The ballast is gone: the disk was full.', 'Make room; the server lays it again by itself.');
}

function* certificate(path: string, nowMs: number): Generator<Finding> {
  try {
    const days = Math.floor((x509NotAfterMs(readFileSync(path, 'utf8')) - nowMs) / DAY_MS);
    const text = days < 0 ? 'The TLS certificate has expired.' : `The TLS certificate holds for ${days} more days.`;
    yield days < CERTIFICATE_DAYS ? finding(text, 'Renew it and restart the server.') : ok(text);
  } catch {
    yield finding(`The TLS certificate ${path} cannot be read.`, 'Check --tls-cert.');
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.on('connect', () => answer(true)).on('error', () => answer(false));
  });
}

function ok(text: string): Finding {
  return { level: 'ok', text };
}
function note(text: string): Finding {
  return { level: 'note', text };
}
function finding(text: string, todo: string): Finding {
  return { level: 'finding', text, todo };
}
