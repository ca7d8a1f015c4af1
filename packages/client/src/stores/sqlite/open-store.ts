/**
 * A store comes to be, or is unlocked: by the password, at the cost of one Argon2id, or by the recovery words
 * (docs/protocol/local-store.md).
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Entropy } from '@securechat/crypto';
import { systemEntropy, wipe } from '@securechat/crypto';
import { SecureChatError } from '@securechat/wire';
import type { StoreChange } from '../port.ts';
import type { DatabaseSync } from './database.ts';
import { openDatabase, profileError } from './database.ts';
import type { KeysFile, Secrets } from './keys-file.ts';
import { readKeysFile, unwrapByPassword, unwrapByRecovery, wrapStoreKey } from './keys-file.ts';
import { makePrivateFolder } from './private-file.ts';
import { proofKeyOf, STORE_KEY_BYTES } from './record-cipher.ts';
import { isEmptyStore, migrate } from './schema.ts';
import type { SqliteStore } from './store.ts';
import { Store } from './store.ts';
import { STORE_FILE } from './store-file.ts';

/** The unwrapped key of a store that is not open yet: enough to ask its present holder for it (lock.ts). */
export interface UnlockedKeys {
  readonly proofKey: Uint8Array;
  /**
   * Opens the store, once; the keys here are wiped then. PROFILE_DAMAGED, PROFILE_LOCKED, SCHEMA_NEWER, PROFILE_UNWRITABLE:
   * nothing is open, and it may be tried again.
   */
  open(): Promise<SqliteStore>;
  /** For who does not open it after all. Does not concern a store that was opened. */
  wipe(): void;
}

/** True when a store was completely created here. */
export function hasStore(directory: string): boolean {
  return readKeysFile(directory) !== undefined;
}

/** The key of a store that is to be created. Whoever does not use it wipes `storeKey`. */
export interface NewStoreKey {
  readonly storeKey: Uint8Array;
  readonly keys: KeysFile;
}

/** Takes as long as one Argon2id, on another thread: it may begin before everything else that a store needs is there. */
export async function drawStoreKey(secrets: Secrets, entropy: Entropy = systemEntropy): Promise<NewStoreKey> {
  const storeKey = entropy(STORE_KEY_BYTES);
  return { storeKey, keys: await wrapStoreKey(storeKey, secrets, entropy) };
}

/**
 * A new store whose first commit is `initial`. It exists from the moment its key file does, which is last: a crash
 * before leaves nothing that counts. ALREADY_LOGGED_IN when there is a store, PROFILE_UNWRITABLE.
 */
export async function createStore(options: {
  readonly directory: string;
  readonly key: NewStoreKey;
  readonly initial: readonly StoreChange[];
  readonly entropy?: Entropy;
}): Promise<SqliteStore> {
  const { directory, key, entropy = systemEntropy } = options;
  makePrivateFolder(directory);
  if (hasStore(directory))
    throw new SecureChatError('ALREADY_LOGGED_IN', { text: 'This account has a profile here already.' });
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(join(directory, STORE_FILE + suffix), { force: true });
  const database = openStoreFile(directory);
  const store = new Store({ ...key, directory, database, entropy });
  try {
    await store.commit(options.initial);
    store.countOpening();
    return store;
  } catch (cause) {
    await store.close();
    throw profileError(cause);
  }
}

/** AUTH_FAILED for a wrong password, PROFILE_DAMAGED when there is nothing to unlock. Takes as long as one Argon2id. */
export async function unlockKeys(options: {
  readonly directory: string;
  readonly password: string;
  readonly entropy?: Entropy;
}): Promise<UnlockedKeys> {
  const keys = requireKeys(options.directory);
  const storeKey = await unwrapByPassword(keys, options.password);
  if (storeKey === undefined) throw new SecureChatError('AUTH_FAILED', { text: 'Wrong password.' });
  return unlocked(options.directory, storeKey, options.entropy);
}

/** RECOVERY_WORDS_WRONG for other words, PROFILE_DAMAGED when there is nothing to unlock. */
export async function unlockKeysWithRecovery(options: {
  readonly directory: string;
  readonly recoveryEntropy: Uint8Array;
  readonly entropy?: Entropy;
}): Promise<UnlockedKeys> {
  const keys = requireKeys(options.directory);
  const storeKey = unwrapByRecovery(keys, options.recoveryEntropy);
  if (storeKey === undefined) throw new SecureChatError('RECOVERY_WORDS_WRONG');
  return unlocked(options.directory, storeKey, options.entropy);
}

function requireKeys(directory: string): KeysFile {
  const keys = readKeysFile(directory);
  if (keys === undefined)
    throw new SecureChatError('PROFILE_DAMAGED', { text: 'keys.json of the local profile is missing.' });
  return keys;
}

function unlocked(directory: string, storeKey: Uint8Array, entropy: Entropy = systemEntropy): UnlockedKeys {
  const proofKey = proofKeyOf(storeKey);
  return {
    proofKey,
    wipe: () => wipe(storeKey, proofKey),
    async open() {
      if (!existsSync(join(directory, STORE_FILE)))
        throw new SecureChatError('PROFILE_DAMAGED', { text: 'store.db of the local profile is missing.' });
      // Read again: the holder before us counted its opening, and may have changed the password.
      const keys = requireKeys(directory);
      const database = openStoreFile(directory, 'existing');
      const store = new Store({ directory, database, storeKey: Uint8Array.from(storeKey), keys, entropy });
      try {
        store.checkOpenings();
        store.countOpening();
        wipe(storeKey, proofKey);
        return store;
      } catch (cause) {
        await store.close();
        throw profileError(cause);
      }
    },
  };
}

function openStoreFile(directory: string, expected?: 'existing'): DatabaseSync {
  const database = openDatabase(join(directory, STORE_FILE));
  try {
    // Exclusive: no shared-memory file beside it, and nobody else reads or writes while we do.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec('PRAGMA fullfsync = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY');
    database.exec('PRAGMA wal_autocheckpoint = 256; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
    if (expected === 'existing' && isEmptyStore(database))
      throw new SecureChatError('PROFILE_DAMAGED', { text: 'store.db of the local profile is empty.' });
    migrate(database);
    return database;
  } catch (cause) {
    database.close();
    throw profileError(cause);
  }
}
