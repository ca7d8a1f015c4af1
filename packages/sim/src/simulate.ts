/** One run: the world of a seed, its plan, a quiet end, and the judgement. */
import type { MlsEngine } from '@securechat/e2ee';
import type { Limits } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { Chance } from './chance.ts';
import { chanceOf } from './chance.ts';
import { ClientNode } from './client-node.ts';
import { judge } from './judge.ts';
import { cast } from './people.ts';
import type { Action, Plan } from './plan.ts';
import type { Bug } from './planted.ts';
import { ServerNode } from './server-node.ts';
import { tamper } from './tamper.ts';
import { toyEngine } from './toy-engine.ts';
import { Witness } from './witness.ts';
import type { Memory, Violation } from './witness.ts';
import type { Life } from './world.ts';
import { fate, World } from './world.ts';

export interface RunOptions {
  readonly bug?: Bug;
  /** Keep every line of what happened. */
  readonly log?: boolean;
  /** Instead of the toy: slow, and not from the seed alone. */
  readonly engine?: () => MlsEngine;
}

export interface Outcome {
  readonly violations: readonly Violation[];
  /** Of everything that happened, in order. */
  readonly digest: string;
  readonly virtualMs: number;
  readonly moments: number;
  readonly messages: number;
  /** How often something happened. */
  readonly features: ReadonlyMap<string, number>;
  readonly log: readonly string[];
}

/** Everything has to be done this long after the last fault. */
const QUIET_MS_MAX = 20 * 60_000;
const LOOK_MS = 1000;
const DAY_MS = 24 * 60 * 60_000;
/** A founding that lay longer at its sender is made with keys that the other side has no more. */
const DAYS_MAX = 112;

/** Not every wait of real life: an hour's quota would only make a run long. */
function limitsOf(plan: Plan): Limits {
  const roomy = { lookupsPerHour: 10_000, lookupsPerDay: 100_000, keyPackageClaimsPerPairPerHour: 10_000 };
  const narrow = { mailboxRowsMax: 6, messagesBurst: 5, messagesPerSecond: 2, deliverRowsInFlightMax: 2 };
  return { ...defaultLimits, ...roomy, keyPackageClaimsPerTargetPerHour: 10_000, ...(plan.tight && narrow) };
}

/** Keys handed out by the engines of one process, to be zero once it was quiet. */
export interface WipeWatch {
  readonly life: Life;
  readonly arrays: Uint8Array[];
}

export async function simulate(plan: Plan, options: RunOptions = {}): Promise<Outcome> {
  const { bug } = options;
  const world = new World();
  const witness = new Witness(() => world.nowMs, options.log === true);
  const everybody = await cast(plan.people);
  const { people } = everybody;
  const chance = chanceOf(`${plan.seed}/run`);
  const spent = new Set<string>();
  const wipes: WipeWatch[] = [];
  const engineFor = (life: Life): MlsEngine => {
    if (options.engine !== undefined) return options.engine();
    const arrays: Uint8Array[] = [];
    wipes.push({ life, arrays });
    return toyEngine({
      spent: (key) => spent.add(`${life.name.split(' ')[0]} ${key}`),
      toWipe: (some) => arrays.push(...some),
    });
  };
  const limits = limitsOf(plan);
  const { seed } = plan;
  const server = new ServerNode({ world, chance: chance.fork('server'), seed, limits, cast: everybody, witness, bug });
  const clients = new Map(
    people.map((person) => {
      const parts = { world, chance: chance.fork(person.name), seed, person, server, witness, bug, engineFor };
      return [person.name, new ClientNode(parts)];
    }),
  );
  try {
    server.start();
    const registered = world.as(fate, () =>
      Promise.all([server.register(people), ...[...clients.values()].map((one) => one.install())]),
    );
    await world.run(1000);
    await registered;
    for (const client of clients.values()) world.as(fate, () => client.start());
    await world.run(4000);

    const copies: Copies = { clients: new Map(), server: undefined };
    for (const [index, { afterMs, action }] of plan.steps.entries()) {
      await world.run(world.nowMs + afterMs);
      witness.note(`step ${index} ${JSON.stringify(action)}`);
      world.as(fate, () => perform(action, { world, witness, server, clients, chance, copies }));
      if (action.kind === 'sleep') await world.run(world.nowMs + action.ms);
    }
    await world.run(world.nowMs + 100);
    world.as(fate, () => heal(server, clients));
    const quiet = await untilQuiet(world, server, clients);
    if (quiet !== undefined) witness.fail('never-quiet', quiet);
    else await judge({ world, witness, clients, spent, wipes, engineFor });
  } finally {
    for (const client of clients.values()) world.as(fate, () => client.crash(0));
    server.crash(0);
    await world.settle();
    server.disk.close();
  }
  return {
    violations: witness.violations,
    digest: witness.digest,
    virtualMs: world.nowMs,
    moments: world.moments,
    messages: witness.sayings.length,
    features: witness.features,
    log: witness.log,
  };
}

interface Stage {
  readonly world: World;
  readonly witness: Witness;
  readonly server: ServerNode;
  readonly clients: ReadonlyMap<string, ClientNode>;
  readonly chance: Chance;
  readonly copies: Copies;
}

interface Copies {
  readonly clients: Map<string, ReturnType<ClientNode['disk']['copy']>>;
  server: { readonly image: ReturnType<ServerNode['disk']['copy']>; readonly memory: Memory } | undefined;
}

function perform(action: Action, { world, witness, server, clients, chance, copies }: Stage): void {
  const client = 'who' in action ? clients.get(action.who) : undefined;
  switch (action.kind) {
    case 'send':
      clients.get(action.from)?.send(action.to, Witness.mark(witness.sayings.length), action.onlineOnly);
      return;
    case 'renew':
      client?.renewKeys(action.with);
      if (action.both) clients.get(action.with)?.renewKeys(action.who);
      return;
    case 'crash':
      client?.crash(action.deafMs);
      world.after(action.downMs, fate, () => client?.start());
      return;
    case 'stop':
      client?.stop();
      world.after(action.downMs, fate, () => client?.start());
      return;
    case 'cut':
      client?.cut({ client: action.clientMs, server: action.serverMs });
      return;
    case 'partition':
      client?.partition(action.ms);
      return;
    case 'road':
      if (client !== undefined) Object.assign(client.road, { latencyMsMin: action.minMs, latencyMsMax: action.maxMs });
      return;
    case 'server-crash':
      server.crash(action.deafMs);
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'server-stop':
      server.stop();
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'server-full':
      server.disk.faults.fullUntilMs = world.nowMs + action.ms;
      return;
    case 'server-io-error':
      server.disk.faults.failNext = true;
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'disk-full':
      if (client !== undefined) client.disk.faults.fullUntilMs = world.nowMs + action.ms;
      return;
    case 'disk-io-error':
      if (client !== undefined) client.disk.faults.failNext = true;
      return;
    case 'skew':
      if (client !== undefined) client.skewMs = action.byMs;
      return;
    case 'server-skew':
      server.skewMs = action.byMs;
      void server.maintain().catch(() => undefined);
      return;
    case 'block':
      if (action.blocked) witness.blocked.add(`${action.who} ${action.whom}`);
      client?.block(action.whom, action.blocked);
      return;
    case 'copy':
      if (client !== undefined) copies.clients.set(action.who, client.disk.copy());
      return;
    case 'put-back': {
      const copy = copies.clients.get(action.who);
      if (client === undefined || copy === undefined || client.over !== undefined) return;
      client.crash(20);
      client.disk.restore(copy);
      witness.rolledBack.add(action.who);
      world.after(500, fate, () => client.start());
      return;
    }
    case 'delete-account':
      if (client === undefined || client.over !== undefined || !server.isUp) return;
      witness.deleted.add(action.who);
      server.deleteAccount(client.person, client.device);
      return;
    case 'sleep':
      return;
    case 'days':
      if (world.daysMs + action.count * DAY_MS > DAYS_MAX * DAY_MS) return;
      world.daysMs += action.count * DAY_MS;
      witness.expired ||= world.daysMs >= defaultLimits.mailboxDays * DAY_MS;
      void server.maintain().catch(() => undefined);
      return;
    case 'file': {
      const content = Buffer.alloc(action.bytes, `${witness.offers.length} `);
      clients.get(action.from)?.offerFile(action.to, `file-${witness.offers.length}.bin`, content);
      return;
    }
    case 'reset':
      client?.resetKeys();
      return;
    case 'server-copy':
      if (server.isUp) copies.server = { image: server.disk.copy(), memory: witness.memory() };
      return;
    case 'server-put-back': {
      const { server: copy } = copies;
      if (copy === undefined) return;
      server.meddle(() => {
        server.disk.restore(copy.image, action.as);
        witness.rewind(copy.memory);
        witness.copied ||= action.as === 'copied';
        witness.count(`server ${action.as}`);
      });
      return;
    }
    case 'lie':
      server.liar.tell(action.how);
      return;
    case 'tamper':
      server.meddle(() => {
        if (tamper(server.disk.db, action.how, chance)) witness.lied(action.how);
      });
      return;
  }
}

/** No more faults; everybody is there again. */
function heal(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): void {
  Object.assign(server.disk.faults, { fullUntilMs: 0, failNext: false });
  server.liar.tell(undefined);
  server.start();
  for (const client of clients.values()) {
    Object.assign(client.disk.faults, { fullUntilMs: 0, failNext: false });
    Object.assign(client.road, { latencyMsMin: 1, latencyMsMax: 30, blockedUntilMs: 0 });
    client.start();
  }
}

/** Undefined once everything sent has been answered and read; what is not, after a bounded time. */
async function untilQuiet(
  world: World,
  server: ServerNode,
  clients: ReadonlyMap<string, ClientNode>,
): Promise<string | undefined> {
  const endMs = world.nowMs + QUIET_MS_MAX;
  let busy: string | undefined = '';
  for (let quietLooks = 0; quietLooks < 4 && world.nowMs < endMs;) {
    await world.run(world.nowMs + LOOK_MS);
    busy = unrest(server, clients);
    quietLooks = busy === undefined ? quietLooks + 1 : 0;
    if (busy !== undefined) world.as(fate, () => restartDown(server, clients));
  }
  return busy;
}

/** A crash of the last moments may have come after healing. */
function restartDown(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): void {
  server.start();
  for (const client of clients.values()) client.start();
}

function unrest(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): string | undefined {
  if (!server.isUp) return 'the server is down';
  for (const [name, client] of clients) {
    if (client.over !== undefined) continue;
    const engine = client.running?.engine;
    if (engine === undefined) return `${name} is down`;
    if (engine.connection !== 'online') return `${name} is ${engine.connection}`;
    if (engine.unsent > 0) return `${name} has ${engine.unsent} unsent`;
    const { outbox } = engine.ledger;
    const open = [...outbox.values()].filter(({ acceptedMs }) => acceptedMs === 0);
    if (open.length > 0) return `${name} has ${open.length} open: ${open.map(({ kind }) => kind).join()}`;
    const underWay = [...engine.ledger.transfers.values()].filter(
      ({ stage }) => stage === 'sending' || stage === 'fetching',
    );
    if (underWay.length > 0) return `${name} has ${underWay.length} files under way`;
    const row = server.disk.db.prepare('SELECT mailbox_rows AS waiting FROM device WHERE id = ? AND ended = 0');
    const waiting = Number(row.get(client.device)?.['waiting'] ?? 0);
    if (waiting > 0) return `${waiting} rows wait for ${name}`;
  }
  return undefined;
}
