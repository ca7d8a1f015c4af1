/** The setup secret of OPAQUE, in a file of its own (0600), apart from the database: one stolen without the other is no use. */
import { existsSync } from 'node:fs';
import { readKeyFile, writeKeyFile } from '../key-file.ts';
import { StartError } from '../start-error.ts';
import { createSetup, opaqueReady, staticPublicKey } from './protocol.ts';

/**
 * Reads the setup, or makes it where there is none: durable before it is used, because losing it makes every password
 * record useless. StartError in one sentence when the file is open to others or no setup.
 */
export async function openOpaqueSetup(path: string): Promise<string> {
  await opaqueReady;
  if (!existsSync(path)) writeKeyFile(path, `${createSetup()}\n`);
  const setup = readKeyFile(path).trim();
  try {
    staticPublicKey(setup);
    return setup;
  } catch (cause) {
    throw new StartError(2, `The key file ${path} is damaged; restore it from a copy.`, { cause });
  }
}
