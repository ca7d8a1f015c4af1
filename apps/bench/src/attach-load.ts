/** Connections a second: handshake and attach of a known device, in full or by resumption, then close. */
import { attach, open } from './account.ts';
import type { Account, Target } from './account.ts';
import { percentile } from './load.ts';

export interface AttachResult {
  readonly attaches: number;
  readonly perSecond: number;
  readonly cpuMsPerAttach: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface AttachOptions {
  readonly target: Target;
  /** Each attaches again and again, one connection at a time. */
  readonly accounts: readonly Account[];
  readonly kind: 'full' | 'resumed';
  /** Attaches that are not counted, so that both sides run compiled code. */
  readonly warmMs: number;
  readonly measureMs: number;
  readonly cpuMs: () => number;
}

type Resumption = NonNullable<Parameters<typeof open>[2]>;

export async function runAttaches(options: AttachOptions): Promise<AttachResult> {
  const { target, accounts, kind, warmMs, cpuMs } = options;
  const latencies: number[] = [];
  const tickets = new Map<Account, Resumption>();
  const once = async (account: Account): Promise<void> => {
    const ticket = tickets.get(account);
    const { link } = await open(target, {}, ticket);
    const attached = await attach(link, account, { storedUpTo: 0, submitNumberHighest: 0 });
    link.close();
    if (link.resumed !== (ticket !== undefined)) throw new Error('the server did not resume');
    if (kind === 'full') return;
    tickets.set(account, { handle: attached.resumptionHandle, secret: attached.resumptionSecret });
  };
  /** Keeps every account attaching for that long. */
  const attachFor = async (ms: number): Promise<void> => {
    const until = performance.now() + ms;
    const lane = async (account: Account): Promise<void> => {
      do {
        const started = performance.now();
        await once(account);
        latencies.push(performance.now() - started);
      } while (performance.now() < until);
    };
    await Promise.all(accounts.map(lane));
  };
  await attachFor(warmMs); // the first attach of each account, without which it has nothing to resume, is in it
  latencies.length = 0;
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  await attachFor(options.measureMs);
  const elapsedMs = performance.now() - fromMs;
  const attaches = latencies.length;
  latencies.sort((a, b) => a - b);
  return {
    attaches,
    perSecond: (attaches / elapsedMs) * 1000,
    cpuMsPerAttach: (cpuMs() - fromCpuMs) / attaches,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}
