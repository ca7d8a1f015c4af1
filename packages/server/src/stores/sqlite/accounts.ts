/** Devices come, attach and end; accounts go. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AccountId, Code, DeviceId } from '@securechat/wire';
import type { AppendedRow, AttachedDevice, DeviceChange } from '../port.ts';
import { StoreError } from '../port.ts';
import type { Attachments } from './attachments.ts';
import type { Blocks } from './blocks.ts';
import type { Device, Devices } from './devices.ts';
import type { Groups } from './groups.ts';
import type { KeyPackages } from './key-packages.ts';
import type { Mailboxes } from './mailboxes.ts';
import type { Records } from './records.ts';

export interface AccountParts {
  readonly db: DatabaseSync;
  readonly devices: Devices;
  readonly groups: Groups;
  readonly mailboxes: Mailboxes;
  readonly keyPackages: KeyPackages;
  readonly blocks: Blocks;
  readonly records: Records;
  readonly attachments: Attachments;
}

interface Moment {
  readonly storedAtMs: number;
  readonly day: number;
}

export class Accounts {
  readonly #parts: AccountParts;
  readonly #forgetDedupe: StatementSync;
  readonly #history: number;

  constructor(parts: AccountParts) {
    this.#parts = parts;
    this.#forgetDedupe = parts.db.prepare('DELETE FROM dedupe WHERE device = ?');
    this.#history = Number(parts.db.prepare("SELECT value FROM fact WHERE name = 'history'").get()?.['value']);
  }

  attach(id: DeviceId, storedUpTo: number, history?: number): AttachedDevice | undefined {
    const { devices, mailboxes, attachments } = this.#parts;
    const device = devices.find(id);
    if (device === undefined || device.ended) return undefined;
    if (!Number.isSafeInteger(storedUpTo) || storedUpTo < 0 || storedUpTo > CURSOR_MAX)
      throw new StoreError('invalid', { retry: 'never', outcome: 'none' });
    const foreign = history !== undefined && history !== this.#history;
    if (foreign || storedUpTo >= device.next) mailboxes.renumberAbove(device, storedUpTo);
    else mailboxes.ack(device, storedUpTo);
    device.generation += 1;
    devices.touch(device);
    attachments.attach(id, device.generation);
    return {
      generation: device.generation,
      mailboxNext: device.next as AttachedDevice['mailboxNext'],
      submitNumberHighest: device.submitHighest,
      history: this.#history,
    };
  }

  /** False, and nothing done, when an id to add is in use or one to remove is not the account's. */
  allows({ account, add, remove }: DeviceChange): boolean {
    const { devices } = this.#parts;
    return (
      new Set(add).size === add.length &&
      add.every((id) => devices.find(id) === undefined) &&
      remove.every((id) => devices.find(id)?.account === account)
    );
  }

  change(change: DeviceChange, now: Moment): AppendedRow[] {
    const { devices } = this.#parts;
    const leaving = new Set(change.remove);
    const current = devices.ofAccount(change.account).filter((device) => !device.ended);
    const staying = current.some((device) => !leaving.has(device.id));
    for (const id of change.add) devices.add(id, change.account);
    const heirs = devices.ofAccount(change.account).filter((device) => !device.ended && !leaving.has(device.id));
    const rows: AppendedRow[] = [];
    for (const device of current) {
      if (!leaving.has(device.id)) continue;
      rows.push(...this.#parts.mailboxes.passOnBounces(device, heirs, now.storedAtMs, now.day));
      rows.push(...this.#end(device, staying ? undefined : change.cause, now));
    }
    devices.putPerson({
      account: change.account,
      sequence: change.sequence,
      change: (devices.person(change.account)?.change ?? 0) + 1,
    });
    return rows;
  }

  remove(account: AccountId, now: Moment): AppendedRow[] {
    const { devices, groups, blocks, records } = this.#parts;
    const rows: AppendedRow[] = [];
    for (const device of devices.ofAccount(account)) {
      if (!device.ended) rows.push(...this.#end(device, 'NO_SUCH_USER', now));
      devices.remove(device);
    }
    devices.removePerson(account);
    groups.removeOf(account);
    blocks.removeOf(account);
    records.removeOf(account);
    return rows;
  }

  /** Fences the device for good. Without a cause nothing bounces: another device of the account got the same rows. */
  #end(device: Device, cause: Code | undefined, now: Moment): AppendedRow[] {
    const { devices, mailboxes, keyPackages, attachments } = this.#parts;
    const rows = cause === undefined ? [] : mailboxes.bounceAll(device, cause, now.storedAtMs, now.day);
    mailboxes.ack(device, Number.MAX_SAFE_INTEGER);
    keyPackages.removeOf(device);
    this.#forgetDedupe.run(device.row);
    attachments.end(device.id);
    device.ended = true;
    devices.touch(device);
    return rows;
  }
}

/** Far above any mailbox, far below where numbers would lose precision. */
const CURSOR_MAX = 2 ** 48;
