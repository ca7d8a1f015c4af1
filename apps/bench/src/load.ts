/** The closed loop: each lane keeps `window` messages under way until the time is over. */

/** One sender with one receiver. A message is done when everything that was promised of it has happened. */
export interface Lane {
  send(): void;
  /** Set by the loop; the lane calls it once for each message that is done, in the order of sending. */
  onDone: () => void;
}

export interface LoadOptions {
  readonly lanes: readonly Lane[];
  /** Messages under way in one lane. */
  readonly window: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** CPU time of the subject so far, in milliseconds. */
  readonly cpuMs: () => number;
}

export interface LoadResult {
  readonly messages: number;
  readonly perSecond: number;
  /** CPU time of the subject, in microseconds. */
  readonly cpuMicrosPerMessage: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Throws when no message was done, or when what is under way does not arrive within `DRAIN_MS` of the end. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { lanes, window, cpuMs } = options;
  const latencies: number[] = [];
  let measuring = false;
  let sending = true;
  let open = 0;
  for (const lane of lanes) {
    const sentAt: number[] = [];
    const send = (): void => {
      open += 1;
      sentAt.push(performance.now());
      lane.send();
    };
    lane.onDone = () => {
      open -= 1;
      const since = sentAt.shift();
      if (measuring && since !== undefined) latencies.push(performance.now() - since);
      if (sending) send();
    };
    for (let n = 0; n < window; n++) send();
  }
  await passed(options.warmMs);
  measuring = true;
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  await passed(options.measureMs);
  measuring = false;
  sending = false;
  const [elapsedMs, usedMs] = [performance.now() - fromMs, cpuMs() - fromCpuMs];
  for (let waited = 0; open > 0; waited += 10) {
    if (waited > DRAIN_MS) throw new Error(`${open} messages did not arrive`);
    await passed(10);
  }
  const messages = latencies.length;
  if (messages === 0) throw new Error('no message arrived');
  latencies.sort((a, b) => a - b);
  return {
    messages,
    perSecond: (messages / elapsedMs) * 1000,
    cpuMicrosPerMessage: (usedMs / messages) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

const DRAIN_MS = 10_000;

/** Of values in ascending order, the nearest rank. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * part) - 1))] ?? NaN;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
