/** Key packages: a one-time one is handed out at most once, ever; the last-resort one as often as asked. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sha256 } from '@securechat/crypto';
import type { KeyPackageTaken } from '../port.ts';
import type { Device } from './devices.ts';

export class KeyPackages {
  readonly #max: number;
  readonly #insert: StatementSync;
  readonly #stock: StatementSync;
  readonly #oldest: StatementSync;
  readonly #spend: StatementSync;
  readonly #withdrawals: readonly StatementSync[];
  readonly #putLast: StatementSync;
  readonly #last: StatementSync;
  readonly #removals: readonly StatementSync[];

  constructor(db: DatabaseSync, storedMax: number) {
    this.#max = storedMax;
    this.#insert = db.prepare('INSERT OR IGNORE INTO key_package (device, hash, package) VALUES (?, ?, ?)');
    this.#stock = db.prepare('SELECT count(*) AS stock FROM key_package WHERE device = ? AND package IS NOT NULL');
    this.#oldest = db.prepare(
      'SELECT row, package FROM key_package WHERE device = ? AND package IS NOT NULL ORDER BY row LIMIT 1',
    );
    this.#spend = db.prepare('UPDATE key_package SET package = NULL WHERE row = ?');
    this.#withdrawals = [
      db.prepare('UPDATE key_package SET package = NULL WHERE device = ?'),
      db.prepare('DELETE FROM last_resort WHERE device = ?'),
    ];
    this.#putLast = db.prepare('INSERT OR REPLACE INTO last_resort (device, package) VALUES (?, ?)');
    this.#last = db.prepare('SELECT package FROM last_resort WHERE device = ?');
    this.#removals = [
      db.prepare('DELETE FROM key_package WHERE device = ?'),
      db.prepare('DELETE FROM last_resort WHERE device = ?'),
    ];
  }

  /** The stock afterwards. */
  put(device: Device, oneTime: readonly Uint8Array[], lastResort: Uint8Array | undefined): number {
    let stock = this.stock(device);
    for (const keyPackage of oneTime) {
      if (stock >= this.#max) break;
      const { changes } = this.#insert.run(device.row, sha256(keyPackage), keyPackage);
      stock += Number(changes);
    }
    if (lastResort !== undefined) this.#putLast.run(device.row, lastResort);
    return stock;
  }

  /** Nothing stored so far is handed out again. */
  withdraw(device: Device): void {
    for (const statement of this.#withdrawals) statement.run(device.row);
  }

  take(device: Device, lastResortOnly: boolean): KeyPackageTaken | undefined {
    const row = lastResortOnly ? undefined : this.#oldest.get(device.row);
    if (row !== undefined) {
      this.#spend.run(Number(row['row']));
      return { keyPackage: row['package'] as Uint8Array, lastResort: false, left: this.stock(device) };
    }
    const last = this.#last.get(device.row);
    return last && { keyPackage: last['package'] as Uint8Array, lastResort: true, left: this.stock(device) };
  }

  stock(device: Device): number {
    return Number(this.#stock.get(device.row)?.['stock']);
  }

  hasLastResort(device: Device): boolean {
    return this.#last.get(device.row) !== undefined;
  }

  removeOf(device: Device): void {
    for (const statement of this.#removals) statement.run(device.row);
  }
}
