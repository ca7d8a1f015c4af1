/** What waits in the outbox and where each conversation stands, as the core begins with it. */
import type { Item } from '../../core/item.ts';
import { itemOf } from '../../core/record-outbox.ts';
import type { Event } from '../../core/state.ts';
import type { Ledger } from './ledger.ts';
import { isHalted } from '../people/people.ts';

export async function loadLanes(ledger: Ledger): Promise<Extract<Event, { readonly kind: 'loaded' }>> {
  await forgetLostFoundings(ledger);
  const users = new Set(ledger.conversations.keys());
  const items = new Map<string, Item[]>();
  for (const row of ledger.outbox.values()) {
    if (row.acceptedMs > 0) continue;
    users.add(row.user);
    const before = items.get(row.user);
    if (before === undefined) items.set(row.user, [itemOf(row)]);
    else before.push(itemOf(row));
  }
  const lanes = [...users].map((user) => ({
    user,
    items: items.get(user) ?? [],
    lineage: ledger.conversation(user).lineage,
    halted: isHalted(ledger.contacts.get(user)),
  }));
  return { kind: 'loaded', device: ledger.account.device, lanes };
}

/** A crash between two steps: a founding without its row in the outbox was given up. */
async function forgetLostFoundings(ledger: Ledger): Promise<void> {
  const open = new Set([...ledger.outbox.values()].map(({ sealed }) => sealed?.group));
  for (const conversation of ledger.conversations.values()) {
    const lost = conversation.lineage.filter(({ state, group }) => state === 'founding' && !open.has(group));
    if (lost.length === 0) continue;
    const lineage = conversation.lineage.filter((facts) => !lost.includes(facts));
    await ledger.commit([
      { put: 'conversation', value: { ...conversation, lineage } },
      ...lost.map(({ group }) => ({ drop: 'group', key: group }) as const),
    ]);
  }
}
