/** Who watches whom, and telling them, late and seldom (core/presence.ts). */
import type { AccountId, Presence } from '@securechat/wire';
import { idBytes, presences as presenceNumbers } from '@securechat/wire';
import { presenceOf, tellAtMs } from '../core/presence.ts';
import type { Acquaintances } from './acquaintances.ts';
import type { LinkHandle, Links } from './link/links.ts';
import type { Log } from '../log.ts';

export interface PresenceOptions {
  readonly links: Links;
  readonly acquaintances: Acquaintances;
  readonly contactsOnly: boolean;
  readonly nowMs: () => number;
  /** 0 <= random < 1 */
  readonly random: () => number;
  readonly log: Log;
}

interface Watch {
  readonly viewer: AccountId;
  readonly accounts: ReadonlySet<AccountId>;
  /** What was told last. */
  readonly told: Map<AccountId, Presence>;
}

export class Presences {
  readonly #options: PresenceOptions;
  readonly #watches = new Map<LinkHandle, Watch>();
  readonly #watchers = new Map<AccountId, Set<LinkHandle>>();
  readonly #due = new Map<AccountId, NodeJS.Timeout>();
  readonly #toldMs = new Map<AccountId, number>();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** What `viewer` may see of an account that exists. */
  async seenBy(viewer: AccountId, account: AccountId): Promise<Presence> {
    const { links, acquaintances, contactsOnly } = this.#options;
    const attached = links.isAttached(account);
    const contact = !contactsOnly || (await acquaintances.contacts(viewer)).has(account);
    const blocks = attached && contact && (await acquaintances.block(account, viewer)) !== undefined;
    return presenceOf({ attached, blocks, contactsOnly, contact, exists: true });
  }

  /** Replaces the list of this connection. The present state of each is told at once. One that has ended watches nobody. */
  async watch(link: LinkHandle, viewer: AccountId, accounts: readonly AccountId[]): Promise<void> {
    this.unwatch(link);
    if (!this.#options.links.all.has(link)) return;
    const watch: Watch = { viewer, accounts: new Set(accounts), told: new Map() };
    this.#watches.set(link, watch);
    for (const account of watch.accounts) {
      const watchers = this.#watchers.get(account) ?? new Set();
      watchers.add(link);
      this.#watchers.set(account, watchers);
    }
    for (const account of watch.accounts) await this.#tell(link, watch, account);
  }

  unwatch(link: LinkHandle): void {
    const watch = this.#watches.get(link);
    this.#watches.delete(link);
    for (const account of watch?.accounts ?? []) {
      const watchers = this.#watchers.get(account);
      watchers?.delete(link);
      if (watchers?.size === 0) this.#watchers.delete(account);
    }
  }

  /** Connections that watch the account. */
  watchersOf(account: AccountId): readonly LinkHandle[] {
    return [...(this.#watchers.get(account) ?? [])];
  }

  /** The account came, went, or is seen differently by somebody. */
  changed(account: AccountId): void {
    if (!this.#watchers.has(account) || this.#due.has(account)) return;
    const nowMs = this.#options.nowMs();
    const atMs = tellAtMs({ nowMs, toldMs: this.#toldMs.get(account), random: this.#options.random() });
    const timer = setTimeout(() => void this.#tellAll(account), atMs - nowMs);
    this.#due.set(account, timer.unref());
  }

  stop(): void {
    for (const timer of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
  }

  async #tellAll(account: AccountId): Promise<void> {
    this.#due.delete(account);
    this.#remember(account);
    try {
      for (const link of this.watchersOf(account)) {
        const watch = this.#watches.get(link);
        if (watch !== undefined) await this.#tell(link, watch, account);
      }
    } catch (cause) {
      this.#options.log.warn('presence not told', { cause });
    }
  }

  async #tell(link: LinkHandle, watch: Watch, account: AccountId): Promise<void> {
    const presence = await this.seenBy(watch.viewer, account);
    if (this.#watches.get(link) !== watch || watch.told.get(account) === presence) return;
    watch.told.set(account, presence);
    const value = { account: idBytes(account), presence: presenceNumbers[presence] };
    link.event({ body: { $case: 'presence', value } });
  }

  #remember(account: AccountId): void {
    this.#toldMs.delete(account);
    this.#toldMs.set(account, this.#options.nowMs());
    for (const oldest of this.#toldMs.keys()) {
      if (this.#toldMs.size <= 10_000) break;
      this.#toldMs.delete(oldest);
    }
  }
}
