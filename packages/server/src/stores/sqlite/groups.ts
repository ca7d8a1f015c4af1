/** Groups, the slots they hold, and their rejoin capsules (the last two of the newest group of a slot). */
import type { AccountId, DeviceId, GroupId } from '@securechat/wire';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { packIds, unpackIds } from './pack.ts';

export interface Group {
  readonly id: GroupId;
  readonly slot: Uint8Array;
  readonly generation: number;
  epoch: number;
  readonly founder: AccountId;
  readonly founderChange: number;
  readonly peer: AccountId;
  readonly peerChange: number;
  readonly devices: readonly DeviceId[];
  superseded: boolean;
}

export interface Slot {
  readonly group: GroupId;
  readonly generation: number;
}

const KEPT_MAX = 10_000;
/** Superseded groups of a slot that still answer GROUP_SUPERSEDED; older ones answer NO_SUCH_GROUP. */
const SUPERSEDED_KEPT = 8;

export class Groups {
  readonly #kept = new Map<string, Group | undefined>();
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #setEpoch: StatementSync;
  readonly #supersede: StatementSync;
  readonly #selectSlot: StatementSync;
  readonly #putSlot: StatementSync;
  readonly #prune: StatementSync;
  readonly #putCapsule: StatementSync;
  readonly #pruneCapsules: StatementSync;
  readonly #ofAccount: StatementSync;
  readonly #remove: readonly StatementSync[];
  readonly #removeSlot: StatementSync;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare('SELECT * FROM mls_group WHERE id = ?');
    this.#insert = db.prepare(
      `INSERT INTO mls_group (id, slot, generation, epoch, founder, founder_change, peer, peer_change, devices)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#setEpoch = db.prepare('UPDATE mls_group SET epoch = ? WHERE id = ?');
    this.#supersede = db.prepare('UPDATE mls_group SET superseded = 1 WHERE id = ?');
    this.#selectSlot = db.prepare('SELECT mls_group, generation FROM slot WHERE slot = ?');
    this.#putSlot = db.prepare('INSERT OR REPLACE INTO slot (slot, mls_group, generation) VALUES (?, ?, ?)');
    this.#prune = db.prepare('DELETE FROM mls_group WHERE slot = ? AND generation < ?');
    this.#putCapsule = db.prepare('INSERT OR REPLACE INTO capsule (mls_group, epoch, capsule) VALUES (?, ?, ?)');
    this.#pruneCapsules = db.prepare('DELETE FROM capsule WHERE mls_group = ? AND epoch < ?');
    this.#ofAccount = db.prepare('SELECT id, slot FROM mls_group WHERE founder = ?1 OR peer = ?1');
    this.#remove = [
      db.prepare('DELETE FROM mls_group WHERE id = ?'),
      db.prepare('DELETE FROM capsule WHERE mls_group = ?'),
      db.prepare('DELETE FROM resync WHERE mls_group = ?'),
    ];
    this.#removeSlot = db.prepare('DELETE FROM slot WHERE slot = ?');
  }

  find(id: GroupId): Group | undefined {
    const kept = this.#kept.get(id);
    if (kept !== undefined || this.#kept.has(id)) return kept;
    const row = this.#select.get(id);
    const group: Group | undefined = row && {
      id,
      slot: row['slot'] as Uint8Array,
      generation: Number(row['generation']),
      epoch: Number(row['epoch']),
      founder: String(row['founder']) as AccountId,
      founderChange: Number(row['founder_change']),
      peer: String(row['peer']) as AccountId,
      peerChange: Number(row['peer_change']),
      devices: unpackIds<DeviceId>(String(row['devices'])),
      superseded: row['superseded'] === 1,
    };
    this.#kept.set(id, group);
    return group;
  }

  slot(slot: Uint8Array): Slot | undefined {
    const row = this.#selectSlot.get(slot);
    return row && { group: String(row['mls_group']) as GroupId, generation: Number(row['generation']) };
  }

  /** Takes the slot; the group that held it is superseded. */
  found(group: Group, capsule: Uint8Array): void {
    const before = this.slot(group.slot);
    if (before !== undefined) {
      this.#supersede.run(before.group);
      this.#pruneCapsules.run(before.group, Number.MAX_SAFE_INTEGER);
      this.#prune.run(group.slot, group.generation - SUPERSEDED_KEPT);
      this.#kept.clear();
    }
    this.#insert.run(
      group.id,
      group.slot,
      group.generation,
      group.epoch,
      group.founder,
      group.founderChange,
      group.peer,
      group.peerChange,
      packIds(group.devices),
    );
    this.#putSlot.run(group.slot, group.id, group.generation);
    this.#putCapsule.run(group.id, group.epoch, capsule);
    this.#kept.set(group.id, group);
  }

  advance(group: Group, epoch: number, capsule: Uint8Array): void {
    this.#setEpoch.run(epoch, group.id);
    this.#putCapsule.run(group.id, epoch, capsule);
    this.#pruneCapsules.run(group.id, epoch - 1);
    group.epoch = epoch;
  }

  removeOf(account: AccountId): void {
    for (const row of this.#ofAccount.all(account)) {
      for (const statement of this.#remove) statement.run(String(row['id']));
      this.#removeSlot.run(row['slot'] as Uint8Array);
    }
    this.#kept.clear();
  }

  trim(): void {
    if (this.#kept.size > KEPT_MAX) this.#kept.clear();
  }

  forget(): void {
    this.#kept.clear();
  }
}
