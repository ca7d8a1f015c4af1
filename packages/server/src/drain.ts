/** The end of a server that runs: nobody is cut who can be let go. */
import type { Server } from 'node:net';
import type { Admission } from './shell/listeners/admission.ts';
import { cutConnections } from './shell/listeners/doors.ts';
import type { Links } from './shell/link/links.ts';
import type { Clock } from './shell/parts.ts';
import { CLOSE_DRAIN_MS } from './shell/listeners/transport.ts';

const DRAIN_MS = 10_000;
/** Clients come back after a second, spread over this time. */
const COME_BACK_MS_MIN = 1000;
const COME_BACK_MS = 5000;

/** Clients are told to come back; what was taken is answered and sent; whoever does not go in time is cut. */
export async function drain(input: {
  readonly links: Links;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly servers: readonly Server[];
}): Promise<void> {
  const { links, admission, clock, servers } = input;
  for (const server of servers) if (server.listening) server.close();
  for (const link of links.all) link.goAway(COME_BACK_MS_MIN + Math.floor(Math.random() * COME_BACK_MS));
  await waitFor(() => links.all.size === 0, DRAIN_MS, clock);
  for (const link of links.all) link.finish();
  await waitFor(() => admission.connections === 0, CLOSE_DRAIN_MS, clock);
  for (const server of servers) cutConnections(server);
}

async function waitFor(holds: () => boolean, ms: number, clock: Clock): Promise<void> {
  const untilMs = clock.monotonicMs() + ms;
  while (!holds() && clock.monotonicMs() < untilMs) await new Promise((resolve) => setTimeout(resolve, 5));
}
