/** What happens in a run: drawn from the seed beforehand, so that a failure can be told again with fewer steps. */
import type { Chance } from './chance.ts';
import { chanceOf } from './chance.ts';
import type { Lie } from './liar.ts';
import { lies } from './liar.ts';
import { NAMES } from './people.ts';
import type { Tampering } from './tamper.ts';
import { tamperings } from './tamper.ts';

export type Action =
  | { readonly kind: 'send'; readonly from: string; readonly to: string; readonly onlineOnly: boolean }
  | { readonly kind: 'renew'; readonly who: string; readonly with: string; readonly both: boolean }
  | { readonly kind: 'crash'; readonly who: string; readonly downMs: number; readonly deafMs: number }
  | { readonly kind: 'stop'; readonly who: string; readonly downMs: number }
  | { readonly kind: 'cut'; readonly who: string; readonly clientMs: number; readonly serverMs: number }
  | { readonly kind: 'partition'; readonly who: string; readonly ms: number }
  | { readonly kind: 'road'; readonly who: string; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: 'server-crash'; readonly downMs: number; readonly deafMs: number }
  | { readonly kind: 'server-stop'; readonly downMs: number }
  | { readonly kind: 'server-full'; readonly ms: number }
  | { readonly kind: 'server-io-error'; readonly downMs: number }
  | { readonly kind: 'disk-full'; readonly who: string; readonly ms: number }
  | { readonly kind: 'disk-io-error'; readonly who: string }
  | { readonly kind: 'skew'; readonly who: string; readonly byMs: number }
  | { readonly kind: 'server-skew'; readonly byMs: number }
  | { readonly kind: 'block'; readonly who: string; readonly whom: string; readonly blocked: boolean }
  | { readonly kind: 'copy'; readonly who: string }
  | { readonly kind: 'put-back'; readonly who: string }
  | { readonly kind: 'delete-account'; readonly who: string }
  | { readonly kind: 'sleep'; readonly ms: number }
  /** On every clock, without anything happening meanwhile. */
  | { readonly kind: 'days'; readonly count: number }
  | { readonly kind: 'file'; readonly from: string; readonly to: string; readonly bytes: number }
  | { readonly kind: 'reset'; readonly who: string }
  /** The profile is lost, or `stolen` and still running; the recovery words make another one. */
  | { readonly kind: 'recover'; readonly who: string; readonly stolen: boolean }
  | { readonly kind: 'server-copy' }
  | { readonly kind: 'server-put-back'; readonly as: 'restored' | 'copied' }
  | { readonly kind: 'lie'; readonly how: Lie }
  | { readonly kind: 'tamper'; readonly how: Tampering };

export interface Step {
  /** After the step before it. */
  readonly afterMs: number;
  readonly action: Action;
}

export interface Plan {
  readonly seed: string;
  readonly people: readonly string[];
  /** Who talks to whom. */
  readonly conversations: readonly (readonly [string, string])[];
  /** Limits of the server that are narrower than in life. */
  readonly tight: boolean;
  readonly steps: readonly Step[];
}

const MEGABYTE = 1_048_576;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export function planOf(seed: string, count: number): Plan {
  const chance = chanceOf(seed);
  const people = NAMES.slice(0, chance.between(2, NAMES.length));
  const conversations = Array.from({ length: chance.between(1, 3) }, (): [string, string] => {
    const from = chance.between(0, people.length - 1);
    const to = (from + chance.between(1, people.length - 1)) % people.length;
    return [people[from] ?? 'alice', people[to] ?? 'bob'];
  });
  // Not every trouble in every run: few at a time go deeper. A server that lies, or was put back, is judged by other rules.
  const dishonest = chance.oneIn(8) ? chance.pick([lying, puttingBack]) : [];
  // Nobody can tell an old copy of a profile from a server that forgets: not both in one run.
  const honest = kinds.filter((kind) => chance.oneIn(4) && (kind !== oldCopies || dishonest.length === 0));
  const troubles = [...honest, ...dishonest];
  const tempoMs = chance.pick([20, 150, 1500]);
  const talk = chance.between(40, 85);
  const draw = { chance, conversations, people };
  const steps = Array.from({ length: count }, (): Step => {
    const trouble = troubles[chance.between(0, Math.max(0, troubles.length - 1))];
    const calm = trouble === undefined || chance.between(0, 99) < talk;
    return { afterMs: chance.between(0, tempoMs), action: calm ? send(draw) : trouble(draw) };
  });
  return { seed, people, conversations, tight: chance.oneIn(6), steps: recoveries(seed, steps, conversations) };
}

/** In few runs, in place of other steps: drawn apart, so that every other run stays what it was. */
function recoveries(seed: string, steps: readonly Step[], conversations: Plan['conversations']): readonly Step[] {
  const chance = chanceOf(`${seed}/recoveries`);
  if (!chance.oneIn(8)) return steps;
  const some = new Set(Array.from({ length: chance.between(1, 3) }, () => chance.between(0, steps.length - 1)));
  return steps.map((step, at): Step => {
    if (!some.has(at)) return step;
    const [who] = pair({ chance, conversations });
    return { ...step, action: { kind: 'recover', who, stolen: chance.oneIn(2) } };
  });
}

interface Draw {
  readonly chance: Chance;
  readonly people: readonly string[];
  readonly conversations: readonly (readonly [string, string])[];
}

function pair({ chance, conversations }: Pick<Draw, 'chance' | 'conversations'>): readonly [string, string] {
  const [a, b] = conversations[chance.between(0, conversations.length - 1)] ?? ['alice', 'bob'];
  return chance.oneIn(2) ? [a, b] : [b, a];
}

function somebody(draw: Draw): string {
  return pair(draw)[0];
}

function send(draw: Draw): Action {
  const [from, to] = pair(draw);
  return { kind: 'send', from, to, onlineOnly: draw.chance.oneIn(40) };
}

/** A moment, or so long that it is taken for dead. */
function deaf({ chance }: Draw): number {
  return chance.oneIn(3) ? chance.between(1000, MINUTE_MS) : chance.between(1, 50);
}

function down({ chance }: Draw): number {
  return chance.pick([chance.between(1, 100), chance.between(100, 5000), chance.between(1000, MINUTE_MS)]);
}

function oldCopies(draw: Draw): Action {
  return { kind: draw.chance.oneIn(2) ? 'copy' : 'put-back', who: somebody(draw) };
}

const lying: readonly ((draw: Draw) => Action)[] = [
  ({ chance }) => ({ kind: 'lie', how: chance.pick(lies) }),
  ({ chance }) => ({ kind: 'tamper', how: chance.pick(tamperings) }),
];

const puttingBack: readonly ((draw: Draw) => Action)[] = [
  ({ chance }) =>
    chance.oneIn(2) ? { kind: 'server-copy' } : { kind: 'server-put-back', as: chance.pick(['restored', 'copied']) },
];

const kinds: readonly ((draw: Draw) => Action)[] = [
  (draw) => ({ kind: 'crash', who: somebody(draw), downMs: down(draw), deafMs: deaf(draw) }),
  (draw) => ({ kind: 'crash', who: somebody(draw), downMs: 10, deafMs: deaf(draw) }),
  (draw) => ({ kind: 'stop', who: somebody(draw), downMs: 200 + down(draw) }),
  (draw) => ({ kind: 'cut', who: somebody(draw), clientMs: draw.chance.between(1, 40), serverMs: deaf(draw) }),
  (draw) => ({ kind: 'cut', who: somebody(draw), clientMs: deaf(draw), serverMs: draw.chance.between(1, 40) }),
  (draw) => ({ kind: 'partition', who: somebody(draw), ms: draw.chance.between(100, 2 * MINUTE_MS) }),
  (draw) => {
    const minMs = draw.chance.between(0, 400);
    return { kind: 'road', who: somebody(draw), minMs, maxMs: minMs + draw.chance.between(0, 3000) };
  },
  (draw) => ({ kind: 'server-crash', downMs: down(draw), deafMs: deaf(draw) }),
  (draw) => ({ kind: 'server-stop', downMs: 600 + down(draw) }),
  (draw) => ({ kind: 'server-full', ms: draw.chance.between(10, 10_000) }),
  (draw) => ({ kind: 'server-io-error', downMs: down(draw) }),
  (draw) => ({ kind: 'disk-full', who: somebody(draw), ms: draw.chance.between(10, 10_000) }),
  (draw) => ({ kind: 'disk-io-error', who: somebody(draw) }),
  (draw) => ({ kind: 'skew', who: somebody(draw), byMs: draw.chance.between(-3 * DAY_MS, 3 * DAY_MS) }),
  (draw) => ({ kind: 'server-skew', byMs: draw.chance.pick([-31, 0, 31, 62]) * DAY_MS }),
  (draw) => {
    const [who, whom] = pair(draw);
    return { kind: 'renew', who, with: whom, both: draw.chance.oneIn(2) };
  },
  (draw) => {
    const [who, whom] = pair(draw);
    return { kind: 'block', who, whom, blocked: draw.chance.oneIn(2) };
  },
  oldCopies,
  (draw) => (draw.chance.oneIn(12) ? { kind: 'delete-account', who: somebody(draw) } : send(draw)),
  (draw) => ({ kind: 'sleep', ms: draw.chance.between(1000, 5 * MINUTE_MS) }),
  (draw) => ({ kind: 'days', count: draw.chance.pick([1, 7, 16, 31]) }),
  (draw) => (draw.chance.oneIn(6) ? { kind: 'reset', who: somebody(draw) } : send(draw)),
  (draw) => {
    const [from, to] = pair(draw);
    const bytes = draw.chance.oneIn(30) ? MEGABYTE + 1000 : draw.chance.between(0, draw.chance.pick([100, 200_000]));
    return { kind: 'file', from, to, bytes };
  },
];
