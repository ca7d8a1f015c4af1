/**
 * One conversation's way out. Messages leave in the order they were written; up to a few are on their way at once. After
 * a refusal nothing new is sealed until everything sent has been answered and the refusal is dealt with, so that order
 * holds whatever the server answers (docs/protocol/delivery.md). What to start is in plan-lane.ts, what a refusal means
 * in refuse-item.ts.
 *
 * Only an explicit refusal permits a new encryption. What was sent and not answered goes out again byte for byte.
 */
import type { ClientId, GroupId } from '@securechat/wire';
import { RETRY_MS_FIRST, retryDelayMs } from './backoff.ts';
import type { Effect } from './effect.ts';
import type { Item } from './item.ts';
import { withSealedState } from './item.ts';
import type { Lineage, SlotHolder } from './lineage.ts';
import { groupOf, withState } from './lineage.ts';

/** How long an invitation or a commit that the server speaks of may take to arrive before we act without it. */
export const AWAIT_MS = 15_000;
/** A server may ask for a longer pause; it is asked again all the same, so that no answer silences a conversation. */
export const RETRY_AFTER_MS_MAX = 10 * 60_000;

export interface Lane {
  readonly user: string;
  readonly items: readonly Item[];
  readonly lineage: Lineage;
  /** The shell is at work for this lane; nothing else is started. */
  readonly busy: boolean;
  /** A verified contact has a new identity: nothing is encrypted until a person looked at it. */
  readonly halted: boolean;
  readonly awaiting: Awaiting | undefined;
  /** What the server said holds the slot of this conversation. */
  readonly holder: SlotHolder | undefined;
  /** The peer's devices as known here are out of date. */
  readonly lookup: boolean;
  readonly pausedUntilMs: number;
  /** Refusals and failed preparations since the last acceptance. */
  readonly failures: number;
}

/** Something of the other side that is on its way to us and has to be read first. */
export type Awaiting =
  | { readonly kind: 'invitation'; readonly group: GroupId; readonly untilMs: number }
  | { readonly kind: 'commit'; readonly group: GroupId; readonly epoch: number; readonly untilMs: number };

export interface LaneStep {
  readonly lane: Lane;
  readonly effects: readonly Effect[];
}

export interface Moment {
  readonly nowMs: number;
  /** In [0, 1), fresh for every event. */
  readonly random: number;
}

export function emptyLane(user: string): Lane {
  return {
    user,
    items: [],
    lineage: [],
    busy: false,
    halted: false,
    awaiting: undefined,
    holder: undefined,
    lookup: false,
    pausedUntilMs: 0,
    failures: 0,
  };
}

/** The server took it: store that, then drop it from the queue. */
export function acceptItem(lane: Lane, item: Item, id: ClientId): LaneStep {
  const items = withItem(lane.items, withSealedState(item, 'answered'));
  const effect: Effect = { kind: 'settle', user: lane.user, order: item.order, id };
  return { lane: { ...lane, items, failures: 0, holder: undefined }, effects: [effect] };
}

/** `waitMs`: what the server asked for; 0 = it did not say. Several refusals of one burst count as one failure. */
export function pause(lane: Lane, moment: Moment, waitMs: number): Lane {
  const askedMs = Math.min(waitMs, RETRY_AFTER_MS_MAX);
  const delayMs =
    waitMs > 0 ? askedMs + Math.ceil(moment.random * RETRY_MS_FIRST) : retryDelayMs(lane.failures, moment.random);
  const again = lane.pausedUntilMs > moment.nowMs;
  return {
    ...lane,
    pausedUntilMs: Math.max(lane.pausedUntilMs, moment.nowMs + delayMs),
    failures: again ? lane.failures : lane.failures + 1,
  };
}

/** Time passed: a pause is over, a wait that led nowhere ends. */
export function tickLane(lane: Lane, moment: Moment): LaneStep {
  const { awaiting } = lane;
  const rested = lane.pausedUntilMs <= moment.nowMs ? { ...lane, pausedUntilMs: 0 } : lane;
  if (awaiting === undefined || moment.nowMs < awaiting.untilMs) return still(rested);
  const over = { ...rested, awaiting: undefined };
  if (awaiting.kind === 'invitation') return still(over);
  // The commit never came: this device cannot follow the group any more.
  const lineage = withState(lane.lineage, awaiting.group, 'dead');
  return { lane: { ...over, lineage }, effects: [{ kind: 'bury-group', user: lane.user, group: awaiting.group }] };
}

/** The conversation's groups changed; perhaps what was awaited is here. */
export function withLineage(lane: Lane, lineage: Lineage): Lane {
  const { awaiting, holder } = lane;
  const facts = groupOf(lineage, awaiting?.group);
  const here = awaiting?.kind === 'commit' ? (facts?.epoch ?? 0) >= awaiting.epoch : facts?.state === 'live';
  const joined = groupOf(lineage, holder?.group)?.state === 'live';
  return { ...lane, lineage, awaiting: here ? undefined : awaiting, holder: joined ? undefined : holder };
}

/** The connection ended: what was sent on it and not answered is open. */
export function disconnectLane(lane: Lane): Lane {
  if (!lane.items.some((item) => item.sealed?.state === 'sent')) return lane;
  const items = lane.items.map((item) => (item.sealed?.state === 'sent' ? withSealedState(item, 'stored') : item));
  return { ...lane, items };
}

/** A new connection: what is awaited has its full time again. */
export function reconnectLane(lane: Lane, moment: Moment): Lane {
  if (lane.awaiting === undefined) return lane;
  return { ...lane, awaiting: { ...lane.awaiting, untilMs: moment.nowMs + AWAIT_MS } };
}

/** When this lane has to be looked at again; undefined: only on an event. */
export function laneWakeMs(lane: Lane): number | undefined {
  const times = [
    ...(lane.awaiting === undefined ? [] : [lane.awaiting.untilMs]),
    ...(lane.items.length > 0 && lane.pausedUntilMs > 0 ? [lane.pausedUntilMs] : []),
  ];
  return times.length === 0 ? undefined : Math.min(...times);
}

export function withItem(items: readonly Item[], one: Item): readonly Item[] {
  return items.map((item) => (item.order === one.order ? one : item));
}

/** The shell is at work for the lane from now on. */
export function work(lane: Lane, effect: Effect): LaneStep {
  return { lane: { ...lane, busy: true }, effects: [effect] };
}

export function still(lane: Lane): LaneStep {
  return { lane, effects: [] };
}
