/** Each step of a plan, done. */
import { defaultLimits } from '@securechat/wire';
import { block, offerFile, renewKeys, resetKeys, send } from './acts.ts';
import type { Chance } from './chance.ts';
import type { ClientNode } from './client-node.ts';
import type { Action } from './plan.ts';
import type { ServerNode } from './server-node.ts';
import { tamper } from './tamper.ts';
import type { Memory } from './witness.ts';
import { Witness } from './witness.ts';
import type { World } from './world.ts';
import { fate } from './world.ts';

const DAY_MS = 24 * 60 * 60_000;
/** A founding that lay longer at its sender is made with keys that the other side has no more. */
const DAYS_MAX = 112;

export interface Stage {
  readonly world: World;
  readonly witness: Witness;
  readonly server: ServerNode;
  readonly clients: ReadonlyMap<string, ClientNode>;
  readonly chance: Chance;
  readonly copies: Copies;
}

/** Put aside for later. */
export interface Copies {
  readonly clients: Map<string, ReturnType<ClientNode['disk']['copy']>>;
  server: { readonly image: ReturnType<ServerNode['disk']['copy']>; readonly memory: Memory } | undefined;
}

export function perform(action: Action, { world, witness, server, clients, chance, copies }: Stage): void {
  const client = 'who' in action ? clients.get(action.who) : undefined;
  const other = 'with' in action ? clients.get(action.with) : undefined;
  const from = 'from' in action ? clients.get(action.from) : undefined;
  switch (action.kind) {
    case 'send':
      if (from !== undefined) send(from, action.to, Witness.mark(witness.sayings.length), action.onlineOnly);
      return;
    case 'renew':
      if (client !== undefined) renewKeys(client, action.with);
      if (action.both && other !== undefined) renewKeys(other, action.who);
      return;
    case 'crash':
      client?.crash(action.deafMs);
      world.after(action.downMs, fate, () => client?.start());
      return;
    case 'stop':
      client?.stop();
      world.after(action.downMs, fate, () => client?.start());
      return;
    case 'cut':
      client?.cut({ client: action.clientMs, server: action.serverMs });
      return;
    case 'partition':
      client?.partition(action.ms);
      return;
    case 'road':
      if (client !== undefined) Object.assign(client.road, { latencyMsMin: action.minMs, latencyMsMax: action.maxMs });
      return;
    case 'server-crash':
      server.crash(action.deafMs);
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'server-stop':
      server.stop();
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'server-full':
      server.disk.faults.fullUntilMs = world.nowMs + action.ms;
      return;
    case 'server-io-error':
      server.disk.faults.failNext = true;
      world.after(action.downMs, fate, () => server.start());
      return;
    case 'disk-full':
      if (client !== undefined) client.disk.faults.fullUntilMs = world.nowMs + action.ms;
      return;
    case 'disk-io-error':
      if (client !== undefined) client.disk.faults.failNext = true;
      return;
    case 'skew':
      if (client !== undefined) client.skewMs = action.byMs;
      return;
    case 'server-skew':
      server.skewMs = action.byMs;
      void server.maintain().catch(() => undefined);
      return;
    case 'block':
      if (action.blocked) witness.blocked.add(`${action.who} ${action.whom}`);
      if (client !== undefined) block(client, action.whom, action.blocked);
      return;
    case 'copy':
      // Before its device is published it would be put back as a profile that is lost: `recover` does that.
      if (client?.recovering === false) copies.clients.set(action.who, client.disk.copy());
      return;
    case 'put-back': {
      const copy = copies.clients.get(action.who);
      if (client === undefined || copy === undefined || client.over !== undefined) return;
      client.crash(20);
      client.disk.restore(copy);
      witness.rolledBack.add(action.who);
      world.after(500, fate, () => client.start());
      return;
    }
    case 'delete-account':
      if (client === undefined || client.over !== undefined || !server.isUp) return;
      witness.deleted.add(action.who);
      server.deleteAccount(client.person, client.device);
      return;
    case 'sleep':
      return;
    case 'days':
      if (world.daysMs + action.count * DAY_MS > DAYS_MAX * DAY_MS) return;
      world.daysMs += action.count * DAY_MS;
      witness.expired ||= world.daysMs >= defaultLimits.mailboxDays * DAY_MS;
      void server.maintain().catch(() => undefined);
      return;
    case 'file': {
      const content = Buffer.alloc(action.bytes, `${witness.offers.length} `);
      if (from !== undefined) offerFile(from, action.to, `file-${witness.offers.length}.bin`, content);
      return;
    }
    case 'reset':
      if (client !== undefined) resetKeys(client);
      return;
    case 'recover':
      copies.clients.delete(action.who);
      client?.recover(action.stolen);
      return;
    case 'server-copy':
      if (server.isUp) copies.server = { image: server.disk.copy(), memory: witness.memory() };
      return;
    case 'server-put-back': {
      const { server: copy } = copies;
      if (copy === undefined) return;
      server.meddle(() => {
        server.disk.restore(copy.image, action.as);
        witness.rewind(copy.memory);
        witness.copied ||= action.as === 'copied';
        witness.count(`server ${action.as}`);
      });
      return;
    }
    case 'lie':
      server.liar.tell(action.how);
      return;
    case 'tamper':
      server.meddle(() => {
        if (tamper(server.disk.db, action.how, chance)) witness.lied(action.how);
      });
      return;
  }
}
