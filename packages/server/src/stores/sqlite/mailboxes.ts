/** Mailbox rows and the bodies they point at. A body goes with its last row. */
import type { AccountId, ClientId, Code, GroupId, MailboxSeq, RowKind } from '@securechat/wire';
import { codes, control, rowKinds } from '@securechat/wire';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AppendedRow, MailboxRow } from '../port.ts';
import type { Device, Devices } from './devices.ts';

export interface Body {
  readonly kind: RowKind;
  readonly group: GroupId;
  readonly payload: Uint8Array;
  /** Row of the device it comes from, 0 for none, and that device's id of it. */
  readonly sender: number;
  readonly client: ClientId | '';
  readonly storedAtMs: number;
  readonly day: number;
}

const kindOf: ReadonlyMap<number, RowKind> = new Map(
  (Object.keys(rowKinds) as RowKind[]).map((kind) => [rowKinds[kind], kind]),
);

/** Of what expires unread its sender hears. */
const sendersHear: ReadonlySet<number> = new Set([rowKinds.message, rowKinds.invitation, rowKinds.commit]);

export class Mailboxes {
  readonly #devices: Devices;
  readonly #insertBody: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #select: StatementSync;
  readonly #sum: StatementSync;
  readonly #deleteBodies: StatementSync;
  readonly #releaseBodies: StatementSync;
  readonly #deleteRows: StatementSync;
  readonly #deleteResync: StatementSync;
  readonly #putResync: StatementSync;
  readonly #hasResync: StatementSync;
  readonly #renumber: readonly StatementSync[];
  readonly #oldest: StatementSync;
  readonly #bounceable: StatementSync;
  readonly #bounces: StatementSync;
  readonly #nextWithRows: StatementSync;
  readonly #payload: StatementSync;

  constructor(db: DatabaseSync, devices: Devices) {
    this.#devices = devices;
    this.#insertBody = db.prepare(
      `INSERT INTO body (kind, mailbox_rows, shared, day, stored_ms, sender, client, mls_group, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertRow = db.prepare('INSERT INTO mailbox (device, seq, body, bytes) VALUES (?, ?, ?, ?)');
    // Without a LIMIT: SQLite plans a statement again each time a parameter is bound to one.
    this.#select = db.prepare(
      `SELECT mailbox.seq, body.kind, body.mls_group, body.stored_ms, body.payload
       FROM mailbox JOIN body ON body.id = mailbox.body
       WHERE mailbox.device = ? AND mailbox.seq > ? ORDER BY mailbox.seq`,
    );
    const upTo = 'FROM mailbox WHERE device = ?1 AND seq <= ?2';
    this.#sum = db.prepare(
      `SELECT count(*) AS row_count, sum(bytes) AS byte_count, max(mailbox_rows > 1) AS shared,
       max(kind = ${rowKinds.resync}) AS resync
       FROM mailbox JOIN body ON body.id = mailbox.body WHERE device = ?1 AND seq <= ?2`,
    );
    this.#deleteBodies = db.prepare(`DELETE FROM body WHERE mailbox_rows = 1 AND id IN (SELECT body ${upTo})`);
    // Those with one row are gone by now.
    this.#releaseBodies = db.prepare(
      `UPDATE body SET mailbox_rows = mailbox_rows - 1 WHERE id IN (SELECT body ${upTo})`,
    );
    this.#deleteRows = db.prepare(`DELETE ${upTo}`);
    this.#deleteResync = db.prepare('DELETE FROM resync WHERE device = ? AND seq <= ?');
    this.#putResync = db.prepare('INSERT OR REPLACE INTO resync (device, mls_group, seq) VALUES (?, ?, ?)');
    this.#hasResync = db.prepare('SELECT 1 FROM resync WHERE device = ? AND mls_group = ?');
    this.#renumber = [
      // In two steps, since the primary key changes while it is walked: out of the way below zero, then into place.
      db.prepare('UPDATE mailbox SET seq = -seq WHERE device = ?'),
      db.prepare('UPDATE mailbox SET seq = ?2 - seq WHERE device = ?1'),
      db.prepare('UPDATE resync SET seq = seq + ?2 WHERE device = ?1'),
    ];
    this.#oldest = db.prepare(
      `SELECT mailbox.seq, mailbox.bytes, mailbox.body, body.kind, body.day, body.shared, body.sender, body.client,
       body.mls_group FROM mailbox JOIN body ON body.id = mailbox.body
       WHERE mailbox.device = ? ORDER BY mailbox.seq LIMIT ?`,
    );
    this.#bounceable = db.prepare(
      `SELECT DISTINCT body.sender, body.client, body.mls_group FROM mailbox JOIN body ON body.id = mailbox.body
       WHERE mailbox.device = ? AND body.kind IN (${rowKinds.message}, ${rowKinds.invitation})
       ORDER BY mailbox.seq`,
    );
    this.#bounces = db.prepare(
      `SELECT body.mls_group, body.payload FROM mailbox JOIN body ON body.id = mailbox.body
       WHERE mailbox.device = ? AND body.kind = ${rowKinds.bounce} ORDER BY mailbox.seq`,
    );
    this.#nextWithRows = db.prepare(
      'SELECT row, id FROM device WHERE row > ? AND mailbox_rows > 0 ORDER BY row LIMIT 1',
    );
    this.#payload = db.prepare('SELECT payload FROM body WHERE id = ?');
  }

  /** Stores the body once and gives each device its next number. */
  append(body: Body, to: readonly Device[]): MailboxSeq[] {
    const { lastInsertRowid } = this.#insertBody.run(
      rowKinds[body.kind],
      to.length,
      to.length > 1 ? 1 : 0,
      body.day,
      body.storedAtMs,
      body.sender,
      body.client,
      body.group,
      body.payload,
    );
    return to.map((device) => {
      const seq = device.next as MailboxSeq;
      this.#insertRow.run(device.row, seq, lastInsertRowid, body.payload.length);
      device.next += 1;
      device.rows += 1;
      device.bytes += body.payload.length;
      this.#devices.touch(device);
      if (body.kind === 'resync') this.#putResync.run(device.row, body.group, seq);
      return seq;
    });
  }

  fetch(device: Device, after: number, rowsMax: number, bytesMax: number): MailboxRow[] {
    const rows: MailboxRow[] = [];
    if (device.rows === 0) return rows;
    let bytes = 0;
    for (const row of this.#select.iterate(device.row, after)) {
      const payload = row['payload'] as Uint8Array;
      bytes += payload.length;
      if (rows.length > 0 && bytes > bytesMax) break;
      rows.push({
        seq: Number(row['seq']) as MailboxSeq,
        kind: kindNamed(row['kind']),
        group: String(row['mls_group']) as GroupId,
        storedAtMs: Number(row['stored_ms']),
        payload,
      });
      if (rows.length >= rowsMax) break;
    }
    return rows;
  }

  /** Deletes rows up to and including `upTo`. */
  ack(device: Device, upTo: number): void {
    if (device.rows === 0) return;
    const sum = this.#sum.get(device.row, upTo);
    const count = Number(sum?.['row_count']);
    if (count === 0) return;
    this.#deleteBodies.run(device.row, upTo);
    if (sum?.['shared'] === 1) this.#releaseBodies.run(device.row, upTo);
    this.#deleteRows.run(device.row, upTo);
    if (sum?.['resync'] === 1) this.#deleteResync.run(device.row, upTo);
    device.rows -= count;
    device.bytes -= Number(sum?.['byte_count']);
    this.#devices.touch(device);
  }

  /**
   * The device has a cursor of another history, or one beyond what was ever given out: this database is an older copy of
   * itself. What waits gets numbers above the cursor, so that none of it is taken for known; what comes twice the client
   * shows once.
   */
  renumberAbove(device: Device, cursor: number): void {
    const offset = cursor + 1 - (device.next - device.rows);
    if (device.rows > 0) {
      this.#renumber[0]?.run(device.row);
      this.#renumber[1]?.run(device.row, offset);
      this.#renumber[2]?.run(device.row, offset);
    }
    device.next += offset;
    this.#devices.touch(device);
  }

  resyncWaits(device: Device, group: GroupId): boolean {
    return device.rows > 0 && this.#hasResync.get(device.row, group) !== undefined;
  }

  /**
   * What never reached the device goes back to who sent it, once per submission: message and invitation rows, from other
   * accounts, to devices that still live. Bounces are small and few per own submission, so they pass the limit.
   */
  bounceAll(device: Device, cause: Code, storedAtMs: number, day: number): AppendedRow[] {
    const back = this.#bounceable.all(device.row);
    return back.flatMap((row) => this.#bounce(row, { from: device.account, cause, storedAtMs, day }));
  }

  #bounce(
    row: Record<string, unknown>,
    { from, cause, storedAtMs, day }: { from: AccountId; cause: Code; storedAtMs: number; day: number },
  ): AppendedRow[] {
    const sender = this.#devices.byRow(Number(row['sender']));
    if (sender === undefined || sender.account === from) return [];
    // What an ended device sent is the business of those that took its place.
    const to = sender.ended ? this.#devices.ofAccount(sender.account).filter(({ ended }) => !ended) : [sender];
    const group = String(row['mls_group']) as GroupId;
    const id = Buffer.from(String(row['client']), 'base64url');
    const commit = row['kind'] === rowKinds.commit ? { commit: true } : {};
    const payload = control.Bounce.encode({ id, code: codes[cause].number, ...commit }).finish();
    return this.#notify(to, { group, payload, storedAtMs, day });
  }

  /** Bounces that an ended device has not read go on to those that take its place. */
  passOnBounces(ended: Device, heirs: readonly Device[], storedAtMs: number, day: number): AppendedRow[] {
    const waiting = ended.rows === 0 ? [] : this.#bounces.all(ended.row);
    return waiting.flatMap((row) => {
      const payload = row['payload'] as Uint8Array;
      return this.#notify(heirs, { group: String(row['mls_group']) as GroupId, payload, storedAtMs, day });
    });
  }

  #notify(
    to: readonly Device[],
    { day, ...row }: Pick<Body, 'group' | 'payload' | 'storedAtMs' | 'day'>,
  ): AppendedRow[] {
    if (to.length === 0) return [];
    const seqs = this.append({ ...row, kind: 'bounce', sender: 0, client: '', day }, to);
    return to.flatMap(({ id: device }, at) => {
      const seq = seqs[at];
      return seq === undefined ? [] : [{ ...row, kind: 'bounce', device, seq } as const];
    });
  }

  /** Row number and id of the next device after `row` that has mail; undefined at the end. */
  nextWithRows(row: number): { readonly row: number; readonly device: Device } | undefined {
    const next = this.#nextWithRows.get(row);
    const device = next && this.#devices.byRow(Number(next['row']));
    return device && { row: device.row, device };
  }

  /**
   * Replaces rows of days before `dayFirst` (at most `rowsMax` at once) by one `expired` row under the last of their
   * numbers, which says how many are gone. Their senders get a bounce where the row was the only one of its body; of a
   * commit too, without which its group cannot be followed. Bounces themselves come again behind it: without one the device
   * would believe for ever that its message arrived.
   * The bounces appended; undefined when nothing expired.
   */
  expire(
    device: Device,
    dayFirst: number,
    rowsMax: number,
    now: { readonly storedAtMs: number; readonly day: number },
  ): readonly AppendedRow[] | undefined {
    const run: Record<string, unknown>[] = [];
    for (const row of this.#oldest.all(device.row, rowsMax)) {
      // Our own tombstone at the front joins the run whatever its age.
      const tombstone = run.length === 0 && row['kind'] === rowKinds.expired;
      if (!tombstone && Number(row['day']) >= dayFirst) break;
      run.push(row);
    }
    const [first] = run;
    const last = run.at(-1);
    if (first === undefined || last === undefined || (run.length === 1 && first['kind'] === rowKinds.expired))
      return undefined;

    let from = Number(first['seq']);
    let count = 0;
    const kept: { readonly group: GroupId; readonly payload: Uint8Array }[] = [];
    for (const row of run) {
      if (row['kind'] === rowKinds.bounce) {
        kept.push({ group: String(row['mls_group']) as GroupId, payload: this.#payloadOf(row) });
        continue;
      }
      if (row['kind'] !== rowKinds.expired) {
        count += 1;
        continue;
      }
      const before = control.Missing.decode(this.#payloadOf(row));
      from = Math.min(from, before.from);
      count += before.count;
    }
    const to = Number(last['seq']);
    this.ack(device, to);
    const payload = control.Missing.encode({ from, to, count }).finish();
    const { lastInsertRowid } = this.#insertBody.run(
      rowKinds.expired,
      1,
      0,
      now.day,
      now.storedAtMs,
      0,
      '',
      NO_GROUP,
      payload,
    );
    this.#insertRow.run(device.row, to, lastInsertRowid, payload.length);
    device.rows += 1;
    device.bytes += payload.length;
    this.#devices.touch(device);

    const told = new Set<string>();
    const bounces: AppendedRow[] = [];
    for (const row of kept) bounces.push(...this.#notify([device], { ...row, ...now }));
    for (const row of run) {
      if (!sendersHear.has(Number(row['kind']))) continue;
      const key = `${row['sender']} ${row['client']}`;
      if (row['shared'] === 1 || told.has(key)) continue;
      told.add(key);
      bounces.push(...this.#bounce(row, { from: device.account, cause: 'EXPIRED', ...now }));
    }
    return bounces;
  }

  #payloadOf(row: Record<string, unknown>): Uint8Array {
    return this.#payload.get(Number(row['body']))?.['payload'] as Uint8Array;
  }
}

/** 16 zero bytes. */
const NO_GROUP = 'A'.repeat(22);

function kindNamed(value: unknown): RowKind {
  const kind = kindOf.get(Number(value));
  if (kind === undefined) throw new Error('unknown row kind');
  return kind;
}
