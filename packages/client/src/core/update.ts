/**
 * The client's decisions: `update(state, event, moment)` gives the next state and what to do. Pure and synchronous; the
 * shell does what the effects say and tells what came of it.
 */
import type { ClientId } from '@securechat/wire';
import { isPassing } from './answers.ts';
import { updateConnection } from './connection.ts';
import type { ConnectionEvent } from './connection.ts';
import type { Effect } from './effect.ts';
import type { Item, Sealed } from './item.ts';
import type { Lane, LaneStep, Moment } from './lane.ts';
import {
  acceptItem,
  disconnectLane,
  emptyLane,
  laneWakeMs,
  pause,
  reconnectLane,
  tickLane,
  withLineage,
} from './lane.ts';
import { planLane } from './plan-lane.ts';
import { refuseItem } from './refuse-item.ts';
import type { Event, State } from './state.ts';
import { mayWrite, withLane } from './state.ts';
import { submitEligible } from './submit-eligible.ts';

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export function update(state: State, event: Event, moment: Moment): Step {
  const step = react(state, event, moment);
  const planned = step.touched === 'none' ? step : plan(step, moment);
  const sent = submitEligible(planned.state);
  return { state: sent.state, effects: [...planned.effects, ...sent.effects] };
}

/** When to send a `tick` at the latest; undefined: no time is awaited. */
export function nextWakeMs(state: State): number | undefined {
  const times = state.connection.kind === 'waiting' ? [state.connection.untilMs] : [];
  if (state.connection.kind === 'online')
    for (const lane of state.lanes.values()) {
      const atMs = laneWakeMs(lane);
      if (atMs !== undefined) times.push(atMs);
    }
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Messages and file steps that the server has not accepted yet. */
export function unsentCount(state: State): number {
  let count = 0;
  for (const lane of state.lanes.values())
    for (const item of lane.items) if (item.kind === 'message' || item.kind === 'file') count += 1;
  return count;
}

interface Reaction extends Step {
  readonly touched: 'none' | 'all' | string;
}

function react(state: State, event: Event, moment: Moment): Reaction {
  switch (event.kind) {
    case 'start':
    case 'stop':
      return { ...connection(state, event), touched: 'none' };
    case 'closed': {
      const lanes = eachLane(state, (lane) => ({ lane: disconnectLane(lane), effects: [] }));
      return { ...connection(lanes.state, { ...event, ...moment }), touched: 'none' };
    }
    case 'opened': {
      const lanes = eachLane(state, (lane) => ({ lane: reconnectLane(lane, moment), effects: [] }));
      const opened = connection(lanes.state, { kind: 'opened', nowMs: moment.nowMs });
      const { rolledBack, reading } = event;
      return { ...opened, state: { ...opened.state, rolledBack, reading }, touched: 'all' };
    }
    case 'caught-up':
      return { state: { ...state, reading: false }, effects: [], touched: 'all' };
    case 'tick': {
      const ticked = connection(state, { kind: 'tick', nowMs: moment.nowMs });
      if (ticked.state.connection.kind !== 'online') return { ...ticked, touched: 'none' };
      const lanes = eachLane(ticked.state, (lane) => tickLane(lane, moment));
      return { state: lanes.state, effects: [...ticked.effects, ...lanes.effects], touched: 'all' };
    }
    case 'loaded': {
      const lanes = event.lanes.map(
        (loaded) => [loaded.user, { ...emptyLane(loaded.user), ...loaded, items: inOrder(loaded.items) }] as const,
      );
      return {
        state: { ...state, ownDevice: event.device, lanes: new Map(lanes) },
        effects: [],
        touched: 'none',
      };
    }
    case 'queued': {
      const wanted = connection(state, { kind: 'wanted', ...moment });
      return inLane(wanted.state, event.item.user, (lane) => enqueue(lane, event.item));
    }
    case 'sealed':
      return inLane(state, event.user, (lane) => {
        const found = new Map(event.sealed.map(({ order, sealed }) => [order, sealed]));
        const kept = lane.items.filter(({ order }) => !event.dropped.includes(order));
        const items = takeSealed(kept, found);
        return { lane: withLineage({ ...lane, items, busy: false, lookup: false }, event.lineage), effects: [] };
      });
    case 'seal-failed':
      return inLane(state, event.user, (lane) => sealFailed({ ...lane, busy: false }, event, moment));
    case 'stale':
      return inLane(state, event.user, (lane) => {
        const items = lane.items.filter(({ order }) => !event.dropped.includes(order));
        const next = withLineage({ ...lane, items, busy: false }, event.lineage);
        // Nothing changed: what holds it up waits for the disk. At once again would leave no time for that, or anything.
        const stuck = event.lineage === lane.lineage && items.length === lane.items.length;
        return { lane: stuck ? pause(next, moment, 0) : next, effects: [] };
      });
    case 'lineage':
      return inLane(state, event.user, (lane) => ({ lane: withLineage(lane, event.lineage), effects: [] }));
    case 'halted':
      return inLane(state, event.user, (lane) => halt(lane, event.halted));
    case 'accepted':
      return answered(state, event.id, (lane, item) => acceptItem(lane, item, event.id));
    case 'refused':
      return answered(state, event.id, (lane, item) =>
        refuseItem(
          lane,
          item,
          { code: event.code, detail: event.detail, ownDevice: state.ownDevice, rolledBack: state.rolledBack },
          moment,
        ),
      );
    case 'settled':
      return inLane(state, event.user, (lane) => ({
        lane: withLineage({ ...lane, items: lane.items.filter(({ order }) => order !== event.order) }, event.lineage),
        effects: [],
      }));
  }
}

/** The same bytes under a fresh number keep their history. */
function numbered(before: Sealed | undefined, now: Sealed | undefined): Sealed | undefined {
  if (now === undefined || now.id !== before?.id) return now ?? before;
  return { ...now, strikes: before.strikes, since: before.since ?? before.submitNumber };
}

/**
 * Items as the shell encrypted them. If an earlier one was refused meanwhile and has to be encrypted anew, those behind it
 * would go out with its place in the chain: they have not been sent, and wait for it.
 */
function takeSealed(items: readonly Item[], sealed: ReadonlyMap<number, Sealed>): readonly Item[] {
  let gone = false;
  return items.map((item) => {
    const fresh = gone ? undefined : sealed.get(item.order);
    gone ||= fresh === undefined && item.sealed === undefined;
    return fresh === undefined ? item : { ...item, sealed: numbered(item.sealed, fresh) };
  });
}

function sealFailed(lane: Lane, event: Extract<Event, { kind: 'seal-failed' }>, moment: Moment): LaneStep {
  if (isPassing(event.code)) return { lane: pause(lane, moment, event.detail.retryAfterMs ?? 0), effects: [] };
  const { orders, code } = event;
  const fails = (item: Item): boolean => (orders === 'all' ? item.sealed === undefined : orders.includes(item.order));
  return {
    lane: { ...lane, items: lane.items.filter((item) => !fails(item)), holder: undefined },
    effects: lane.items.filter(fails).map(({ order, user }): Effect => ({ kind: 'fail', user, order, code })),
  };
}

function enqueue(lane: Lane, item: Item): LaneStep {
  // The new identity was seen while it was being stored.
  if (lane.halted && item.kind !== 'commit')
    return { lane, effects: [{ kind: 'fail', user: item.user, order: item.order, code: 'KEY_CHANGED' }] };
  return { lane: { ...lane, items: inOrder([...lane.items, item]) }, effects: [] };
}

/** What a person wrote for the old keys does not go to the new ones by itself: it fails, to be sent again on request. */
function halt(lane: Lane, halted: boolean): LaneStep {
  if (!halted) return { lane: { ...lane, halted }, effects: [] };
  const fails = (item: Item): boolean => item.sealed === undefined && !(lane.busy && item.kind === 'commit');
  return {
    lane: { ...lane, halted, items: lane.items.filter((item) => !fails(item)) },
    effects: lane.items
      .filter(fails)
      .map(({ order, user }): Effect => ({ kind: 'fail', user, order, code: 'KEY_CHANGED' })),
  };
}

function connection(state: State, event: ConnectionEvent): Step {
  const step = updateConnection(state.connection, event);
  return { state: { ...state, connection: step.connection }, effects: step.effects };
}

function answered(state: State, id: ClientId, answer: (lane: Lane, item: Item) => LaneStep): Reaction {
  for (const [user, lane] of state.lanes) {
    const item = lane.items.find(({ sealed }) => sealed?.id === id && sealed.state === 'sent');
    if (item !== undefined) return inLane(state, user, (found) => answer(found, item));
  }
  return { state, effects: [], touched: 'none' };
}

function inLane(state: State, user: string, change: (lane: Lane) => LaneStep): Reaction {
  const step = change(state.lanes.get(user) ?? emptyLane(user));
  return { state: withLane(state, step.lane), effects: step.effects, touched: user };
}

function eachLane(state: State, change: (lane: Lane) => LaneStep): Step {
  const effects: Effect[] = [];
  const lanes = new Map<string, Lane>();
  for (const [user, lane] of state.lanes) {
    const step = change(lane);
    lanes.set(user, step.lane);
    effects.push(...step.effects);
  }
  return { state: { ...state, lanes }, effects };
}

function plan(reaction: Reaction, moment: Moment): Step {
  const { state, touched } = reaction;
  if (!mayWrite(state)) return reaction;
  if (touched === 'all') {
    const all = eachLane(state, (lane) => planLane(lane, moment));
    return { state: all.state, effects: [...reaction.effects, ...all.effects] };
  }
  const lane = state.lanes.get(touched);
  if (lane === undefined) return reaction;
  const step = planLane(lane, moment);
  return { state: withLane(state, step.lane), effects: [...reaction.effects, ...step.effects] };
}

function inOrder(items: readonly Item[]): readonly Item[] {
  return [...items].sort((a, b) => a.order - b.order);
}
