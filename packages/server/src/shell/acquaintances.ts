/**
 * Who blocks whom and who has written to whom, as presence needs it with every message: kept for a short time. The store
 * decides what is delivered; here a stale answer costs a wrong "online" for some seconds.
 */
import type { AccountId } from '@securechat/wire';
import type { Store } from '../stores/port.ts';

const KEPT_MS = 10_000;
const KEPT_MAX = 5000;

interface Kept<T> {
  readonly value: Promise<T>;
  readonly atMs: number;
}

export class Acquaintances {
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #blocks = new Map<AccountId, Kept<ReadonlyMap<AccountId, { readonly quiet: boolean }>>>();
  readonly #contacts = new Map<AccountId, Kept<ReadonlySet<AccountId>>>();

  constructor(store: Store, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /** Whether `owner` blocks `other`. */
  async block(owner: AccountId, other: AccountId): Promise<{ readonly quiet: boolean } | undefined> {
    const blocks = this.#kept(this.#blocks, owner, async () => {
      const rows = await this.#store.blocks(owner);
      return new Map(rows.map(({ account, quiet }) => [account, { quiet }]));
    });
    return (await blocks).get(other);
  }

  async contacts(account: AccountId): Promise<ReadonlySet<AccountId>> {
    return this.#kept(this.#contacts, account, async () => new Set(await this.#store.contacts(account)));
  }

  forgetBlocks(owner: AccountId): void {
    this.#blocks.delete(owner);
  }

  #kept<T>(map: Map<AccountId, Kept<T>>, key: AccountId, load: () => Promise<T>): Promise<T> {
    const nowMs = this.#nowMs();
    const known = map.get(key);
    if (known !== undefined && nowMs - known.atMs < KEPT_MS) return known.value;
    const value = load();
    // A failure is not kept.
    value.catch(() => map.get(key)?.value === value && map.delete(key));
    map.delete(key);
    map.set(key, { value, atMs: nowMs });
    for (const oldest of map.keys()) {
      if (map.size <= KEPT_MAX) break;
      map.delete(oldest);
    }
    return value;
  }
}
