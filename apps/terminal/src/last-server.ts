import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@securechat/client';
import { parseServerAddress } from '@securechat/client/vocabulary';

/**
 * The server a profile was last logged in at, so that only the first call has to name it. Not secret: the profile's pins
 * stand beside it, and hold whatever is written here.
 */
const FILE = 'last-server';

/** undefined where there is none, or none that can be read. */
export function readLastServer(profileDirectory: string): string | undefined {
  try {
    const address = readFileSync(join(profileDirectory, FILE), 'utf8').trim();
    parseServerAddress(address);
    return address;
  } catch {
    return undefined;
  }
}

export function rememberServer(profileDirectory: string, server: string): void {
  if (readLastServer(profileDirectory) === server) return;
  try {
    writeFileSync(join(profileDirectory, FILE), `${server}\n`, { mode: 0o600 });
  } catch {
    // A full disk: the next call has to name the server again.
  }
}

/** For scripts: a mistyped address, at which the account was opened without its server, is not the one to go on with. Never rejects. */
export async function rememberWhereOnline(
  client: Pick<Client, 'status'>,
  { profileDirectory, server }: { readonly profileDirectory: string; readonly server: string },
): Promise<void> {
  const status = await client.status().catch(() => undefined);
  if (status?.connection === 'online') rememberServer(profileDirectory, server);
}
