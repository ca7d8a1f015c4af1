/** What the ledger holds in memory as it is on the disk: collections of rows, and single values. */
import type { RecordCodec } from '../../core/record.ts';
import type { ClientStore, Collection, StoreChange } from '../../stores/port.ts';

/** A change is encoded, stored with others in one commit, and remembered after that. */
export interface Kept<K, V> {
  put(value: V): readonly StoreChange[];
  drop(key: K): readonly StoreChange[];
  remember(value: V): void;
  forget(key: K): void;
}

interface RowsOptions<K, V> {
  readonly collection: Collection;
  readonly codec: RecordCodec<V>;
  readonly keyOf: (value: V) => K;
  /** The key in the store; rows come back in its order. */
  readonly text: (key: K) => string;
  /** Hears of every row that comes, changes or goes: for other ways to find it. */
  readonly onChange?: (before: V | undefined, now: V | undefined) => void;
}

/** One collection. */
export class Rows<K, V> implements Kept<K, V> {
  readonly #options: RowsOptions<K, V>;
  readonly #all = new Map<K, V>();

  constructor(options: RowsOptions<K, V>) {
    this.#options = options;
  }

  /** In the order in which they came. */
  get all(): ReadonlyMap<K, V> {
    return this.#all;
  }

  /** PROFILE_DAMAGED, SCHEMA_NEWER. */
  async load(store: ClientStore): Promise<void> {
    const { collection, codec } = this.#options;
    for (const value of (await store.all(collection)).values()) this.remember(codec.decode(value));
  }

  put(value: V): readonly StoreChange[] {
    const { collection, codec, keyOf, text } = this.#options;
    return [{ kind: 'put', collection, key: text(keyOf(value)), value: codec.encode(value) }];
  }

  drop(key: K): readonly StoreChange[] {
    const { collection, text } = this.#options;
    return [{ kind: 'delete', collection, key: text(key) }];
  }

  remember(value: V): void {
    const key = this.#options.keyOf(value);
    const before = this.#all.get(key);
    this.#all.set(key, value);
    this.#options.onChange?.(before, value);
  }

  forget(key: K): void {
    const before = this.#all.get(key);
    this.#all.delete(key);
    if (before !== undefined) this.#options.onChange?.(before, undefined);
  }
}

/** One value, under a key of its own in the collection `account`. */
export class Cell<V> implements Kept<undefined, V> {
  readonly #key: string;
  readonly #codec: RecordCodec<V>;
  #value: V | undefined;

  constructor(key: string, codec: RecordCodec<V>) {
    this.#key = key;
    this.#codec = codec;
  }

  get value(): V | undefined {
    return this.#value;
  }

  /** PROFILE_DAMAGED, SCHEMA_NEWER. */
  async load(store: ClientStore): Promise<void> {
    const value = await store.get('account', this.#key);
    if (value !== undefined) this.#value = this.#codec.decode(value);
  }

  put(value: V): readonly StoreChange[] {
    return [{ kind: 'put', collection: 'account', key: this.#key, value: this.#codec.encode(value) }];
  }

  drop(): readonly StoreChange[] {
    return [{ kind: 'delete', collection: 'account', key: this.#key }];
  }

  remember(value: V): void {
    this.#value = value;
  }

  forget(): void {
    this.#value = undefined;
  }
}
