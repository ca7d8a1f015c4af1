/**
 * Devices and the accounts they belong to, read once and written back once per commit: a group of submissions touches the
 * same few counters many times.
 */
import type { AccountId, DeviceId } from '@securechat/wire';
import type { DatabaseSync, StatementSync } from 'node:sqlite';

export interface Device {
  readonly row: number;
  readonly id: DeviceId;
  readonly account: AccountId;
  ended: boolean;
  generation: number;
  next: number;
  rows: number;
  bytes: number;
  submitHighest: number;
  forgottenBelow: number;
  /** Dedupe rows below it are deleted; not stored. */
  deletedBelow: number;
  /** To be written before the commit. */
  dirty: boolean;
}

export interface Person {
  readonly account: AccountId;
  readonly sequence: number;
  readonly change: number;
}

/** Devices and persons kept in memory; beyond it the memory is emptied after a commit (about 300 bytes each). */
const KEPT_MAX = 20_000;

export class Devices {
  readonly #byId = new Map<string, Device | undefined>();
  readonly #persons = new Map<string, Person | undefined>();
  readonly #dirty = new Set<Device>();
  readonly #selectId: StatementSync;
  readonly #selectRow: StatementSync;
  readonly #selectAccount: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #remove: StatementSync;
  readonly #selectPerson: StatementSync;
  readonly #putPerson: StatementSync;
  readonly #removePerson: StatementSync;

  constructor(db: DatabaseSync) {
    this.#selectId = db.prepare('SELECT * FROM device WHERE id = ?');
    this.#selectRow = db.prepare('SELECT id FROM device WHERE row = ?');
    this.#selectAccount = db.prepare('SELECT id FROM device WHERE account = ? ORDER BY row');
    this.#insert = db.prepare('INSERT INTO device (id, account) VALUES (?, ?)');
    this.#update = db.prepare(
      `UPDATE device SET ended = ?, generation = ?, mailbox_next = ?, mailbox_rows = ?, mailbox_bytes = ?,
       submit_highest = ?, forgotten_below = ? WHERE row = ?`,
    );
    this.#remove = db.prepare('DELETE FROM device WHERE row = ?');
    this.#selectPerson = db.prepare('SELECT * FROM person WHERE account = ?');
    this.#putPerson = db.prepare('INSERT OR REPLACE INTO person (account, sequence, change) VALUES (?, ?, ?)');
    this.#removePerson = db.prepare('DELETE FROM person WHERE account = ?');
  }

  /** Also an ended device; undefined for one that never was. */
  find(id: DeviceId): Device | undefined {
    const kept = this.#byId.get(id);
    if (kept !== undefined || this.#byId.has(id)) return kept;
    const row = this.#selectId.get(id);
    const device: Device | undefined = row && {
      row: Number(row['row']),
      id,
      account: String(row['account']) as AccountId,
      ended: row['ended'] === 1,
      generation: Number(row['generation']),
      next: Number(row['mailbox_next']),
      rows: Number(row['mailbox_rows']),
      bytes: Number(row['mailbox_bytes']),
      submitHighest: Number(row['submit_highest']),
      forgottenBelow: Number(row['forgotten_below']),
      deletedBelow: 0,
      dirty: false,
    };
    this.#byId.set(id, device);
    return device;
  }

  byRow(row: number): Device | undefined {
    const id = this.#selectRow.get(row)?.['id'];
    return typeof id === 'string' ? this.find(id as DeviceId) : undefined;
  }

  /** Every device of the account, ended ones included. */
  ofAccount(account: AccountId): Device[] {
    return this.#selectAccount
      .all(account)
      .map((row) => this.find(String(row['id']) as DeviceId))
      .filter((device) => device !== undefined);
  }

  /** A new device; the caller has made sure that the id is free. */
  add(id: DeviceId, account: AccountId): void {
    this.#insert.run(id, account);
    this.#byId.delete(id);
  }

  /** Its changed fields are written at the end of the transaction. */
  touch(device: Device): void {
    if (device.dirty) return;
    device.dirty = true;
    this.#dirty.add(device);
  }

  remove(device: Device): void {
    this.#remove.run(device.row);
    this.#dirty.delete(device);
    this.#byId.delete(device.id);
  }

  person(account: AccountId): Person | undefined {
    const kept = this.#persons.get(account);
    if (kept !== undefined || this.#persons.has(account)) return kept;
    const row = this.#selectPerson.get(account);
    const person = row && { account, sequence: Number(row['sequence']), change: Number(row['change']) };
    this.#persons.set(account, person);
    return person;
  }

  putPerson(person: Person): void {
    this.#putPerson.run(person.account, person.sequence, person.change);
    this.#persons.set(person.account, person);
  }

  removePerson(account: AccountId): void {
    this.#removePerson.run(account);
    this.#persons.delete(account);
  }

  /** Before the commit. */
  flush(): void {
    for (const device of this.#dirty) {
      this.#update.run(
        device.ended ? 1 : 0,
        device.generation,
        device.next,
        device.rows,
        device.bytes,
        device.submitHighest,
        device.forgottenBelow,
        device.row,
      );
      device.dirty = false;
    }
    this.#dirty.clear();
  }

  /** After the commit. */
  trim(): void {
    if (this.#byId.size > KEPT_MAX) this.#byId.clear();
    if (this.#persons.size > KEPT_MAX) this.#persons.clear();
  }

  /** After a rollback: what is in memory may never have been. */
  forget(): void {
    this.#byId.clear();
    this.#persons.clear();
    this.#dirty.clear();
  }
}
