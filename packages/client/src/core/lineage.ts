/**
 * A conversation is a chain of groups (docs/protocol/conversations.md): a recovery or a key reset on either side makes a
 * successor. Here is which group a message goes out in, and what the next one has to be called.
 */
import type { GroupId } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import type { Sealed } from './item.ts';

export interface GroupFacts {
  readonly group: GroupId;
  readonly generation: number;
  /** Identity sequences of both sides when it was founded: they name its slot at the server. */
  readonly ownSequence: number;
  readonly peerSequence: number;
  readonly epoch: number;
  /** Highest chain number of ours that the server accepted. */
  readonly chainAccepted: number;
  /** `founding`: ours, not accepted yet. `live`: both sides may write. `dead`: over for writing; reading goes on. */
  readonly state: 'founding' | 'live' | 'dead';
}

export type Lineage = readonly GroupFacts[];

/** What the server said holds a slot. */
export interface SlotHolder {
  readonly group: GroupId | undefined;
  readonly generation: number;
}

/**
 * The newest live group. Of two of one generation (only a lying server shows two) the one with the lower id, so that both
 * sides choose the same.
 */
export function sendingGroup(lineage: Lineage): GroupFacts | undefined {
  return lineage.filter(({ state }) => state === 'live').reduce<GroupFacts | undefined>(newer, undefined);
}

/** The newest group of all, dead ones included; a founding that was never accepted does not count. */
export function newestGroup(lineage: Lineage): GroupFacts | undefined {
  return lineage.filter(({ state }) => state !== 'founding').reduce<GroupFacts | undefined>(newer, undefined);
}

/** Generation and predecessor of the group to found now. */
export function nextFounding(
  lineage: Lineage,
  now: { readonly ownSequence: number; readonly peerSequence: number; readonly holder: SlotHolder | undefined },
): { readonly generation: number; readonly predecessor: GroupId | undefined } {
  const newest = newestGroup(lineage);
  if (now.holder !== undefined) {
    const predecessor = now.holder.group ?? newest?.group;
    return { generation: now.holder.generation + 1, predecessor };
  }
  if (newest === undefined) return { generation: 1, predecessor: undefined };
  const sameSlot = newest.ownSequence === now.ownSequence && newest.peerSequence === now.peerSequence;
  return { generation: sameSlot ? newest.generation + 1 : 1, predecessor: newest.group };
}

export function groupOf(lineage: Lineage, group: GroupId | undefined): GroupFacts | undefined {
  return lineage.find((facts) => facts.group === group);
}

export function withState(lineage: Lineage, group: GroupId, state: GroupFacts['state']): Lineage {
  return lineage.map((facts) => (facts.group === group ? { ...facts, state } : facts));
}

/** The server has this submit: its chain number is used, and a founding is a group from then on. */
export function withAccepted(
  lineage: Lineage,
  { kind, group, chainNumber }: Pick<Sealed, 'kind' | 'group' | 'chainNumber'>,
): Lineage {
  return lineage.map((facts) =>
    facts.group === group
      ? {
          ...facts,
          chainAccepted: Math.max(facts.chainAccepted, chainNumber),
          ...(kind === 'found' && facts.state === 'founding' && { state: 'live' as const }),
        }
      : facts,
  );
}

export function withoutGroup(lineage: Lineage, group: GroupId): Lineage {
  return lineage.filter((facts) => facts.group !== group);
}

function newer(best: GroupFacts | undefined, one: GroupFacts): GroupFacts {
  if (best === undefined) return one;
  const order =
    one.ownSequence - best.ownSequence || one.peerSequence - best.peerSequence || one.generation - best.generation;
  if (order !== 0) return order > 0 ? one : best;
  return lower(one.group, best.group) ? one : best;
}

function lower(a: GroupId, b: GroupId): boolean {
  const [left, right] = [idBytes(a), idBytes(b)];
  for (let at = 0; at < left.length; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
