/** Goal: who watches whom is forgotten with the connection, whatever was under way when it ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId, control, DeviceId } from '@securechat/wire';
import { Acquaintances } from '../../src/shell/acquaintances.ts';
import type { LinkHandle } from '../../src/shell/link/links.ts';
import { Links } from '../../src/shell/link/links.ts';
import { Presences } from '../../src/shell/presences.ts';
import { createLog } from '../../src/log.ts';
import type { Store } from '../../src/stores/port.ts';

const [anna, bob] = ['anna', 'bob'] as AccountId[] as [AccountId, AccountId];

function link(events: control.Event[] = []): LinkHandle {
  const nothing = (): void => undefined;
  return { event: (event) => void events.push(event), end: nothing, finish: nothing, goAway: nothing, tick: nothing };
}

function presences(blocks: () => Promise<[]> = async () => []) {
  const links = new Links();
  const store = { blocks, contacts: async () => [] } as Partial<Store> as Store;
  const acquaintances = new Acquaintances(store, () => 0);
  const log = createLog('error');
  return {
    links,
    all: new Presences({ links, acquaintances, contactsOnly: false, nowMs: () => 0, random: () => 0, log }),
  };
}

test('a connection that ended while its request was served watches nobody', async () => {
  const { links, all } = presences();
  const gone = link();
  links.add(gone);
  links.remove(gone);
  all.unwatch(gone);
  await all.watch(gone, bob, [anna]);
  assert.deepEqual(all.watchersOf(anna), []);
});

test('a connection that ends while it is told what it asked for is told no more', async () => {
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<[]>();
  const { links, all } = presences(() => (asked.resolve(), release.promise));
  const events: control.Event[] = [];
  const [watcher, watched] = [link(events), link()];
  for (const one of [watcher, watched]) links.add(one);
  const device = 'anna.phone' as DeviceId;
  links.begin(watched, { account: anna, device });
  links.attach(watched, { account: anna, device, generation: 1 });
  const watching = all.watch(watcher, bob, [anna]);
  await asked.promise;
  links.remove(watcher);
  all.unwatch(watcher);
  release.resolve([]);
  await watching;
  assert.deepEqual([all.watchersOf(anna), events], [[], []]);
});
