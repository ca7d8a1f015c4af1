/**
 * Where things lie (docs/protocol/local-store.md). How a program reaches an account that another process has open:
 * forward.ts.
 *
 *     <profile>/                      0700
 *       servers.json, servers.lock    0600   pins of servers (servers-file.ts)
 *       accounts/<folder>/            0700   one account
 *         keys.json                          its wrapped key (stores/sqlite/keys-file.ts)
 *         store.db                           its records
 *         lock.db, sock                      who has it open (lock.ts)
 *
 * <folder> = first 16 bytes of SHA-256 over label, first fingerprint of the server and user name, hexadecimal: one account of
 * one server, whichever address and transport leads there. Names do not stand on the disk, but can be guessed from it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@securechat/crypto';
import type { Fingerprint, ServerAddress } from '@securechat/wire';
import { ByteWriter, normaliseUsername } from '@securechat/wire';
import { firstFingerprint, pinOf } from './servers-file.ts';
import { profileError } from './stores/sqlite/database.ts';
import { KEYS_FILE } from './stores/sqlite/keys-file.ts';
import { makePrivateFolder } from './stores/sqlite/private-file.ts';
import { hasStore } from './stores/sqlite/open-store.ts';

/** The folder of an account; it may not exist. `username` in any spelling that is the same name. NAME_INVALID. */
export function accountFolder(profileDirectory: string, server: Fingerprint, username: string): string {
  const name = new ByteWriter()
    .text16('securechat/account-folder v1')
    .text16(firstFingerprint(profileDirectory, server))
    .text16(normaliseUsername(username))
    .done();
  return join(profileDirectory, 'accounts', Buffer.from(sha256(name).subarray(0, 16)).toString('hex'));
}

/**
 * The folder of this account if a complete store is in it, without any connection; undefined when the server's key is
 * not known yet either. NAME_INVALID, SERVER_KEY_CHANGED, PROFILE_DAMAGED, SCHEMA_NEWER.
 */
export function findAccount(profileDirectory: string, address: ServerAddress, username: string): string | undefined {
  const { fingerprint } = pinOf(profileDirectory, address);
  if (fingerprint === undefined) return undefined;
  const folder = accountFolder(profileDirectory, fingerprint, username);
  return hasStore(folder) ? folder : undefined;
}

/** Makes profile and account folder, 0700 both. PROFILE_UNWRITABLE. */
export function makeAccountFolder(profileDirectory: string, folder: string): void {
  makePrivateFolder(profileDirectory);
  makePrivateFolder(join(profileDirectory, 'accounts'));
  makePrivateFolder(folder);
}

/**
 * Removes an account from this machine. Only while its lock is held and its store closed. keys.json goes first: without
 * it the rest is noise, whatever a crash leaves of it. PROFILE_UNWRITABLE.
 */
export function removeAccountFolder(folder: string): void {
  try {
    rmSync(join(folder, KEYS_FILE), { force: true });
    rmSync(folder, { recursive: true, force: true });
  } catch (cause) {
    throw profileError(cause);
  }
}
