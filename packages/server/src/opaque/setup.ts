/** The setup secret of OPAQUE, in a file of its own (0600), apart from the database: one stolen without the other is no use. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { createSetup, opaqueReady, staticPublicKey } from './protocol.ts';

/**
 * Reads the setup, or makes it where there is none: durable before it is used, because losing it makes every password
 * record useless. Throws an Error in one sentence when the file is open to others or no setup.
 */
export async function openOpaqueSetup(path: string): Promise<string> {
  await opaqueReady;
  if (!existsSync(path)) writeSetup(path, createSetup());
  else if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new Error(`The key file ${path} is open to other users of this machine; make it 600.`);
  const setup = readFileSync(path, 'utf8').trim();
  try {
    staticPublicKey(setup);
    return setup;
  } catch (cause) {
    throw new Error(`The key file ${path} is damaged; restore it from a copy.`, { cause });
  }
}

function writeSetup(path: string, setup: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, `${setup}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
