/** What every kind of fault is to the command: a reason why it cannot be had here, or a stage and rounds on it. */
import { spawnSync } from 'node:child_process';
import type { Settings, Summary, World } from './world.ts';
import { makeWorld } from './world.ts';

export interface Fault {
  readonly name: string;
  /** Why this machine cannot do it; undefined when it can. */
  unable(): string | undefined;
  prepare(random: () => number): Stage;
}

/** Where a world is put so that the fault can strike it. Stages of several faults go together. */
export interface Stage {
  readonly settings: Settings;
  /** Strikes, and waits until the world moves again; how many faults that were. */
  round(world: World): Promise<number>;
  remove(): void;
}

export interface Report {
  /** How many faults were done. */
  readonly faults: number;
  readonly summary: Summary;
}

/** Rounds of all of these in one world until `untilMs`, at least one of each; then the reckoning. Leaves nothing behind. */
export async function strike(
  faults: readonly Fault[],
  { untilMs, random }: { readonly untilMs: number; readonly random: () => number },
): Promise<Report> {
  const stages: Stage[] = [];
  let world: World | undefined;
  try {
    for (const fault of faults) stages.push(fault.prepare(random));
    world = await makeWorld(Object.assign({}, ...stages.map(({ settings }) => settings)) as Settings);
    let count = 0;
    for (let index = 0; index < stages.length || performance.now() < untilMs; index += 1)
      count += (await stages[index % stages.length]?.round(world)) ?? 0;
    return { faults: count, summary: await world.settle() };
  } finally {
    await world?.remove();
    for (const stage of stages) stage.remove();
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
