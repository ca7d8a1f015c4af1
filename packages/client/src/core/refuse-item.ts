/** What a refusal does to its item and its lane; what each code means is in answers.ts. */
import type { Code, DeviceId, FailureDetail, GroupId } from '@securechat/wire';
import { ID_BYTES, idOf } from '@securechat/wire';
import { isEnding, verdictOf } from './answers.ts';
import type { Effect } from './effect.ts';
import type { Item } from './item.ts';
import { unsealed, withSealedState } from './item.ts';
import type { Awaiting, Lane, LaneStep, Moment } from './lane.ts';
import { AWAIT_MS, pause, still, withItem } from './lane.ts';
import type { SlotHolder } from './lineage.ts';
import { groupOf, withoutGroup, withState } from './lineage.ts';

/** A submit number called too low this often means that our own count is wrong: attach again and ask. */
const STRIKES_MAX = 2;

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
  const undone = undo({ ...lane, items: withItem(lane.items, unsealed(item)) }, item);
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
  const undone = undo({ ...lane, items: withItem(lane.items, unsealed(item)) }, item);
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
  const undone = undo({ ...lane, items: withItem(lane.items, unsealed(item)) }, item);
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

function refused(lane: Lane, item: Item): Lane {
  return { ...lane, items: withItem(lane.items, withSealedState(item, 'refused')) };
}

function invitation(group: GroupId, moment: Moment): Awaiting {
  return { kind: 'invitation', group, untilMs: moment.nowMs + AWAIT_MS };
}

/** The server's words are bytes of any length. */
function idFrom<Id extends GroupId | DeviceId = GroupId>(bytes: Uint8Array | undefined): Id | undefined {
  return bytes?.length === ID_BYTES ? idOf<Id>(bytes) : undefined;
}
