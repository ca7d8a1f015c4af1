/** One fault after the other, each with its share of the time, and a table of what was survived. */
import type { Fault } from './fault.ts';
import { strike } from './fault.ts';

export interface TortureOptions {
  readonly minutes: number;
  readonly random: () => number;
  readonly write: (line: string) => void;
}

/** Stops at the first complaint. True when there was none. */
export async function torture(faults: readonly Fault[], { minutes, random, write }: TortureOptions): Promise<boolean> {
  const able = faults.filter((fault) => fault.unable() === undefined);
  const endMs = performance.now() + minutes * 60_000;
  write(row(['fault', 'faults', 'accepted', 'failed', 'lost', 'twice', 'seconds', '']));
  for (const fault of faults) {
    const why = fault.unable();
    if (why !== undefined) {
      write(row([fault.name, '-', '-', '-', '-', '-', '-', `skipped: ${why}`]));
      continue;
    }
    const from = performance.now();
    const share = Math.max(0, endMs - from) / (able.length - able.indexOf(fault));
    const { faults: count, summary } = await strike([fault], { untilMs: from + share, random });
    const sum = (kind: 'lost' | 'twice'): number =>
      summary.verdicts.reduce((total, verdict) => total + verdict[kind].length, 0);
    const numbers = [count, summary.accepted, summary.failed, sum('lost'), sum('twice')];
    const seconds = ((performance.now() - from) / 1000).toFixed(0);
    write(
      row([
        fault.name,
        ...numbers.map(String),
        seconds,
        summary.complaint ?? ['survived', summary.refusals].filter(Boolean).join('; '),
      ]),
    );
    if (summary.complaint !== undefined) return false;
  }
  return true;
}

const widths = [12, 7, 9, 7, 5, 6, 8, 0];

function row(cells: readonly string[]): string {
  return cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
}

/** mulberry32: numbers in [0, 1) from a seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
