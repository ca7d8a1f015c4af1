/** What a server does by itself: pings, expiry, new sealing keys, old files. */
import type { ServerParts } from './parts.ts';
import { sweepBlobs } from './blob-sweep.ts';

const TICK_MS = 1000;
const MAINTAIN_MS = 60_000;
/** One turn of the store's maintenance; writers wait for it. */
const MAINTAIN_BUDGET_MS = 20;
const RENEW_MS = 60_000;
const SWEEP_MS = 3_600_000;

/** Answers with how to stop it. */
export function startHousekeeping(server: ServerParts): () => Promise<void> {
  const { links, clock, store, keys, blobs, config, log } = server;
  const running = new Set<Promise<void>>();
  const every = (ms: number, what: string, work: () => Promise<void>): NodeJS.Timeout => {
    let busy = false;
    return setInterval(() => {
      if (busy) return;
      busy = true;
      const done = work()
        .catch((cause: unknown) => log.warn(what, { cause }))
        .finally(() => {
          busy = false;
          running.delete(done);
        });
      running.add(done);
    }, ms).unref();
  };
  const timers = [
    setInterval(() => {
      const nowMs = clock.monotonicMs();
      for (const link of links.all) link.tick(nowMs);
    }, TICK_MS).unref(),
    every(MAINTAIN_MS, 'maintenance failed', () => maintain(server)),
    every(RENEW_MS, 'sealing key not renewed', async () => {
      if (await keys.renew(clock.wallMs())) log.info('sealing key renewed');
    }),
    every(SWEEP_MS, 'files not swept', async () => {
      const count = await sweepBlobs({ store, blobs, limits: config.limits, nowMs: clock.wallMs() });
      if (count > 0) log.info('files removed', { count });
    }),
  ];
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(running);
  };
}

/** Lets the store remove what expired, turn by turn; whoever is attached and sent some of it hears so at once. */
export async function maintain(
  { store, clock, bus }: Pick<ServerParts, 'store' | 'clock' | 'bus'>,
  budgetMs: number = MAINTAIN_BUDGET_MS,
): Promise<void> {
  for (;;) {
    const { more, rows } = await store.maintain(clock.wallMs(), budgetMs);
    for (const row of rows) bus.publish(row);
    if (!more) return;
  }
}
