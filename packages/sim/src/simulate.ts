/** One run: the world of a seed, its plan, a quiet end, and the judgement. */
import type { MlsEngine } from '@securechat/e2ee';
import type { Limits } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import { chanceOf } from './chance.ts';
import { ClientNode } from './client-node.ts';
import { judge } from './judge.ts';
import { cast } from './people.ts';
import type { Copies } from './perform.ts';
import { perform } from './perform.ts';
import type { Plan } from './plan.ts';
import type { Bug } from './planted.ts';
import { heal, untilQuiet } from './quiet.ts';
import { ServerNode } from './server-node.ts';
import { toyEngine } from './toy-engine.ts';
import { Witness } from './witness.ts';
import type { Violation } from './witness.ts';
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
    for (const client of clients.values()) world.as(fate, () => client.dispose());
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
