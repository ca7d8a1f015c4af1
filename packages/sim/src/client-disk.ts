/**
 * The disk under a client, as a log of commits. A commit is written at once and durable after its flush; several share
 * one. A crash keeps what was flushed, and of the rest a beginning: the commit at its end is torn, and not there.
 */
import type { ClientStore, Collection, StoreChange } from '@securechat/client/engine';
import { SecureChatError } from '@securechat/wire';
import type { Chance } from './chance.ts';
import type { Life, World } from './world.ts';

interface Contents {
  readonly records: Map<string, Uint8Array>;
  /** By conversation, in the order of arrival. */
  readonly messages: Map<string, Map<string, Uint8Array>>;
}

interface Written {
  readonly changes: readonly StoreChange[];
  readonly done: (error?: SecureChatError) => void;
}

export interface DiskFaults {
  /** Every commit until then is refused: no space. */
  fullUntilMs: number;
  /** The next flush fails with an IO error. */
  failNext: boolean;
  flushMsMax: number;
}

export class ClientDisk {
  readonly faults: DiskFaults = { fullUntilMs: 0, failNext: false, flushMsMax: 8 };
  readonly #world: World;
  readonly #chance: Chance;
  readonly #count: (feature: string) => void;
  #durable: Contents = { records: new Map(), messages: new Map() };
  #store: DiskStore | undefined;

  constructor(world: World, chance: Chance, count: (feature: string) => void) {
    this.#world = world;
    this.#chance = chance;
    this.#count = count;
  }

  /** The store of the next process; `onFailure`: the disk gave an IO error. */
  open(life: Life, onFailure: () => void): DiskStore {
    const store = new DiskStore({
      world: this.#world,
      chance: this.#chance,
      life,
      faults: this.faults,
      durable: this.#durable,
      count: this.#count,
      onFailure,
    });
    this.#store = store;
    return store;
  }

  /** Power cut, kill: what was not flushed is there up to a point. */
  crash(): void {
    this.#store?.crash();
  }

  /** An old copy of the profile. */
  copy(): Contents {
    return copyOf(this.#durable);
  }

  /** Somebody put it back. Only while nobody has it open. */
  restore(copy: Contents): void {
    this.#durable = copyOf(copy);
  }

  get isEmpty(): boolean {
    return this.#durable.records.size === 0;
  }
  get durable(): Contents {
    return this.#durable;
  }
}

function copyOf({ records, messages }: Contents): Contents {
  return {
    records: new Map(records),
    messages: new Map([...messages].map(([user, list]) => [user, new Map(list)])),
  };
}

export class DiskStore implements ClientStore {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #life: Life;
  readonly #faults: DiskFaults;
  readonly #durable: Contents;
  readonly #count: (feature: string) => void;
  readonly #onFailure: () => void;
  #waiting: Written[] = [];
  #flushing: readonly Written[] = [];
  #dead = false;
  #broken = false;
  /** A commit was refused, or its outcome unknown. */
  troubled = false;

  constructor(parts: {
    world: World;
    chance: Chance;
    life: Life;
    faults: DiskFaults;
    durable: Contents;
    count: (feature: string) => void;
    onFailure: () => void;
  }) {
    this.#world = parts.world;
    this.#chance = parts.chance;
    this.#life = parts.life;
    this.#faults = parts.faults;
    this.#durable = parts.durable;
    this.#count = parts.count;
    this.#onFailure = parts.onFailure;
  }

  async all(collection: Collection): Promise<ReadonlyMap<string, Uint8Array>> {
    this.#live();
    const prefix = `${collection}/`;
    const found = [...this.#durable.records].filter(([key]) => key.startsWith(prefix));
    return new Map(
      found
        .map(([key, value]) => [key.slice(prefix.length), value.slice()] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  async get(collection: Collection, key: string): Promise<Uint8Array | undefined> {
    this.#live();
    return this.#durable.records.get(`${collection}/${key}`)?.slice();
  }

  async commit(changes: readonly StoreChange[]): Promise<void> {
    this.#live();
    if (this.#broken || this.#faults.fullUntilMs > this.#world.nowMs) {
      this.troubled = true;
      throw new SecureChatError('PROFILE_UNWRITABLE');
    }
    // The caller wipes its buffers.
    const own = changes.map((change) => ('value' in change ? { ...change, value: change.value.slice() } : change));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ changes: own, done: (error) => (error === undefined ? resolve() : reject(error)) });
    this.#flush();
    return promise;
  }

  async hasMessage(conversation: string, id: string): Promise<boolean> {
    this.#live();
    return this.#durable.messages.get(conversation)?.has(id) ?? false;
  }

  async message(conversation: string, id: string): Promise<Uint8Array | undefined> {
    this.#live();
    return this.#durable.messages.get(conversation)?.get(id)?.slice();
  }

  async messages(
    conversation: string,
    options: { readonly before?: string; readonly limit: number },
  ): Promise<readonly { readonly id: string; readonly value: Uint8Array }[]> {
    this.#live();
    const list = [...(this.#durable.messages.get(conversation) ?? [])];
    const end = options.before === undefined ? list.length : list.findIndex(([id]) => id === options.before);
    return list.slice(Math.max(0, end - options.limit), end).map(([id, value]) => ({ id, value: value.slice() }));
  }

  async close(): Promise<void> {
    this.#dead = true;
  }

  crash(): void {
    this.#dead = true;
    const kept = this.#chance.between(0, this.#flushing.length);
    for (const { changes } of this.#flushing.slice(0, kept)) this.#apply(changes);
    this.#flushing = [];
    this.#waiting = [];
  }

  #flush(): void {
    if (this.#flushing.length > 0 || this.#waiting.length === 0) return;
    this.#flushing = this.#waiting;
    this.#waiting = [];
    this.#world.after(this.#chance.between(0, this.#faults.flushMsMax), this.#life, () => this.#flushed());
  }

  #flushed(): void {
    if (this.#dead) return;
    if (this.#faults.failNext) return this.#fail();
    const written = this.#flushing;
    this.#flushing = [];
    for (const { changes } of written) this.#apply(changes);
    for (const { done } of written) done();
    this.#flush();
  }

  /** What of a failed flush is on the disk nobody knows; until the store is opened again it takes nothing more. */
  #fail(): void {
    this.#faults.failNext = false;
    this.#broken = true;
    this.troubled = true;
    const [flushing, waiting] = [this.#flushing, this.#waiting];
    this.crash();
    this.#dead = false;
    for (const { done } of flushing) done(new SecureChatError('OUTCOME_UNKNOWN'));
    // Never begun.
    for (const { done } of waiting) done(new SecureChatError('PROFILE_UNWRITABLE'));
    this.#onFailure();
  }

  #apply(changes: readonly StoreChange[]): void {
    const { records, messages } = this.#durable;
    for (const change of changes)
      switch (change.kind) {
        case 'put':
          if (change.collection === 'parked') this.#count('parked');
          records.set(`${change.collection}/${change.key}`, change.value);
          break;
        case 'delete':
          if (records.delete(`${change.collection}/${change.key}`) && change.collection === 'parked')
            this.#count('parked row done');
          break;
        case 'message':
          messages.set(change.conversation, messages.get(change.conversation) ?? new Map<string, Uint8Array>());
          messages.get(change.conversation)?.set(change.id, change.value);
          break;
        case 'deleteConversation':
          messages.delete(change.conversation);
          break;
      }
  }

  #live(): void {
    if (this.#dead || !this.#life.alive) throw new SecureChatError('PROFILE_UNWRITABLE');
  }
}
