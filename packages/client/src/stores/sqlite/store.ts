/**
 * The local store of one account on node:sqlite (docs/protocol/local-store.md). One process, one connection; WAL with
 * `synchronous=FULL`, so a commit that resolved survives a power cut; `secure_delete`, so what was replaced is gone.
 */
import type { Entropy } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import { ByteReader, ByteWriter, SecureChatError } from '@securechat/wire';
import type { ClientStore, Collection, StoreChange } from '../port.ts';
import { CommitQueue } from './commit-queue.ts';
import type { DatabaseSync } from './database.ts';
import { profileError } from './database.ts';
import type { KeysFile } from './keys-file.ts';
import { rewrapByPassword, writeKeysFile } from './keys-file.ts';
import { syncFolder } from './private-file.ts';
import type { Place } from './record-cipher.ts';
import { proofKeyOf, RecordCipher } from './record-cipher.ts';

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

export class Store implements SqliteStore {
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
