/** What every kind of fault is to the command: a reason why it cannot be had here, or rounds of it until the time is over. */
import { spawnSync } from 'node:child_process';
import type { Summary, World } from './world.ts';

export interface Fault {
  readonly name: string;
  /** Why this machine cannot do it; undefined when it can. */
  skip(): string | undefined;
  run(budget: Budget): Promise<Report>;
}

export interface Budget {
  /** `performance.now()` at which no new round begins; a first round always runs. */
  readonly untilMs: number;
  readonly random: () => number;
}

export interface Report {
  /** How many faults were done. */
  readonly faults: number;
  readonly summary: Summary;
}

/** Rounds in a world until the time is over, then the reckoning. The world is removed whatever happens. */
export async function rounds(
  world: World,
  budget: Budget,
  round: (world: World, index: number) => Promise<number>,
): Promise<Report> {
  try {
    let faults = 0;
    for (let index = 0; index === 0 || performance.now() < budget.untilMs; index += 1)
      faults += await round(world, index);
    return { faults, summary: await world.settle() };
  } finally {
    await world.remove();
  }
}

/** True when the program can be run. */
export function has(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Runs to the end; throws with what it printed. */
export function must(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

export function between(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from));
}

export function oneOf<const T>(random: () => number, all: readonly [T, ...T[]]): T {
  return all[between(random, 0, all.length)] ?? all[0];
}
