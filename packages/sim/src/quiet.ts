/** The end of a run: no more faults, and everything that was begun has to come to its end in bounded time. */
import type { ClientNode } from './client-node.ts';
import type { ServerNode } from './server-node.ts';
import type { World } from './world.ts';
import { fate } from './world.ts';

/** Everything has to be done this long after the last fault. */
const QUIET_MS_MAX = 20 * 60_000;
const LOOK_MS = 1000;

/** No more faults; everybody is there again. */
export function heal(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): void {
  Object.assign(server.disk.faults, { fullUntilMs: 0, failNext: false });
  server.liar.tell(undefined);
  // With a clock that is months off it takes nobody's new device.
  if ([...clients.values()].some((client) => client.recovering)) server.skewMs = 0;
  server.start();
  for (const client of clients.values()) {
    Object.assign(client.disk.faults, { fullUntilMs: 0, failNext: false });
    Object.assign(client.road, { latencyMsMin: 1, latencyMsMax: 30, blockedUntilMs: 0 });
    client.start();
  }
}

/** Undefined once everything sent has been answered and read; what is not, after a bounded time. */
export async function untilQuiet(
  world: World,
  server: ServerNode,
  clients: ReadonlyMap<string, ClientNode>,
): Promise<string | undefined> {
  const endMs = world.nowMs + QUIET_MS_MAX;
  let busy: string | undefined = '';
  for (let quietLooks = 0; quietLooks < 4 && world.nowMs < endMs;) {
    await world.run(world.nowMs + LOOK_MS);
    busy = unrest(server, clients);
    quietLooks = busy === undefined ? quietLooks + 1 : 0;
    if (busy !== undefined) world.as(fate, () => restartDown(server, clients));
  }
  return busy;
}

/** A crash of the last moments may have come after healing. */
function restartDown(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): void {
  server.start();
  for (const client of clients.values()) client.start();
}

function unrest(server: ServerNode, clients: ReadonlyMap<string, ClientNode>): string | undefined {
  if (!server.isUp) return 'the server is down';
  for (const [name, client] of clients) {
    if (client.over !== undefined) continue;
    const engine = client.running?.engine;
    if (engine === undefined) return `${name} is down`;
    if (engine.connection !== 'online') return `${name} is ${engine.connection}`;
    if (engine.inbox.backlog.behind) return `${name} waits for rows that were announced`;
    if (engine.unsent > 0) return `${name} has ${engine.unsent} unsent`;
    const { outbox } = engine.ledger;
    const open = [...outbox.values()].filter(({ acceptedMs }) => acceptedMs === 0);
    if (open.length > 0) return `${name} has ${open.length} open: ${open.map(({ kind }) => kind).join()}`;
    const underWay = [...engine.ledger.transfers.values()].filter(
      ({ stage }) => stage === 'sending' || stage === 'fetching',
    );
    if (underWay.length > 0) return `${name} has ${underWay.length} files under way`;
    const row = server.disk.db.prepare('SELECT mailbox_rows AS waiting FROM device WHERE id = ? AND ended = 0');
    const waiting = Number(row.get(client.device)?.['waiting'] ?? 0);
    if (waiting > 0) return `${waiting} rows wait for ${name}`;
  }
  return undefined;
}
