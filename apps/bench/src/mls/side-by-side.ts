/**
 * `npm run bench -- mls`: our MLS and ts-mls with the best provider we can give it, operation by operation in one run.
 * Milliseconds of processor time in the one thread both use, medians of rounds in which both take turns.
 */
import type { Row } from '../report.ts';
import { median } from '../report.ts';
import type { Lane } from './lane.ts';
import { ownLane } from './own-lane.ts';
import { tsMlsLane } from './ts-mls-lane.ts';

/** For both lanes; not counted. */
const WARM_UP_ROUNDS = 2;

const XWING = 0x53;
const X25519 = 1;

interface Figures {
  readonly joinMs: number;
  readonly encryptMs: number;
  readonly decryptMs: number;
  readonly commitMs: number;
  readonly processMs: number;
  readonly storedBytes: number;
}

interface Group {
  readonly suite: number;
  readonly size: number;
  /** In each round. */
  readonly messages: number;
  readonly commits: number;
}

/** Enough of them that the compiler is done in the first rounds. */
const two: Group = { suite: XWING, size: 2, messages: 1500, commits: 100 };
const hundred: Group = { suite: XWING, size: 100, messages: 50, commits: 3 };
const hundredClassic: Group = { suite: X25519, size: 100, messages: 50, commits: 3 };
const thousand: Group = { suite: X25519, size: 1000, messages: 20, commits: 2 };

/** `reach`: the aim (issue 4), of both operations of a row. */
const table: readonly { name: string; group: Group; figure: keyof Figures; reach: number }[] = [
  { name: 'encrypt 200 bytes, 2 members, X-Wing, ms', group: two, figure: 'encryptMs', reach: 0.06 },
  { name: 'decrypt 200 bytes, 2 members, X-Wing, ms', group: two, figure: 'decryptMs', reach: 0.08 },
  { name: 'commit, 2 members, X-Wing, ms', group: two, figure: 'commitMs', reach: 1.5 },
  { name: 'process, 2 members, X-Wing, ms', group: two, figure: 'processMs', reach: 1 },
  { name: 'commit, 100 members, X-Wing, ms', group: hundred, figure: 'commitMs', reach: 40 },
  { name: 'process, 100 members, X-Wing, ms', group: hundred, figure: 'processMs', reach: 6 },
  { name: 'join, 100 members, suite 1, ms', group: hundredClassic, figure: 'joinMs', reach: 20 },
  { name: 'join, 1,000 members, suite 1, ms', group: thousand, figure: 'joinMs', reach: 150 },
  { name: 'commit, 1,000 members, suite 1, ms', group: thousand, figure: 'commitMs', reach: 200 },
  { name: 'process, 1,000 members, suite 1, ms', group: thousand, figure: 'processMs', reach: 12 },
  { name: 'stored per message, 1,000 members, bytes', group: thousand, figure: 'storedBytes', reach: 400 },
];

export async function mlsRows(rounds: number, say: (what: string) => void): Promise<readonly Row[]> {
  const measured = new Map<Group, Map<string, Figures>>();
  for (const group of new Set(table.map((row) => row.group))) {
    say(`${group.size} members, suite ${group.suite}`);
    measured.set(group, await inTurns(group, rounds));
  }
  return table.map(({ name, group, figure, reach }) => {
    const of = (lane: Lane): number => measured.get(group)?.get(lane.name)?.[figure] ?? NaN;
    const [ours, theirs] = [of(ownLane), of(tsMlsLane)];
    return { name, figures: { ours, 'ts-mls': theirs, times: theirs / ours, reach } };
  });
}

async function inTurns(group: Group, rounds: number): Promise<Map<string, Figures>> {
  const lanes = [ownLane, tsMlsLane];
  const founded = new Map(
    await Promise.all(lanes.map(async (lane) => [lane, await lane.found(group.suite, group.size)] as const)),
  );
  const runs = new Map(lanes.map((lane) => [lane, [] as Figures[]]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1)
    for (const [lane, { join }] of founded) {
      const figures = await measure(join, group);
      if (round >= 0) runs.get(lane)?.push(figures);
    }
  return new Map([...runs].map(([{ name }, figures]) => [name, middle(figures)]));
}

async function measure(join: Awaited<ReturnType<Lane['found']>>['join'], group: Group): Promise<Figures> {
  const opened = await timed(1, join);
  const [talk] = opened.results;
  if (talk === undefined) throw new Error('nobody joined');
  const plaintext = new Uint8Array(200).fill(0x61);
  const sent = await timed(group.messages, () => talk.encrypt(plaintext));
  const read = await timed(group.messages, (at) => talk.decrypt(sent.results[at] ?? plaintext));
  const storedBytes = await talk.storedPerMessage();
  const made = await timed(group.commits, () => talk.commit());
  const followed = await timed(group.commits, (at) => talk.process(made.results[at] ?? plaintext));
  return {
    joinMs: opened.ms,
    encryptMs: sent.ms,
    decryptMs: read.ms,
    commitMs: made.ms,
    processMs: followed.ms,
    storedBytes,
  };
}

/** Processor time of this thread for each call. */
async function timed<T>(
  count: number,
  run: (at: number) => Promise<T>,
): Promise<{ readonly ms: number; readonly results: readonly T[] }> {
  const results: T[] = [];
  const start = process.threadCpuUsage();
  for (let at = 0; at < count; at += 1) results.push(await run(at));
  const { user, system } = process.threadCpuUsage(start);
  return { ms: (user + system) / 1000 / count, results };
}

function middle(figures: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(figures.map((one) => one[key]));
  return {
    joinMs: of('joinMs'),
    encryptMs: of('encryptMs'),
    decryptMs: of('decryptMs'),
    commitMs: of('commitMs'),
    processMs: of('processMs'),
    storedBytes: of('storedBytes'),
  };
}
