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
  readonly measureMs: number;
  readonly cpuMs: () => number;
}

type Resumption = NonNullable<Parameters<typeof open>[2]>;

export async function runAttaches(options: AttachOptions): Promise<AttachResult> {
  const { target, accounts, kind, cpuMs } = options;
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
  await Promise.all(accounts.map(once)); // a resumption needs an attach before it
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  const until = fromMs + options.measureMs;
  const lane = async (account: Account): Promise<void> => {
    while (performance.now() < until) {
      const started = performance.now();
      await once(account);
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(accounts.map(lane));
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
