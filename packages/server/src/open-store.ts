/** Opens the embedded store of a data folder; what goes wrong is one sentence for the operator. */
import type { SqliteStoreOptions } from './stores/sqlite/index.ts';
import { openSqliteStore } from './stores/sqlite/index.ts';
import type { Store } from './stores/port.ts';
import { StoreError } from './stores/port.ts';
import { StartError } from './start-error.ts';

const sentences: Readonly<Record<StoreError['code'], (folder: string) => string>> = {
  'in-use': (folder) => `The data folder ${folder} is in use by another SecureChat server.`,
  'schema-newer': (folder) => `The data folder ${folder} was written by a newer SecureChat; update this one.`,
  corrupt: (folder) => `The database in ${folder} is damaged; put back a copy of the data folder.`,
  full: (folder) => `The disk that holds ${folder} is full; make room and start again.`,
  unavailable: (folder) => `The database in ${folder} cannot be opened; check permissions and the disk.`,
  invalid: (folder) => `The database in ${folder} cannot be opened; check permissions and the disk.`,
  closed: (folder) => `The database in ${folder} was closed while it was opened.`,
};

/** StartError with exit code 2. */
export async function openStore(options: SqliteStoreOptions): Promise<Store> {
  try {
    return await openSqliteStore(options);
  } catch (cause) {
    throw startErrorOf(cause, options.directory);
  }
}

/** What the store refuses before the server is ready, as a sentence; anything else as it is. */
export function startErrorOf(cause: unknown, folder: string): unknown {
  return cause instanceof StoreError ? new StartError(2, sentences[cause.code](folder), { cause }) : cause;
}
