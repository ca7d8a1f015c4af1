/** One server and two people who talk without pause, whatever happens to them; at the end they are asked what they hold. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { complaint, judge } from './oracle.ts';
import type { Outcome, Verdict } from './oracle.ts';
import { startRpc, startServer } from './process.ts';
import type { Params, Rpc, RunningServer, StartOptions } from './process.ts';

const password = 'pebbles on a windowsill';
const IN_FLIGHT_MAX = 8;
/** Between two messages of one person. */
const PACE_MS = 12;
/** How long everything may take to run again once the faults are over. */
const SETTLE_MS = 90_000;
const START_MS = 60_000;

const lifted = [
  'messagesPerSecond',
  'messagesBurst',
  'messagesPerDay',
  'framesPerSecond',
  'framesBurst',
  'connectsPerAddressPerSecond',
  'connectsPerAddressBurst',
  'lookupsPerHour',
  'lookupsPerDay',
  'loginsPerAddressPerMinute',
  'loginsPerAddressBurst',
].flatMap((name) => ['--limit', `${name}=1000000`]);

export type Who = 'server' | 'anna' | 'bert';

export interface Person {
  readonly name: 'anna' | 'bert';
  readonly home: string;
  rpc: Rpc | undefined;
  /** The process that is on its way to `rpc`. */
  entering: Rpc | undefined;
  /** Counts starts and kills: a start that a kill overtook gives up. */
  turn: number;
  /** Number of the last text said. */
  last: number;
  readonly told: Set<number>;
  readonly refused: Map<number, string>;
  readonly shown: number[];
  readonly gaps: string[];
  inFlight: number;
  /** Why it was logged out, which nothing here may cause. */
  ended: string | undefined;
}

export interface Settings {
  /** Where each keeps its files; a folder of the world when left out. */
  readonly homes?: Partial<Readonly<Record<Who, string>>>;
  readonly serverFlags?: readonly string[];
  /** What clients connect to instead of the server's own address; gets host:port of that. */
  readonly through?: (target: string) => Promise<string>;
}

export interface World {
  readonly folder: string;
  readonly people: readonly [Person, Person];
  homeOf(who: Who): string;
  /** kill -9; nothing when it is down. */
  kill(who: Who): Promise<void>;
  /** Starts it again; nothing when it runs. */
  revive(who: Who, options?: Omit<StartOptions, 'home'>, patienceMs?: number): Promise<void>;
  /** Messages accepted so far. */
  accepted(): number;
  /** Talks go on until so many more were accepted, or the time is over. */
  progress(count: number, ms: number): Promise<boolean>;
  /** Ends the talk, lets everything run, compares. */
  settle(): Promise<Summary>;
  remove(): Promise<void>;
}

export interface Summary {
  readonly verdicts: readonly Verdict[];
  readonly accepted: number;
  readonly failed: number;
  /** Why sends were refused, with how many. */
  readonly refusals: string;
  /** One line of what is wrong; undefined when nothing is. */
  readonly complaint: string | undefined;
}

export async function makeWorld(settings: Settings = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-torture-'));
  const homeOf = (who: Who): string => settings.homes?.[who] ?? join(folder, who);
  for (const who of ['server', 'anna', 'bert'] as const) mkdirSync(homeOf(who), { recursive: true, mode: 0o700 });
  const people: readonly [Person, Person] = [personOf('anna', homeOf('anna')), personOf('bert', homeOf('bert'))];
  const flags = ['--log-level', 'error', ...lifted, ...(settings.serverFlags ?? [])];
  const listen = ['--listen', '127.0.0.1:0', '--listen-tcp', '127.0.0.1:0'];
  let server: RunningServer | undefined = await startServer([...listen, ...flags], { home: homeOf('server') });
  const sameAddress = ['--listen', server.http, '--listen-tcp', server.tcp];
  const target = (await settings.through?.(server.http)) ?? server.http;
  const address = `ws://${target}#${server.fingerprint}`;
  let talking = false;
  let over = false;

  const enter = async (
    person: Person,
    options: Omit<StartOptions, 'home'>,
    patienceMs: number,
    invite?: string,
  ): Promise<void> => {
    const deadline = performance.now() + patienceMs;
    const turn = ++person.turn;
    for (;;) {
      const onTold = (method: string, params: Params): void => hear(person, method, params);
      const rpc = startRpc(address, { home: person.home, ...options, onTold });
      person.entering = rpc;
      try {
        const account = { username: person.name, password };
        const named = invite === undefined ? account : { ...account, invite };
        await rpc.call(invite === undefined ? 'login' : 'register', named);
        if (turn !== person.turn) throw new Error('GONE');
        person.rpc = rpc;
        return;
      } catch (error) {
        await rpc.kill();
        if (turn !== person.turn || performance.now() > deadline)
          throw new Error(`${person.name} cannot come back: ${String(error)} ${rpc.errors()}`, { cause: error });
        await sleep(200);
      }
    }
  };

  const peerOf = (person: Person): Person => (person === people[0] ? people[1] : people[0]);

  const talk = async (person: Person): Promise<void> => {
    while (!over) {
      await sleep(PACE_MS);
      const { rpc } = person;
      if (!talking || rpc === undefined || person.inFlight >= IN_FLIGHT_MAX) continue;
      const number = ++person.last;
      person.inFlight += 1;
      void rpc
        .call('send', { to: `@${peerOf(person).name}`, text: `${person.name} ${number}` })
        .then(({ state }) => state === 'sent' && person.told.add(number))
        .catch((error: Error) => error.message !== 'GONE' && person.refused.set(number, error.message))
        .finally(() => (person.inFlight -= 1));
    }
  };

  for (const person of people) await enter(person, {}, START_MS, server.invite);
  talking = true;
  const talks = people.map(talk);
  const accepted = (): number => people[0].told.size + people[1].told.size;

  const world: World = {
    folder,
    people,
    homeOf,
    accepted,
    async kill(who) {
      if (who === 'server') {
        const dying = server;
        server = undefined;
        return dying?.kill();
      }
      const person = people[who === 'anna' ? 0 : 1];
      const { rpc, entering } = person;
      person.rpc = undefined;
      person.turn += 1;
      await Promise.all([rpc?.kill(), entering?.kill()]);
    },
    async revive(who, options = {}, patienceMs = START_MS) {
      if (who !== 'server') {
        const person = people[who === 'anna' ? 0 : 1];
        if (person.rpc === undefined) await enter(person, options, patienceMs);
        return;
      }
      if (server !== undefined && server.child.exitCode === null && server.child.signalCode === null) return;
      server = await startServer([...sameAddress, ...flags], { home: homeOf('server'), ...options });
    },
    async progress(count, ms) {
      const [goal, deadline] = [accepted() + count, performance.now() + ms];
      while (accepted() < goal && performance.now() < deadline) await sleep(10);
      return accepted() >= goal;
    },
    async settle() {
      for (const who of ['server', 'anna', 'bert'] as const) await world.revive(who);
      await world.progress(10, 40_000);
      talking = false;
      const deadline = performance.now() + SETTLE_MS;
      let summary = await compare(people);
      while (summary.complaint !== undefined && performance.now() < deadline) {
        await sleep(250);
        summary = await compare(people);
      }
      return summary;
    },
    async remove() {
      over = true;
      await Promise.all(talks);
      for (const who of ['anna', 'bert', 'server'] as const) await world.kill(who);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}

function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

function personOf(name: Person['name'], home: string): Person {
  const nothing = { rpc: undefined, entering: undefined, turn: 0, last: 0, inFlight: 0, ended: undefined };
  return { name, home, ...nothing, told: new Set(), refused: new Map(), shown: [], gaps: [] };
}

function hear(person: Person, method: string, params: Params): void {
  if (method === 'message' && params['own'] !== true) person.shown.push(numberOf(params['text']));
  if (method === 'gap') person.gaps.push(`${String(params['missing'])} ${String(params['code'])}`);
  if (method === 'loggedOut') person.ended = String(params['code']);
}

function numberOf(text: unknown): number {
  return Number(String(text).split(' ')[1]);
}

interface Line {
  readonly id: string;
  readonly text: string;
  readonly own: boolean;
  readonly state?: string;
}

/** The whole conversation as this person's store has it, oldest first. */
async function historyOf({ rpc }: Person, peer: string): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (let before: string | undefined; ;) {
    const query = { with: `@${peer}`, limit: 100, ...(before !== undefined && { before }) };
    const page = (await rpc?.call('history', query))?.['messages'] as readonly Line[] | undefined;
    if (page === undefined || page.length === 0) return lines;
    lines.unshift(...page);
    before = page[0]?.id;
  }
}

async function compare(people: readonly [Person, Person]): Promise<Summary> {
  const [anna, bert] = people;
  const histories = await Promise.all([historyOf(anna, 'bert'), historyOf(bert, 'anna')]);
  const verdicts = [judgeOne(anna, bert, histories[0], histories[1]), judgeOne(bert, anna, histories[1], histories[0])];
  const faults = verdicts.map(complaint).map((text, at) => text && `${people[at]?.name ?? ''} → ${text}`);
  const ends = people.flatMap(({ name, ended }) => (ended === undefined ? [] : [`${name} was logged out: ${ended}`]));
  const all = [...faults.filter((text) => text !== undefined), ...ends];
  return {
    verdicts,
    accepted: verdicts.reduce((sum, verdict) => sum + verdict.accepted, 0),
    failed: verdicts.reduce((sum, verdict) => sum + verdict.failed, 0),
    refusals: tally(people.flatMap(({ refused }) => [...refused.values()])),
    complaint: all.length === 0 ? undefined : all.join(' | '),
  };
}

function judgeOne(from: Person, to: Person, own: readonly Line[], theirs: readonly Line[]): Verdict {
  const states = new Map(own.filter((line) => line.own).map(({ text, state }) => [numberOf(text), state]));
  const said = new Map<number, Outcome>();
  for (let number = 1; number <= from.last; number += 1) {
    const state = states.get(number);
    const refusal = from.refused.get(number);
    // After an IO error of the own disk it is stored or not, and nobody was told that it is not.
    const refused = refusal !== undefined && refusal !== 'OUTCOME_UNKNOWN' && state === undefined;
    const failed = state === 'failed' || refusal === 'PROFILE_UNWRITABLE' || refused;
    said.set(number, failed ? 'failed' : state === undefined ? 'unknown' : state === 'queued' ? 'queued' : 'accepted');
  }
  const stored = theirs.filter((line) => !line.own).map(({ text }) => numberOf(text));
  return judge({ said, told: from.told, stored, shown: to.shown, gaps: to.gaps });
}
