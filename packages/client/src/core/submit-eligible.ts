/** Which sealed items go to the socket now, over all lanes. */
import { limits } from '@securechat/wire';
import type { Effect } from './effect.ts';
import type { Item } from './item.ts';
import { withSealedState } from './item.ts';
import type { Lane } from './lane.ts';
import { emptyLane } from './lane.ts';
import type { State } from './state.ts';
import { mayWrite, withLane } from './state.ts';

/**
 * Hands what is stored to the socket: in order, within the credit of a device, and never past an earlier message of its
 * conversation that was refused.
 */
export function submitEligible(state: State): { readonly state: State; readonly effects: readonly Effect[] } {
  if (!mayWrite(state)) return { state, effects: [] };
  const items = [...state.lanes.values()].flatMap(({ items: all }) => all.filter(({ sealed }) => sealed !== undefined));
  let submits = 0;
  let bytes = 0;
  for (const { sealed } of items)
    if (sealed?.state === 'sent') {
      submits += 1;
      bytes += sealed.bytes;
    }
  const waiting = byNumber([...state.lanes.values()].map(eligible));
  const lowestUnresolved = items.reduce(
    (lowest, { sealed }) =>
      // A full disk refuses before it looks whether it has it already: what was refused may have been stored before.
      sealed === undefined ? lowest : Math.min(lowest, sealed.since ?? sealed.submitNumber),
    Number.MAX_SAFE_INTEGER,
  );
  const effects: Effect[] = [];
  let next = state;
  for (const item of waiting) {
    const size = item.sealed?.bytes ?? 0;
    const full = submits > 0 && bytes + size > limits.submitBytesInFlightMax.value;
    if (submits >= limits.submitsInFlightMax.value || full) break;
    submits += 1;
    bytes += size;
    const lane = next.lanes.get(item.user) ?? emptyLane(item.user);
    const sent = lane.items.map((one) => (one.order === item.order ? withSealedState(one, 'sent') : one));
    next = withLane(next, { ...lane, items: sent });
    effects.push({ kind: 'submit', user: item.user, order: item.order, lowestUnresolved });
  }
  return { state: next, effects };
}

/**
 * By submit number, except that a conversation keeps its own order: a message that was refused and has a fresh number
 * still goes before the later ones, whose numbers are then too low and are renewed as well.
 */
function byNumber(lanes: readonly (readonly Item[])[]): readonly Item[] {
  const left = lanes.filter((items) => items.length > 0).map((items) => [...items]);
  const order: Item[] = [];
  for (;;) {
    const heads = left.flatMap((items) => (items[0] === undefined ? [] : [{ items, head: items[0] }]));
    const first = heads.reduce<(typeof heads)[number] | undefined>(
      (best, one) => (best === undefined || numberOf(one.head) < numberOf(best.head) ? one : best),
      undefined,
    );
    if (first === undefined) return order;
    order.push(first.head);
    first.items.shift();
  }
}

function numberOf({ sealed }: Item): number {
  return sealed?.submitNumber ?? 0;
}

function eligible(lane: Lane): readonly Item[] {
  const end = lane.items.findIndex(({ sealed }) => sealed?.state === 'refused');
  const free = end === -1 ? lane.items : lane.items.slice(0, end);
  return free.filter(({ sealed }) => sealed?.state === 'stored');
}
