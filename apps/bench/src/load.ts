/** Load on lanes: as much as they take (closed loop) or at a given rate (open loop), until the time is over. */

/** One sender with one receiver. A message is done when everything that was promised of it has happened. */
export interface Lane {
  send(): void;
  /** Set by the loop; the lane calls it once for each message that is done, in the order of sending. */
  onDone: () => void;
}

interface Run {
  readonly lanes: readonly Lane[];
  readonly warmMs: number;
  readonly measureMs: number;
  /** CPU time of the subject so far, in milliseconds. */
  readonly cpuMs: () => number;
}

export interface LoadOptions extends Run {
  /** Messages under way in one lane. */
  readonly window: number;
}

export interface PacedOptions extends Run {
  /** Messages a second, over all lanes in turn, whether earlier ones are done or not. */
  readonly perSecond: number;
}

export interface LoadResult {
  readonly messages: number;
  readonly perSecond: number;
  /** CPU time of the subject, in microseconds. */
  readonly cpuMicrosPerMessage: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** The closed loop: each lane keeps `window` messages under way. Throws as `measured` does. */
export function runLoad(options: LoadOptions): Promise<LoadResult> {
  return measured(options, (send, again) => {
    again.onDone = send;
    for (const lane of options.lanes) for (let n = 0; n < options.window; n++) send(lane);
    return () => (again.onDone = () => undefined);
  });
}

/** The open loop: latency at a rate that the subject does not choose. Throws as `measured` does. */
export function runPaced(options: PacedOptions): Promise<LoadResult> {
  const { lanes, perSecond } = options;
  return measured(options, (send) => {
    const startedMs = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      for (const due = ((performance.now() - startedMs) * perSecond) / 1000; sent < due; sent++) {
        const lane = lanes[sent % lanes.length];
        if (lane !== undefined) send(lane);
      }
    }, 1);
    return () => clearInterval(timer);
  });
}

/** `start` begins to send and answers with how to stop. */
type Start = (send: (lane: Lane) => void, again: { onDone: (lane: Lane) => void }) => () => void;

/** Throws when no message was done, or when what is under way does not arrive within `DRAIN_MS` of the end. */
async function measured({ lanes, warmMs, measureMs, cpuMs }: Run, start: Start): Promise<LoadResult> {
  const latencies: number[] = [];
  const sentAt = new Map<Lane, number[]>();
  const again = { onDone: (_lane: Lane): void => undefined };
  let measuring = false;
  let open = 0;
  for (const lane of lanes) {
    const times: number[] = [];
    sentAt.set(lane, times);
    lane.onDone = () => {
      open -= 1;
      const since = times.shift();
      if (measuring && since !== undefined) latencies.push(performance.now() - since);
      again.onDone(lane);
    };
  }
  const stop = start((lane) => {
    open += 1;
    sentAt.get(lane)?.push(performance.now());
    lane.send();
  }, again);
  await passed(warmMs);
  measuring = true;
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  await passed(measureMs);
  measuring = false;
  stop();
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
    p95Ms: percentile(latencies, 0.95),
    p99Ms: percentile(latencies, 0.99),
  };
}

/** A busy machine and a full window of every lane. */
const DRAIN_MS = 30_000;

/** Of values in ascending order, the nearest rank. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * part) - 1))] ?? NaN;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
