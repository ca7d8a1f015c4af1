/** An account's folder, locked, and its store, unlocked: what a login holds until the logout. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mlsEngine } from '@securechat/e2ee';
import { SecureChatError } from '@securechat/wire';
import type { AccountRecord } from '../../core/record-account.ts';
import type { HeldLock } from '../../lock.ts';
import { openAccountLock } from '../../lock.ts';
import { makeAccountFolder, removeAccountFolder } from '../../profile.ts';
import { profileError } from '../../stores/sqlite/database.ts';
import type { NewStoreKey } from '../../stores/sqlite/open-store.ts';
import type { SqliteStore } from '../../stores/sqlite/store.ts';
import { createStore, hasStore, unlockKeys } from '../../stores/sqlite/open-store.ts';
import { initialChanges, Ledger } from '../ledger/ledger.ts';

export interface OpenProfile {
  readonly folder: string;
  readonly lock: HeldLock;
  readonly store: SqliteStore;
  readonly ledger: Ledger;
}

/** Left in the folder while a registration is under way: what is there is not yet an account. */
const REGISTERING = 'registering';

/**
 * Locks the folder, which holds no account afterwards: what a registration left unfinished is removed. PROFILE_LOCKED,
 * ALREADY_LOGGED_IN when an account is in it, PROFILE_UNWRITABLE.
 */
export function claimFolder(profileDirectory: string, folder: string): HeldLock {
  makeAccountFolder(profileDirectory, folder);
  if (hasStore(folder)) {
    if (!isRegistering(folder))
      throw new SecureChatError('ALREADY_LOGGED_IN', { text: 'This account has a profile here already: log in.' });
    const lock = hold(folder);
    void lock.release();
    removeAccountFolder(folder);
    makeAccountFolder(profileDirectory, folder);
  }
  return hold(folder);
}

/** Creates the store around the account's keys. `registering`: until `finishRegistering`. */
export async function createProfile(options: {
  readonly folder: string;
  readonly lock: HeldLock;
  readonly key: NewStoreKey;
  readonly account: AccountRecord;
}): Promise<OpenProfile> {
  const { folder, lock, key, account } = options;
  if (account.stage === 'registering') mark(folder);
  const initial = initialChanges(account);
  const store = await createStore({ directory: folder, key, initial });
  return { folder, lock, store, ledger: await Ledger.open(store, mlsEngine) };
}

/**
 * Unlocks an existing profile. A process that has it open is asked to end its session with `takeOver`, and waited for some
 * seconds without. AUTH_FAILED, PROFILE_LOCKED, PROFILE_DAMAGED, SCHEMA_NEWER.
 */
export async function unlockProfile(
  folder: string,
  password: string,
  { takeOver }: { readonly takeOver: boolean },
): Promise<OpenProfile> {
  const keys = await unlockKeys({ directory: folder, password });
  let lock: HeldLock | undefined;
  try {
    const found = openAccountLock(folder);
    if (found.kind === 'held') lock = found;
    else lock = takeOver ? await found.takeOver(keys.proofKey) : await found.released();
    const store = await keys.open();
    try {
      return { folder, lock, store, ledger: await Ledger.open(store, mlsEngine) };
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    keys.wipe();
    await lock?.release();
    throw error;
  }
}

export async function closeProfile({ store, lock, ledger }: OpenProfile): Promise<void> {
  await store.close();
  ledger.wipe();
  await lock.release();
}

/** Closes and removes it. */
export async function discardProfile(profile: OpenProfile): Promise<void> {
  await closeProfile(profile);
  removeAccountFolder(profile.folder);
}

export function isRegistering(folder: string): boolean {
  return existsSync(join(folder, REGISTERING));
}

export function finishRegistering(folder: string): void {
  rmSync(join(folder, REGISTERING), { force: true });
}

function mark(folder: string): void {
  try {
    writeFileSync(join(folder, REGISTERING), '', { mode: 0o600 });
  } catch (cause) {
    throw profileError(cause);
  }
}

function hold(folder: string): HeldLock {
  const lock = openAccountLock(folder);
  if (lock.kind === 'busy') throw new SecureChatError('PROFILE_LOCKED');
  return lock;
}
