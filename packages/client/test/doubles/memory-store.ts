/** The store port in memory, with power cuts: at a chosen commit everything stops, before or after it took effect. */
import { SecureChatError } from '@securechat/wire';
import type { ClientStore, Collection, StoreChange } from '../../src/stores/port.ts';

interface Contents {
  readonly records: Map<string, Uint8Array>;
  /** By conversation, in order. */
  readonly messages: Map<string, { id: string; value: Uint8Array }[]>;
}

export class MemoryStore implements ClientStore {
  readonly #contents: Contents;
  /** Commits until the power cut; undefined: none. */
  cutAfter: { commits: number; applied: boolean } | undefined;
  /** Runs at the moment of the power cut. */
  onCut: () => void = () => undefined;
  commits = 0;
  #dead = false;

  constructor(contents: Contents = { records: new Map(), messages: new Map() }) {
    this.#contents = contents;
  }

  /** What the disk holds now: the store of the next process, or of an old copy of the profile. */
  copy(): MemoryStore {
    const messages = [...this.#contents.messages].map(
      ([key, list]) => [key, list.map((one) => ({ ...one, value: one.value.slice() }))] as const,
    );
    const records = [...this.#contents.records].map(([key, value]) => [key, value.slice()] as const);
    return new MemoryStore({ records: new Map(records), messages: new Map(messages) });
  }

  async all(collection: Collection): Promise<ReadonlyMap<string, Uint8Array>> {
    this.#live();
    const prefix = `${collection}/`;
    const found = [...this.#contents.records].filter(([key]) => key.startsWith(prefix));
    const records = found.map(([key, value]) => [key.slice(prefix.length), value.slice()] as const);
    return new Map(records.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
  async get(collection: Collection, key: string): Promise<Uint8Array | undefined> {
    this.#live();
    return this.#contents.records.get(`${collection}/${key}`)?.slice();
  }
  async commit(changes: readonly StoreChange[]): Promise<void> {
    this.#live();
    this.commits += 1;
    const cut = this.cutAfter !== undefined && this.commits >= this.cutAfter.commits ? this.cutAfter : undefined;
    if (cut?.applied !== false) for (const change of changes) this.#apply(change);
    if (cut === undefined) return;
    this.#dead = true;
    this.onCut();
    throw new SecureChatError('PROFILE_UNWRITABLE');
  }
  async hasMessage(conversation: string, id: string): Promise<boolean> {
    return (await this.message(conversation, id)) !== undefined;
  }
  async message(conversation: string, id: string): Promise<Uint8Array | undefined> {
    this.#live();
    return this.#contents.messages
      .get(conversation)
      ?.find((one) => one.id === id)
      ?.value.slice();
  }
  async messages(
    conversation: string,
    options: { readonly before?: string; readonly limit: number },
  ): Promise<readonly { readonly id: string; readonly value: Uint8Array }[]> {
    this.#live();
    const list = this.#contents.messages.get(conversation) ?? [];
    const end = options.before === undefined ? list.length : list.findIndex(({ id }) => id === options.before);
    return list.slice(Math.max(0, end - options.limit), end).map(({ id, value }) => ({ id, value: value.slice() }));
  }
  async close(): Promise<void> {
    this.#dead = true;
  }

  #apply(change: StoreChange): void {
    const { records, messages } = this.#contents;
    switch (change.kind) {
      case 'put':
        records.set(`${change.collection}/${change.key}`, change.value.slice());
        return;
      case 'delete':
        records.delete(`${change.collection}/${change.key}`);
        return;
      case 'message': {
        const list = messages.get(change.conversation) ?? [];
        messages.set(change.conversation, list);
        const value = change.value.slice();
        const known = list.find(({ id }) => id === change.id);
        if (known === undefined) list.push({ id: change.id, value });
        else known.value = value;
        return;
      }
      case 'deleteConversation':
        messages.delete(change.conversation);
        return;
    }
  }

  #live(): void {
    if (this.#dead) throw new SecureChatError('PROFILE_UNWRITABLE');
  }
}
