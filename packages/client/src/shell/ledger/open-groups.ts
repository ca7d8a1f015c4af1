/** Groups as they are worked with: their records, with the state that the engine understands. Collections `group`, `groupBase`. */
import { wipe } from '@securechat/crypto';
import type { GroupState, MlsEngine } from '@securechat/e2ee';
import type { GroupId } from '@securechat/wire';
import type { GroupRecord } from '../../core/record-group.ts';
import { groupRecord } from '../../core/record-group.ts';
import type { ClientStore, StoreChange } from '../../stores/port.ts';
import type { Kept } from './rows.ts';

export interface OpenGroup extends Omit<GroupRecord, 'messageKeys'> {
  readonly state: GroupState;
}

/** Groups whose state stays in memory: the ones used last. Reading one again takes a millisecond. */
const OPEN_MAX = 256;

export class OpenGroups implements Kept<GroupId, OpenGroup> {
  readonly #store: ClientStore;
  readonly #mls: MlsEngine;
  readonly #openMax: number;
  /** As they are on the disk, the one used last at the end. */
  readonly #open = new Map<GroupId, OpenGroup>();
  /** Not used for long; somebody may still be at work with them. */
  readonly #leaving = new Map<GroupId, OpenGroup>();
  /** Calls back when nobody is at work with the groups of a person. Until it is given, none leaves the memory. */
  whenFree: ((user: string, leave: () => void) => void) | undefined;

  constructor(store: ClientStore, mls: MlsEngine, openMax: number = OPEN_MAX) {
    this.#store = store;
    this.#mls = mls;
    this.#openMax = openMax;
  }

  /** Undefined for one that is not here, or whose state is of an engine that is gone. */
  async get(group: GroupId): Promise<OpenGroup | undefined> {
    if (this.#known(group) === undefined) {
      // In one turn, so that no commit comes in between.
      const [value, base] = await Promise.all([this.#store.get('group', group), this.#store.get('groupBase', group)]);
      if (value === undefined || base === undefined) return undefined;
      const { messageKeys, ...record } = groupRecord.decode(value);
      // Somebody else may have read it meanwhile: one state in memory is the true one.
      if (this.#known(group) === undefined)
        this.remember({ ...record, state: this.#mls.unpack({ base, messageKeys }) });
      wipe(value, base, messageKeys);
    }
    const known = this.#known(group);
    if (known !== undefined) this.remember(known);
    return known;
  }

  #known(group: GroupId): OpenGroup | undefined {
    return this.#open.get(group) ?? this.#leaving.get(group);
  }

  /** A message writes its keys alone; the base only where it is another than the one on the disk. */
  put({ state, ...record }: OpenGroup): readonly StoreChange[] {
    const key = record.group;
    const { base, messageKeys } = this.#mls.pack(state, this.#known(key)?.state);
    const value = groupRecord.encode({ ...record, messageKeys });
    wipe(messageKeys);
    return [
      { kind: 'put', collection: 'group', key, value },
      ...(base === undefined ? [] : [{ kind: 'put', collection: 'groupBase', key, value: base } as const]),
    ];
  }

  drop(key: GroupId): readonly StoreChange[] {
    return (['group', 'groupBase'] as const).map((collection) => ({ kind: 'delete', collection, key }));
  }

  /** It is on the disk so. */
  remember(open: OpenGroup): void {
    this.#open.delete(open.group);
    this.#leaving.delete(open.group);
    this.#open.set(open.group, open);
    const [oldest] = this.#open.values();
    if (this.#open.size <= this.#openMax || oldest === undefined || this.whenFree === undefined) return;
    this.#open.delete(oldest.group);
    this.#leaving.set(oldest.group, oldest);
    this.whenFree(oldest.user, () => this.#leave(oldest));
  }

  /** Wiped, unless it was taken up again, or a state followed that shares secrets with it. */
  #leave(open: OpenGroup): void {
    if (this.#leaving.get(open.group) === open) this.forget(open.group);
  }

  forget(group: GroupId): void {
    const known = this.#known(group);
    if (known !== undefined) this.#mls.discard(known.state);
    this.#open.delete(group);
    this.#leaving.delete(group);
  }

  /** The private keys in memory. */
  wipe(): void {
    for (const group of [...this.#open.keys(), ...this.#leaving.keys()]) this.forget(group);
  }
}
