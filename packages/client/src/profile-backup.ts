/**
 * Copies of a profile: every account's store and wrapped key, the pins of servers and the server used last. Without a password: what is copied
 * is ciphertext, and stays it.
 *
 * A copy that is put back is older than what the server knows. The client notices at its next attach
 * (STATE_ROLLED_BACK, docs/protocol/delivery.md) and goes on in new groups; what came since is shown as missing.
 */
import { existsSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SecureChatError } from '@securechat/wire';
import { openAccountLock } from './lock.ts';
import { makeFolders } from './make-folders.ts';
import { profileError } from './stores/sqlite/database.ts';
import { KEYS_FILE } from './stores/sqlite/keys-file.ts';
import { makePrivateFolder, readPrivateFile, syncFolder, writePrivateFile } from './stores/sqlite/private-file.ts';
import { copyStoreFile, STORE_FILE, storeFileProblems } from './stores/sqlite/store-file.ts';
import { hasStore } from './stores/sqlite/open-store.ts';

const ACCOUNTS = 'accounts';
/** Pins of servers, and the one that was used last, so that nobody has to name it again. */
const BESIDE = ['servers.json', 'last-server'];

export interface ProfileCopy {
  readonly accounts: number;
}

/**
 * Copies the profile to the new folder `into`. USAGE when there is nothing to copy or something in the way,
 * PROFILE_LOCKED while an account of it is open, PROFILE_DAMAGED for a store that is not sound.
 */
export async function backUpProfile(profileDirectory: string, into: string): Promise<ProfileCopy> {
  if (accountsIn(profileDirectory).length === 0)
    throw new SecureChatError('USAGE', { text: `There is no account in the profile ${profileDirectory}.` });
  return copyProfile(profileDirectory, into, locked);
}

/** Puts a backup into `profileDirectory`, which must be new or empty. The same errors. */
export async function restoreProfile(backup: string, profileDirectory: string): Promise<ProfileCopy> {
  if (accountsIn(backup).length === 0)
    throw new SecureChatError('USAGE', { text: `There is no backup of a profile in ${backup}.` });
  // Nobody works in a backup, and it may lie on a medium that cannot be written.
  return copyProfile(backup, profileDirectory, (_folder, copy) => copy());
}

/** Sentences about a backup; none for one that can be put back. */
export function verifyProfile(backup: string): { readonly problems: readonly string[]; readonly accounts: number } {
  const accounts = accountsIn(backup);
  const problems = accounts.flatMap((name) => storeFileProblems(join(backup, ACCOUNTS, name)));
  return { problems: accounts.length === 0 ? ['There is no account in it.'] : problems, accounts: accounts.length };
}

type Holding = (folder: string, copy: () => Promise<void>) => Promise<void>;

async function copyProfile(from: string, into: string, holding: Holding): Promise<ProfileCopy> {
  const target = resolve(into);
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new SecureChatError('USAGE', { text: `${target} is there already and not empty; name a new folder.` });
  const partial = `${target}.partial`;
  try {
    rmSync(partial, { recursive: true, force: true });
    makeFolders(dirname(target), 0o700);
    makePrivateFolder(partial);
    makePrivateFolder(join(partial, ACCOUNTS));
    const accounts = accountsIn(from);
    for (const name of accounts) {
      const source = join(from, ACCOUNTS, name);
      await holding(source, () => copyAccount(source, join(partial, ACCOUNTS, name)));
    }
    syncFolder(join(partial, ACCOUNTS));
    for (const name of BESIDE) if (existsSync(join(from, name))) copyPrivate(join(from, name), join(partial, name));
    syncFolder(partial);
    // Windows does not rename over an empty folder.
    if (existsSync(target)) rmdirSync(target);
    renameSync(partial, target);
    syncFolder(dirname(target));
    return { accounts: accounts.length };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw profileError(error);
  }
}

/** Under the account's lock: nobody writes meanwhile, and store and key file count the same opening. */
async function locked(folder: string, copy: () => Promise<void>): Promise<void> {
  const lock = openAccountLock(folder);
  if (lock.kind === 'busy')
    throw new SecureChatError('PROFILE_LOCKED', {
      text: `An account of this profile is open in another SecureChat (process ${lock.holder ?? 'unknown'}); end it first.`,
    });
  try {
    await copy();
  } finally {
    await lock.release();
  }
}

async function copyAccount(from: string, to: string): Promise<void> {
  makePrivateFolder(to);
  await copyStoreFile(join(from, STORE_FILE), join(to, STORE_FILE));
  copyPrivate(join(from, KEYS_FILE), join(to, KEYS_FILE));
  const [problem] = storeFileProblems(to);
  if (problem !== undefined) throw new SecureChatError('PROFILE_DAMAGED', { text: problem });
}

function accountsIn(profile: string): readonly string[] {
  const folder = join(profile, ACCOUNTS);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => hasStore(join(folder, name)));
}

function copyPrivate(from: string, to: string): void {
  writePrivateFile(to, readPrivateFile(from) ?? '');
}
