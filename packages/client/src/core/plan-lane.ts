/** What a lane starts now: a refused item again, what waits encrypted, or a new group for it. */
import type { GroupFacts } from './lineage.ts';
import { sendingGroup } from './lineage.ts';
import type { Item } from './item.ts';
import { unsealed } from './item.ts';
import type { Lane, LaneStep, Moment } from './lane.ts';
import { still, work } from './lane.ts';

/** Messages of one conversation on their way at once. */
const LANE_IN_FLIGHT_MAX = 16;
/** Of those that were refused: whatever refused them may do so again. */
const RETRIED_AT_ONCE_MAX = 4;

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
