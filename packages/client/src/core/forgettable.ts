import type { OutboxRecord } from './record-outbox.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/**
 * Accepted messages of which nothing came back, neither receipt nor bounce. The server keeps them for 30 days of its own
 * running, which may take any number of ours: it was switched off, or this clock went wrong.
 */
const ACCEPTED_DAYS_MAX = 400;
/** About 200 bytes each, in memory and on disk: those to somebody who blocked us quietly gather. */
export const ACCEPTED_ROWS_MAX = 10_000;

/** Orders of the accepted rows that are kept no longer: too old, or the oldest of too many. */
export function forgettable(rows: Iterable<OutboxRecord>, nowMs: number): readonly number[] {
  const accepted = [...rows].filter(({ acceptedMs }) => acceptedMs > 0).sort((a, b) => a.order - b.order);
  const tooMany = accepted.length - ACCEPTED_ROWS_MAX;
  const before = nowMs - ACCEPTED_DAYS_MAX * DAY_MS;
  return accepted.filter(({ acceptedMs }, at) => at < tooMany || acceptedMs < before).map(({ order }) => order);
}
