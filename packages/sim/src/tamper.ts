/** What a lying operator does to the database of the server while it is stopped. */
import type { DatabaseSync } from 'node:sqlite';
import { rowKinds } from '@securechat/wire';
import type { Chance } from './chance.ts';

export const tamperings = [
  'a row is taken out',
  'two rows change places',
  'a row comes a second time',
  'mailbox numbers go back',
  'submissions are forgotten',
] as const;
export type Tampering = (typeof tamperings)[number];

interface Row {
  readonly device: number;
  readonly seq: number;
  readonly body: number;
}

/** False where there was nothing to tamper with. */
export function tamper(db: DatabaseSync, how: Tampering, chance: Chance): boolean {
  switch (how) {
    case 'a row is taken out':
      return takeOut(db, chance);
    case 'two rows change places':
      return exchange(db, chance);
    case 'a row comes a second time':
      return repeat(db, chance);
    case 'mailbox numbers go back':
      return (
        db.prepare('UPDATE device SET mailbox_next = max(1, mailbox_next - ?) WHERE mailbox_rows = 0').run(2).changes >
        0
      );
    case 'submissions are forgotten':
      db.exec('DELETE FROM dedupe');
      return (
        db.prepare('UPDATE device SET submit_highest = max(1, submit_highest - 3) WHERE submit_highest > 0').run()
          .changes > 0
      );
  }
}

function waiting(db: DatabaseSync): readonly Row[] {
  const rows = db.prepare('SELECT device, seq, body FROM mailbox ORDER BY device, seq').all();
  return rows.map((row) => ({ device: Number(row['device']), seq: Number(row['seq']), body: Number(row['body']) }));
}

function one<T>(list: readonly T[], chance: Chance): T | undefined {
  return list[chance.between(0, list.length - 1)];
}

function takeOut(db: DatabaseSync, chance: Chance): boolean {
  const row = one(waiting(db), chance);
  if (row === undefined) return false;
  db.prepare('DELETE FROM mailbox WHERE device = ? AND seq = ?').run(row.device, row.seq);
  db.prepare('UPDATE device SET mailbox_rows = mailbox_rows - 1 WHERE row = ?').run(row.device);
  return true;
}

/** A commit or an invitation behind what needs it, where there is one. */
function exchange(db: DatabaseSync, chance: Chance): boolean {
  const rows = waiting(db);
  const kindOf = db.prepare('SELECT kind FROM body WHERE id = ?');
  const pairs = rows.flatMap((first, at) => {
    const second = rows[at + 1];
    return second?.device === first.device ? [{ first, second, kind: Number(kindOf.get(first.body)?.['kind']) }] : [];
  });
  const telling = pairs.filter(({ kind }) => kind !== rowKinds.message);
  const pair = one(telling.length > 0 ? telling : pairs, chance);
  if (pair === undefined) return false;
  const put = db.prepare('UPDATE mailbox SET body = ? WHERE device = ? AND seq = ?');
  put.run(pair.second.body, pair.first.device, pair.first.seq);
  put.run(pair.first.body, pair.second.device, pair.second.seq);
  return true;
}

function repeat(db: DatabaseSync, chance: Chance): boolean {
  const row = one(waiting(db), chance);
  if (row === undefined) return false;
  db.prepare(
    'INSERT INTO mailbox SELECT device, (SELECT mailbox_next FROM device WHERE row = ?1), body, bytes FROM mailbox WHERE device = ?1 AND seq = ?2',
  ).run(row.device, row.seq);
  db.prepare('UPDATE body SET mailbox_rows = mailbox_rows + 1 WHERE id = ?').run(row.body);
  db.prepare('UPDATE device SET mailbox_next = mailbox_next + 1, mailbox_rows = mailbox_rows + 1 WHERE row = ?').run(
    row.device,
  );
  return true;
}
