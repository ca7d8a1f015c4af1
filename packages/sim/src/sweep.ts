/** Many seeds, on every core: each worker runs one after the other, and the first that breaks a rule ends the sweep. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { makeKeys } from './people.ts';
import type { Violation } from './witness.ts';

export interface SweepOptions {
  /** In the order in which they are tried. */
  readonly seeds: Iterable<number>;
  readonly steps: number;
  /** Name of a planted fault. */
  readonly bug?: string;
  readonly engine?: EngineName;
  /** No seed begins later than this after the start, ms. */
  readonly msMax?: number;
}

export type EngineName = 'toy' | 'mls';

export interface Swept {
  seeds: number;
  messages: number;
  moments: number;
  virtualMs: number;
  readonly features: Map<string, number>;
  failure: { readonly seed: number; readonly violations: readonly Violation[] } | undefined;
}

/** What a worker is asked, and what it answers. */
export interface Task {
  readonly seed: number;
  readonly steps: number;
  readonly bug: string | undefined;
  readonly engine: EngineName;
}
export interface TaskResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly messages: number;
  readonly moments: number;
  readonly virtualMs: number;
  readonly features: ReadonlyMap<string, number>;
}

/** Workers that know the people; dispose of them in the end. */
export class Crew {
  readonly #workers: Worker[];

  private constructor(workers: Worker[]) {
    this.#workers = workers;
  }

  static async gather(count: number = availableParallelism()): Promise<Crew> {
    const workerData = await makeKeys();
    const script = new URL('./sweep-worker.ts', import.meta.url);
    return new Crew(Array.from({ length: count }, () => new Worker(script, { workerData })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** One sweep at a time. */
  async sweep({ seeds, steps, bug, engine = 'toy', msMax = Infinity }: SweepOptions): Promise<Swept> {
    const startedMs = performance.now();
    const queue = seeds[Symbol.iterator]();
    const total: Swept = { seeds: 0, messages: 0, moments: 0, virtualMs: 0, features: new Map(), failure: undefined };
    const work = async (worker: Worker): Promise<void> => {
      while (total.failure === undefined && performance.now() - startedMs < msMax) {
        const next = queue.next();
        if (next.done === true) return;
        const task: Task = { seed: next.value, steps, bug, engine };
        count(total, await ask(worker, task));
      }
    };
    await Promise.all(this.#workers.map(work));
    return total;
  }
}

function ask(worker: Worker, task: Task): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (result: TaskResult) => {
      worker.off('error', reject);
      resolve(result);
    });
    worker.postMessage(task);
  });
}

function count(total: Swept, { seed, violations, features, ...sums }: TaskResult): void {
  total.seeds += 1;
  total.messages += sums.messages;
  total.moments += sums.moments;
  total.virtualMs += sums.virtualMs;
  for (const [feature, times] of features) total.features.set(feature, (total.features.get(feature) ?? 0) + times);
  if (violations.length > 0) total.failure ??= { seed, violations };
}
