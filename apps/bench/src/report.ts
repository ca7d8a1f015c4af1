/** What was measured, as a table for people and as JSON for comparing. */
import { cpus, release } from 'node:os';

export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, number>>;
}

/** Columns: the name of a figure ends in its unit, which decides the digits shown. */
export function tableOf(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const lines = [
    ['', ...columns],
    ...rows.map((row) => [row.name, ...columns.map((column) => shown(row.figures[column]))]),
  ];
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    .join('\n');
}

function shown(value: number | undefined): string {
  if (value === undefined) return '';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** The middle of several runs: one disturbed run does not move it. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** One row of the medians of several rows that have the same figures. */
export function medianRow(name: string, runs: readonly Readonly<Record<string, number>>[]): Row {
  const keys = Object.keys(runs[0] ?? {});
  return { name, figures: Object.fromEntries(keys.map((key) => [key, median(runs.map((run) => run[key] ?? NaN))])) };
}

/** Where the figures come from; without names of machines or people. */
export function machine(): Readonly<Record<string, string | number>> {
  return {
    node: process.versions.node,
    platform: process.platform,
    kernel: release(),
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? '',
  };
}
