/** The schema step of an update, without a server: so that it can be tried, and timed, before anybody waits for it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defaultLimits } from '@securechat/wire';
import { prepareDataFolder } from './data-folder.ts';
import { openStore, startErrorOf } from './open-store.ts';
import { StartError } from './start-error.ts';
import { DATABASE_FILE, inspectDatabase } from './stores/sqlite/index.ts';

/**
 * Brings the database of a data folder to this program's schema. Each step is atomic; a failure leaves the step before.
 * StartError with exit code 2: no server there, in use, written by a newer program, damaged, full.
 */
export async function migrateData(data: string): Promise<{ readonly from: number; readonly to: number }> {
  const file = join(data, DATABASE_FILE);
  if (!existsSync(file))
    throw new StartError(2, `There is no server in the data folder ${data}. Name its folder with --data.`);
  prepareDataFolder(data);
  const from = schemaOf(file, data);
  const store = await openStore({ directory: data, limits: defaultLimits, onFatal: () => undefined });
  await store.close();
  return { from, to: schemaOf(file, data) };
}

function schemaOf(file: string, data: string): number {
  try {
    return inspectDatabase(file).schema;
  } catch (cause) {
    throw startErrorOf(cause, data);
  }
}
