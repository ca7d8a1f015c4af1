/**
 * The server side of OPAQUE, off the main thread, behind a bounded queue. The state of a login stays with the caller, in
 * memory, for as long as its connection.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { fromBase64url, SecureChatError } from '@securechat/wire';
import type { OpaqueResult } from './protocol.ts';
import type { OpaqueStep } from './worker.ts';

export interface OpaqueOptions {
  /** From `openOpaqueSetup`. */
  readonly setup: string;
  /** Limit `opaqueQueuedMax`: steps that wait; beyond it BUSY. */
  readonly queuedMax: number;
  /** Threads; default: the cores but one, at least one. */
  readonly threads?: number;
}

/** Every method: BUSY when too many wait, INTERNAL when the thread failed, SHUTTING_DOWN after `close`. */
export interface OpaqueServer {
  /** Steps that wait for a thread. */
  readonly queued: number;
  /** Answer to a registration request; `userIdentifier` is the normalised user name. MALFORMED for a bad request. */
  createRegistrationAnswer(step: { readonly userIdentifier: string; readonly request: string }): Promise<string>;
  /**
   * Answer to KE1, and the state for `finishLogin`. Without a record (unknown user) it is made from a fake one: same
   * shape, length and cost, and refused only at the end. MALFORMED for a bad request.
   */
  startLogin(step: {
    readonly userIdentifier: string;
    readonly record: string | undefined;
    readonly request: string;
  }): Promise<{ readonly answer: string; readonly state: string }>;
  /** The 64-byte session key, or undefined: wrong password, unknown user, or a KE3 that cannot be read. */
  finishLogin(step: { readonly state: string; readonly request: string }): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

interface Job {
  readonly step: OpaqueStep;
  resolve(result: OpaqueResult<unknown>): void;
  reject(error: SecureChatError): void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
}

export function openOpaque(options: OpaqueOptions): OpaqueServer {
  const pool = new Pool(options);
  return {
    get queued() {
      return pool.queued;
    },
    createRegistrationAnswer: async (step) => demand<string>(await pool.run({ kind: 'register', ...step })),
    startLogin: async (step) =>
      demand<{ readonly answer: string; readonly state: string }>(await pool.run({ kind: 'start', ...step })),
    finishLogin: async (step) => {
      const result = await pool.run({ kind: 'finish', ...step });
      return result.kind === 'malformed' ? undefined : fromBase64url(demand<string>(result));
    },
    close: () => pool.close(),
  };
}

function demand<T>(result: OpaqueResult<unknown>): T {
  if (result.kind === 'malformed') throw new SecureChatError('MALFORMED');
  if (result.kind === 'failed') throw new SecureChatError('INTERNAL');
  return result.value as T;
}

class Pool {
  readonly #options: OpaqueOptions;
  readonly #threads: Thread[] = [];
  readonly #queue: Job[] = [];
  #closed = false;

  constructor(options: OpaqueOptions) {
    this.#options = options;
    const threads = options.threads ?? Math.max(1, availableParallelism() - 1);
    for (let index = 0; index < threads; index += 1) this.#threads.push(this.#start());
  }

  get queued(): number {
    return this.#queue.length;
  }

  run(step: OpaqueStep): Promise<OpaqueResult<unknown>> {
    if (this.#closed) return Promise.reject(new SecureChatError('SHUTTING_DOWN'));
    const idle = this.#threads.find((thread) => thread.job === undefined);
    if (idle === undefined && this.#queue.length >= this.#options.queuedMax)
      return Promise.reject(new SecureChatError('BUSY'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ step, resolve, reject });
      if (idle !== undefined) this.#next(idle);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const jobs = [...this.#queue.splice(0), ...this.#threads.map((thread) => thread.job)];
    for (const job of jobs) job?.reject(new SecureChatError('SHUTTING_DOWN'));
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
  }

  #start(): Thread {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { setup: this.#options.setup } });
    const thread: Thread = { worker, job: undefined };
    worker.on('message', (result: OpaqueResult<unknown>) => {
      thread.job?.resolve(result);
      thread.job = undefined;
      this.#next(thread);
    });
    worker.on('error', () => this.#replace(thread));
    worker.on('exit', () => this.#replace(thread));
    return thread;
  }

  #next(thread: Thread): void {
    const job = this.#queue.shift();
    if (job === undefined) return;
    thread.job = job;
    thread.worker.postMessage(job.step);
  }

  /** A thread that died takes its job with it and nothing else. */
  #replace(thread: Thread): void {
    thread.job?.reject(new SecureChatError('INTERNAL'));
    thread.job = undefined;
    const at = this.#threads.indexOf(thread);
    if (this.#closed || at < 0) return;
    const successor = this.#start();
    this.#threads[at] = successor;
    this.#next(successor);
  }
}
