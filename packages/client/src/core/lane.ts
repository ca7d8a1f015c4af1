/**
 * One conversation's way out. Messages leave in the order they were written; up to a few are on their way at once. After
 * a refusal nothing new is sealed until everything sent has been answered and the refusal is dealt with, so that order
 * holds whatever the server answers (docs/protocol/delivery.md).
 *
 * Only an explicit refusal permits a new encryption. What was sent and not answered goes out again byte for byte.
 */
import type { Code, DeviceId, FailureDetail, GroupId } from '@securechat/wire';
import { ID_BYTES, idOf } from '@securechat/wire';
import { isEnding, verdictOf } from './answers.ts';
import { RETRY_MS_FIRST, retryDelayMs } from './backoff.ts';
import type { Effect } from './effect.ts';
import type { Item } from './item.ts';
import { unsealed, withSealedState } from './item.ts';
import type { GroupFacts, Lineage, SlotHolder } from './lineage.ts';
import { groupOf, sendingGroup, withoutGroup, withState } from './lineage.ts';

/** Messages of one conversation on their way at once. */
export const LANE_IN_FLIGHT_MAX = 16;
/** Of those that were refused: whatever refused them may do so again. */
export const RETRIED_AT_ONCE_MAX = 4;
/** How long an invitation or a commit that the server speaks of may take to arrive before we act without it. */
export const AWAIT_MS = 15_000;
/** A submit number called too low this often means that our own count is wrong: attach again and ask. */
export const STRIKES_MAX = 2;
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

/** What to start now. Called after every event that touched the lane, while there is a connection. */
export function planLane(lane: Lane, moment: Moment): LaneStep {
  if (lane.busy || lane.halted || lane.items.length === 0 || moment.nowMs < lane.pausedUntilMs) return still(lane);
  if (lane.items.some((item) => item.sealed?.state === 'sent')) return sealMore(lane);
  const ready = { ...lane, items: unsealUseless(lane) };
  const refused = ready.items.filter((item) => item.sealed?.state === 'refused').map(({ order }) => order);
  const orders = refused.slice(0, RETRIED_AT_ONCE_MAX);
  if (orders.length > 0) return work(ready, { kind: 'renumber', user: lane.user, orders });
  return sealMore(ready);
}

/**
 * A refused item whose group or epoch is over, or whose place in the chain is gone, has to be encrypted anew. So does one
 * that was not answered behind a place that is gone: the server refused it too, whether or not we heard it, and in
 * another order than it was written it must not arrive.
 */
function unsealUseless(lane: Lane): readonly Item[] {
  const group = sendingGroup(lane.lineage);
  let next = (group?.chainAccepted ?? 0) + 1;
  let broken = false;
  return lane.items.map((item) => {
    const { sealed } = item;
    if (sealed === undefined) {
      broken = true;
      return item;
    }
    if (sealed.kind !== 'message') return item;
    const ours = sealed.group === group?.group;
    if (sealed.state === 'answered') {
      // Its acceptance may or may not be among the facts yet.
      if (ours) next = Math.max(next, sealed.chainNumber + 1);
      return item;
    }
    // A later one was accepted, so this one was: only its answer was lost, and dedupe gives it again.
    if (ours && sealed.state === 'stored' && sealed.chainNumber <= group.chainAccepted) return item;
    const inPlace = !broken && ours && sealed.chainNumber === next;
    if (ours) next += 1;
    const useless =
      sealed.state === 'refused'
        ? !inPlace || sealed.epoch !== group.epoch
        : sealed.state === 'stored' && ours && !inPlace;
    if (!useless) return item;
    broken = true;
    return unsealed(item);
  });
}

function sealMore(lane: Lane): LaneStep {
  const next = lane.items.find((item) => item.sealed === undefined);
  if (next === undefined || lane.awaiting !== undefined) return still(lane);
  // What was sent behind it is answered first: its place in the chain is not free before.
  if (lane.items.some((item) => item.sealed !== undefined && item.order > next.order)) return still(lane);
  const sealed = lane.items.filter((item) => item.sealed !== undefined);
  // Anything but plain messages under way stands alone, and so does what was refused.
  const plain = sealed.every((item) => item.sealed?.kind === 'message' && !item.onlineOnly && isUnderWay(item));
  if (!plain || sealed.length >= LANE_IN_FLIGHT_MAX) return still(lane);
  const alone = sealed.length === 0;
  const group = sendingGroup(lane.lineage);
  const { user } = lane;
  if (group === undefined) return alone ? foundFor(lane, next) : still(lane);
  // Messages under way share one fate: if the first is stale, so are all, also on the next connection.
  if (sealed.some((item) => item.sealed?.epoch !== group.epoch || item.sealed.group !== group.group))
    return still(lane);
  if (next.kind === 'commit')
    return alone ? work(lane, { kind: 'commit', user, group: group.group, order: next.order }) : still(lane);
  if (next.onlineOnly && !alone) return still(lane);
  const orders = next.onlineOnly ? [next.order] : batch(lane.items, LANE_IN_FLIGHT_MAX - sealed.length);
  return work(lane, { kind: 'encrypt', user, group: group.group, orders, chainNumber: nextChainNumber(lane, group) });
}

/** One above the highest that the server has, or may get to see. */
function nextChainNumber(lane: Lane, group: GroupFacts): number {
  const used = lane.items.map(({ sealed }) => (sealed?.group === group.group ? sealed.chainNumber : 0));
  return Math.max(group.chainAccepted, ...used) + 1;
}

function foundFor(lane: Lane, next: Item): LaneStep {
  // No group is founded to say "received", or to renew the keys of a group that is over.
  if (next.kind === 'receipt' || next.kind === 'commit')
    return work(lane, { kind: 'drop', user: lane.user, order: next.order });
  const { user, holder, lookup } = lane;
  return work(lane, { kind: 'found', user, order: next.order, holder, lookup });
}

/** The unsealed items in front that may be encrypted together. */
function batch(items: readonly Item[], countMax: number): readonly number[] {
  const orders: number[] = [];
  for (const item of items) {
    if (item.sealed !== undefined) continue;
    if (orders.length === countMax || item.kind === 'commit' || item.onlineOnly) break;
    orders.push(item.order);
  }
  return orders;
}

function isUnderWay(item: Item): boolean {
  return item.sealed?.state === 'sent' || item.sealed?.state === 'stored' || item.sealed?.state === 'answered';
}

/** The server took it: store that, then drop it from the queue. */
export function acceptItem(lane: Lane, item: Item): LaneStep {
  const items = replace(lane.items, withSealedState(item, 'answered'));
  const effect: Effect = { kind: 'settle', user: lane.user, order: item.order };
  return { lane: { ...lane, items, failures: 0, holder: undefined }, effects: [effect] };
}

export interface RefusalFacts {
  readonly code: Code;
  readonly detail: FailureDetail;
  readonly ownDevice: DeviceId | undefined;
  /** This profile was found to be an old copy of itself at this attach. */
  readonly rolledBack: boolean;
}

export function refuseItem(lane: Lane, item: Item, refusal: RefusalFacts, moment: Moment): LaneStep {
  const { sealed } = item;
  if (sealed === undefined) return still(lane);
  const { user } = lane;
  switch (verdictOf(refusal.code)) {
    case 'later': {
      const waitMs = refusal.detail.retryAfterMs ?? 0;
      const paused = pause(refused(lane, item), moment, waitMs);
      return still(paused);
    }
    case 'next':
      return behind(lane, item, moment);
    case 'ended': {
      // Open until the next connection: sent again on this one it would only be refused again.
      const { code } = refusal;
      return { lane, effects: [isEnding(code) ? { kind: 'end', code } : { kind: 'reconnect' }] };
    }
    case 'never': {
      const without = { ...lane, items: lane.items.filter(({ order }) => order !== item.order) };
      const undone = undo(without, item);
      const fail: Effect = { kind: 'fail', user, order: item.order, code: refusal.code };
      return { lane: undone.lane, effects: [...undone.effects, fail] };
    }
    case 'rolled-back':
      return refusal.rolledBack ? leave(lane, item, moment) : tooLow(lane, item);
    case 'epoch':
      return epochOver(lane, item, refusal, moment);
    case 'superseded': {
      const left = leave(lane, item, moment);
      const successor = idFrom(refusal.detail.group);
      const known = groupOf(left.lane.lineage, successor);
      if (successor === undefined || known?.state === 'live') return left;
      const holder = { group: successor, generation: refusal.detail.generation ?? 1 };
      return { ...left, lane: { ...left.lane, holder, awaiting: invitation(successor, moment) } };
    }
    case 'devices': {
      const left = leave(lane, item, moment);
      return { ...left, lane: { ...pause(left.lane, moment, 0), lookup: true } };
    }
    case 'slot':
      return slotTaken(lane, item, refusal, moment);
  }
}

/** The server holds another epoch: ours is behind (the commit is on its way), or the server went back in time. */
function epochOver(lane: Lane, item: Item, refusal: RefusalFacts, moment: Moment): LaneStep {
  const group = item.sealed?.group;
  const facts = groupOf(lane.lineage, group);
  const undone = undo({ ...lane, items: replace(lane.items, unsealed(item)) }, item);
  const epoch = refusal.detail.epoch ?? 0;
  const sealedIn = item.sealed?.epoch ?? 0;
  if (group === undefined || facts === undefined || epoch < sealedIn) return leave(lane, item, moment);
  if (epoch <= facts.epoch) {
    // Our commit came between, so that once is enough; a server that goes on saying so is asked ever more slowly.
    const first = lane.failures === 0;
    return { ...undone, lane: first ? { ...undone.lane, failures: 1 } : pause(undone.lane, moment, 0) };
  }
  const awaiting: Awaiting = { kind: 'commit', group, epoch, untilMs: moment.nowMs + AWAIT_MS };
  return { ...undone, lane: { ...undone.lane, awaiting } };
}

/** Another group holds the slot. If we are in it, its invitation is ours to read; if not, it gets a successor. */
function slotTaken(lane: Lane, item: Item, refusal: RefusalFacts, moment: Moment): LaneStep {
  const undone = undo({ ...lane, items: replace(lane.items, unsealed(item)) }, item);
  const group = idFrom(refusal.detail.group);
  const holder: SlotHolder = { group, generation: refusal.detail.generation ?? 0 };
  const member = (refusal.detail.devices ?? []).some((device) => idFrom<DeviceId>(device) === refusal.ownDevice);
  const known = groupOf(undone.lane.lineage, group);
  if (known?.state === 'live') return { ...undone, lane: { ...undone.lane, holder: undefined } };
  const waits = group !== undefined && member && known === undefined;
  const awaiting = waits ? invitation(group, moment) : undefined;
  const next = { ...undone.lane, holder, awaiting, failures: lane.failures + 1 };
  // The first successor is founded at once; a slot that keeps slipping away is tried more slowly.
  return { ...undone, lane: lane.failures === 0 ? next : pause(next, moment, 0) };
}

/** No more writing in the group of this item. */
function leave(lane: Lane, item: Item, moment: Moment): LaneStep {
  const group = item.sealed?.group;
  if (group === undefined) return still(lane);
  const undone = undo({ ...lane, items: replace(lane.items, unsealed(item)) }, item);
  if (item.sealed?.kind === 'found') return { ...undone, lane: pause(undone.lane, moment, 0) };
  const lineage = withState(undone.lane.lineage, group, 'dead');
  return {
    lane: { ...undone.lane, lineage },
    effects: [...undone.effects, { kind: 'bury-group', user: lane.user, group }],
  };
}

/** What a founding or a commit prepared is dropped with it. */
function undo(lane: Lane, item: Item): LaneStep {
  const { sealed } = item;
  if (sealed?.kind === 'found') {
    const lineage = withoutGroup(lane.lineage, sealed.group);
    return { lane: { ...lane, lineage }, effects: [{ kind: 'forget-group', user: lane.user, group: sealed.group }] };
  }
  if (sealed?.kind === 'commit')
    return { lane, effects: [{ kind: 'drop-commit', user: lane.user, group: sealed.group }] };
  return still(lane);
}

/**
 * "Too low" without a rollback: its refusal was lost with an old connection, and a later submit was accepted since. The
 * dedupe row would have answered if it had been stored, so that the same bytes may go out under a fresh number.
 */
function tooLow(lane: Lane, item: Item): LaneStep {
  const struck = strike(item);
  const effects: Effect[] = (struck.sealed?.strikes ?? 0) > STRIKES_MAX ? [{ kind: 'reconnect' }] : [];
  return { lane: refused(lane, struck), effects };
}

/**
 * Refused for one before it. Said of the same item again and again, that is no reason to be fast; what the server waits
 * for it forgets with the connection.
 */
function behind(lane: Lane, item: Item, moment: Moment): LaneStep {
  const struck = strike(item);
  const next = refused(lane, struck);
  if ((struck.sealed?.strikes ?? 0) <= STRIKES_MAX) return still(next);
  const first = lane.items[0]?.order === item.order;
  return { lane: pause(next, moment, 0), effects: first ? [{ kind: 'reconnect' }] : [] };
}

function strike(item: Item): Item {
  const { sealed } = item;
  return sealed === undefined ? item : { ...item, sealed: { ...sealed, strikes: sealed.strikes + 1 } };
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

function refused(lane: Lane, item: Item): Lane {
  return { ...lane, items: replace(lane.items, withSealedState(item, 'refused')) };
}

function invitation(group: GroupId, moment: Moment): Awaiting {
  return { kind: 'invitation', group, untilMs: moment.nowMs + AWAIT_MS };
}

/** The server's words are bytes of any length. */
function idFrom<Id extends GroupId | DeviceId = GroupId>(bytes: Uint8Array | undefined): Id | undefined {
  return bytes?.length === ID_BYTES ? idOf<Id>(bytes) : undefined;
}

function replace(items: readonly Item[], one: Item): readonly Item[] {
  return items.map((item) => (item.order === one.order ? one : item));
}

function work(lane: Lane, effect: Effect): LaneStep {
  return { lane: { ...lane, busy: true }, effects: [effect] };
}

function still(lane: Lane): LaneStep {
  return { lane, effects: [] };
}
