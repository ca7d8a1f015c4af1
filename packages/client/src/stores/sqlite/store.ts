/**
 * The local store of one account on node:sqlite (docs/protocol/local-store.md). One process, one connection; WAL with
 * `synchronous=FULL`, so a commit that resolved survives a power cut; `secure_delete`, so what was replaced is gone.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Entropy } from '@securechat/crypto';
import { systemEntropy, wipe } from '@securechat/crypto';
import { ByteReader, ByteWriter, SecureChatError } from '@securechat/wire';
import type { ClientStore, Collection, StoreChange } from '../port.ts';
import { CommitQueue } from './commit-queue.ts';
import type { DatabaseSync } from './database.ts';
import { openDatabase, profileError } from './database.ts';
import type { KeysFile, Secrets } from './keys-file.ts';
import {
  readKeysFile,
  rewrapByPassword,
  unwrapByPassword,
  unwrapByRecovery,
  wrapStoreKey,
  writeKeysFile,
} from './keys-file.ts';
import { makePrivateFolder, syncFolder } from './private-file.ts';
import type { Place } from './record-cipher.ts';
import { proofKeyOf, RecordCipher, STORE_KEY_BYTES } from './record-cipher.ts';
import { isEmptyStore, migrate } from './schema.ts';
import { STORE_FILE } from './store-file.ts';

/** Numbers are part of the format: they stay. 0 is the store's own. */
const kinds: Readonly<Record<Collection, number>> = {
  account: 1,
  server: 2,
  contact: 3,
  conversation: 4,
  group: 5,
  keyPackage: 6,
  outbox: 7,
  parked: 8,
  transfer: 9,
  failure: 10,
  groupBase: 11,
};
const OWN_KIND = 0;
const MESSAGE_KIND = 100;
const OPENED = 'opened';

export interface SqliteStore extends ClientStore {
  /** 32 bytes that another process of the owner can compute after unlocking; proves it at the account's lock. Do not wipe. */
  readonly proofKey: Uint8Array;
  /** Empties the write-ahead log, so that replaced records leave the disk. To be called every minute. Never throws. */
  tick(): void;
  /** Wraps the store under a new password; the old one no longer opens it. PROFILE_UNWRITABLE: the old one still does. */
  rewrap(password: string): Promise<void>;
}

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

class Store implements SqliteStore {
  readonly proofKey: Uint8Array;
  readonly #directory: string;
  readonly #database: DatabaseSync;
  readonly #storeKey: Uint8Array;
  readonly #cipher: RecordCipher;
  readonly #entropy: Entropy;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #queue: CommitQueue<StoreChange>;
  #keys: KeysFile;
  #open = true;

  constructor(parts: {
    readonly directory: string;
    readonly database: DatabaseSync;
    readonly storeKey: Uint8Array;
    readonly keys: KeysFile;
    readonly entropy: Entropy;
  }) {
    this.#directory = parts.directory;
    this.#database = parts.database;
    this.#storeKey = parts.storeKey;
    this.#keys = parts.keys;
    this.#entropy = parts.entropy;
    this.#cipher = new RecordCipher(parts.storeKey, parts.entropy);
    this.proofKey = proofKeyOf(parts.storeKey);
    this.#statements = prepare(parts.database);
    this.#queue = new CommitQueue(parts.database, (change) => this.#apply(change));
  }

  async all(collection: Collection): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#reading(() => {
      const kind = kinds[collection];
      const records = this.#statements.all.all(kind).map((row) => {
        const [key, value] = this.#openRecord({ kind, tag: blob(row['tag']), position: 0 }, blob(row['value']));
        return [key, value] as const;
      });
      return new Map(records.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    });
  }

  async get(collection: Collection, key: string): Promise<Uint8Array | undefined> {
    return this.#reading(() => this.#read(this.#recordPlace(kinds[collection], key)));
  }

  async commit(changes: readonly StoreChange[]): Promise<void> {
    this.#insistOpen();
    await this.#queue.commit(changes);
  }

  async hasMessage(conversation: string, id: string): Promise<boolean> {
    return this.#reading(() => this.#statements.position.get(this.#messageTag(conversation, id)) !== undefined);
  }

  async message(conversation: string, id: string): Promise<Uint8Array | undefined> {
    return this.#reading(() => {
      const tag = this.#messageTag(conversation, id);
      const row = this.#statements.message.get(tag);
      if (row === undefined) return undefined;
      const place = { kind: MESSAGE_KIND, tag, position: Number(row['position']) };
      return this.#openRecord(place, blob(row['value']))[1];
    });
  }

  async messages(
    conversation: string,
    options: { readonly before?: string; readonly limit: number },
  ): Promise<readonly { readonly id: string; readonly value: Uint8Array }[]> {
    return this.#reading(() => {
      let before = Number.MAX_SAFE_INTEGER;
      if (options.before !== undefined) {
        const row = this.#statements.position.get(this.#messageTag(conversation, options.before));
        if (row === undefined) return [];
        before = Number(row['position']);
      }
      const rows = this.#statements.messages.all(this.#conversationTag(conversation), before, options.limit);
      return rows.toReversed().map((row) => {
        const place = { kind: MESSAGE_KIND, tag: blob(row['tag']), position: Number(row['position']) };
        const [id, value] = this.#openRecord(place, blob(row['value']));
        return { id, value };
      });
    });
  }

  tick(): void {
    if (!this.#open || this.#database.isTransaction) return;
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // A full disk: the log stays until there is room, and nothing in it is lost.
    }
  }

  async rewrap(password: string): Promise<void> {
    this.#insistOpen();
    const keys = await rewrapByPassword(this.#keys, this.#storeKey, password, this.#entropy);
    this.#insistOpen();
    writeKeysFile(this.#directory, keys);
    this.#keys = keys;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#queue.flush();
    this.tick();
    this.#open = false;
    this.#cipher.wipe();
    wipe(this.#storeKey, this.proofKey);
    this.#database.close();
  }

  /**
   * PROFILE_DAMAGED when store.db counts fewer openings than keys.json: an older copy was put back beside a newer key
   * file. (Both put back together look right here; the server then says STATE_ROLLED_BACK.)
   */
  checkOpenings(): void {
    const counted = this.#read(this.#recordPlace(OWN_KIND, OPENED));
    if (counted === undefined || new ByteReader(counted).u64() < this.#keys.opened)
      throw new SecureChatError('PROFILE_DAMAGED', {
        text: 'store.db of the local profile is older than its keys.json: a copy was put back.',
      });
  }

  /** In store.db first, so that a crash in between is no alarm. */
  countOpening(): void {
    const opened = this.#keys.opened + 1;
    const place = this.#recordPlace(OWN_KIND, OPENED);
    const value = this.#sealRecord(place, OPENED, new ByteWriter(8).u64(opened).done());
    this.#statements.put.run(place.kind, place.tag, value);
    syncFolder(this.#directory);
    const keys = { ...this.#keys, opened };
    writeKeysFile(this.#directory, keys);
    this.#keys = keys;
  }

  #apply(change: StoreChange): void {
    const statements = this.#statements;
    switch (change.kind) {
      case 'put': {
        const place = this.#recordPlace(kinds[change.collection], change.key);
        statements.put.run(place.kind, place.tag, this.#sealRecord(place, change.key, change.value));
        return;
      }
      case 'delete': {
        const place = this.#recordPlace(kinds[change.collection], change.key);
        statements.delete.run(place.kind, place.tag);
        return;
      }
      case 'message': {
        const tag = this.#messageTag(change.conversation, change.id);
        const known = statements.position.get(tag)?.['position'];
        const position = Number(known ?? statements.nextPosition.get()?.['position']);
        const value = this.#sealRecord({ kind: MESSAGE_KIND, tag, position }, change.id, change.value);
        if (known === undefined)
          statements.append.run(position, this.#conversationTag(change.conversation), tag, value);
        else statements.replace.run(value, position);
        return;
      }
      case 'deleteConversation':
        statements.deleteConversation.run(this.#conversationTag(change.conversation));
        return;
    }
  }

  #recordPlace(kind: number, key: string): Place {
    return { kind, tag: this.#cipher.tag('record', String(kind), key), position: 0 };
  }
  #messageTag(conversation: string, id: string): Uint8Array {
    return this.#cipher.tag('message', conversation, id);
  }
  #conversationTag(conversation: string): Uint8Array {
    return this.#cipher.tag('conversation', conversation);
  }

  #read(place: Place): Uint8Array | undefined {
    const row = this.#statements.get.get(place.kind, place.tag);
    return row === undefined ? undefined : this.#openRecord(place, blob(row['value']))[1];
  }

  /** The key travels inside, because its tag cannot be turned back. */
  #sealRecord(place: Place, key: string, value: Uint8Array): Uint8Array {
    const plaintext = new ByteWriter(2 + key.length + value.length).text16(key).raw(value).done();
    const sealed = this.#cipher.seal(place, plaintext);
    wipe(plaintext);
    return sealed;
  }
  #openRecord(place: Place, sealed: Uint8Array): [key: string, value: Uint8Array] {
    const reader = new ByteReader(this.#cipher.open(place, sealed));
    return [reader.text16(), reader.rest()];
  }

  /** What was committed before is read, whether it was awaited or not. */
  #reading<T>(read: () => T): T {
    this.#insistOpen();
    try {
      this.#queue.flush();
      return read();
    } catch (cause) {
      throw profileError(cause);
    }
  }

  #insistOpen(): void {
    if (!this.#open) throw new SecureChatError('LOGGED_OUT');
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): ReturnType<DatabaseSync['prepare']> => database.prepare(text);
  return {
    all: sql('SELECT tag, value FROM record WHERE collection = ?'),
    get: sql('SELECT value FROM record WHERE collection = ? AND tag = ?'),
    put: sql(
      'INSERT INTO record (collection, tag, value) VALUES (?, ?, ?) ON CONFLICT (collection, tag) DO UPDATE SET value = excluded.value',
    ),
    delete: sql('DELETE FROM record WHERE collection = ? AND tag = ?'),
    position: sql('SELECT position FROM message WHERE tag = ?'),
    message: sql('SELECT position, value FROM message WHERE tag = ?'),
    messages: sql(
      'SELECT position, tag, value FROM message WHERE conversation = ? AND position < ? ORDER BY position DESC LIMIT ?',
    ),
    nextPosition: sql('SELECT coalesce(max(position), 0) + 1 AS position FROM message'),
    append: sql('INSERT INTO message (position, conversation, tag, value) VALUES (?, ?, ?, ?)'),
    replace: sql('UPDATE message SET value = ? WHERE position = ?'),
    deleteConversation: sql('DELETE FROM message WHERE conversation = ?'),
  };
}

function blob(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new SecureChatError('PROFILE_DAMAGED');
  return value;
}
