/**
 * Virtual time in one thread. What happens is a list of moments, one after the other; between two of them everything that
 * the first one started runs until it only waits. Code under simulation keeps its `setTimeout`: whoever runs inside a
 * world (an asynchronous context) gets virtual timers and files, everybody else in the process the real ones.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { KeyObject, webcrypto } from 'node:crypto';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import waiting from 'node:timers/promises';
import { FILES_ROOT, VirtualFiles } from './virtual-files.ts';

/** One process of one node: with its end all that it had planned is gone. */
export interface Life {
  readonly name: string;
  alive: boolean;
}

/** Nobody's process: what happens from outside. */
export const fate: Life = { name: 'fate', alive: true };

interface Moment {
  readonly atMs: number;
  readonly order: number;
  readonly life: Life;
  readonly work: () => void;
  cancelled: boolean;
}

interface Inside {
  readonly world: World;
  readonly life: Life;
}

interface Job {
  readonly result: Promise<unknown>;
  settle(): Promise<void>;
}

const inside = new AsyncLocalStorage<Inside>();
const real = { delay: waiting.setTimeout, setTimeout, setInterval, setImmediate, clearTimeout, clearInterval };

export class World {
  nowMs = 0;
  /** Days that passed on every clock, the monotonic ones too, without anything having happened. */
  daysMs = 0;
  /** Moments that passed. */
  moments = 0;
  readonly files = new VirtualFiles();
  readonly #heap: Moment[] = [];
  readonly #jobs: Job[] = [];
  #order = 0;

  constructor() {
    takeOver();
  }

  /** What comes next, and when. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  at(atMs: number, life: Life, work: () => void): Moment {
    const moment = { atMs: Math.ceil(Math.max(this.nowMs, atMs)), order: this.#order, life, work, cancelled: false };
    this.#order += 1;
    push(this.#heap, moment);
    return moment;
  }

  after(ms: number, life: Life, work: () => void): Moment {
    return this.at(this.nowMs + ms, life, work);
  }

  /** Runs in the name of a process, now. */
  as<T>(life: Life, work: () => T): T {
    return inside.run({ world: this, life }, work);
  }

  /** Passes every moment up to `untilMs`, and that time. */
  async run(untilMs: number): Promise<void> {
    await this.settle();
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      pop(this.#heap);
      if (next.cancelled || !next.life.alive) continue;
      this.nowMs = next.atMs;
      this.moments += 1;
      this.as(next.life, next.work);
      await this.settle();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** Until everything only waits: for time, or for another node. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => real.setImmediate(resolve));
      const job = this.#jobs.shift();
      if (job === undefined) return;
      await job.settle();
    }
  }

  /** Work on other threads ends in the order in which it began, so that a seed replays. */
  inOrder<T>(result: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#jobs.push({ result, settle: () => result.then(resolve, reject) });
    return promise;
  }
}

// ---- timers

/** What a timer function returns; `unref` as in Node, where it changes nothing here. */
class VirtualTimer {
  moment: Moment | undefined;
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

function start(here: Inside, work: () => void, ms: number, again: boolean): VirtualTimer {
  const timer = new VirtualTimer();
  const delayMs = Math.max(1, ms);
  const fire = (): void => {
    timer.moment = again ? here.world.after(delayMs, here.life, fire) : undefined;
    work();
  };
  timer.moment = here.world.after(delayMs, here.life, fire);
  return timer;
}

/** Signatures; the certificates of five people are fewer. */
const REMEMBERED_MAX = 1000;

/** `setTimeout` of node:timers/promises. */
function delayed(ms = 0, value?: unknown, options: { readonly signal?: AbortSignal } = {}): Promise<unknown> {
  const here = inside.getStore();
  if (here === undefined) return real.delay(ms, value, options);
  return new Promise((resolve, reject) => {
    const timer = start(here, () => resolve(value), ms, false);
    options.signal?.addEventListener('abort', () => {
      if (timer.moment !== undefined) timer.moment.cancelled = true;
      reject(options.signal?.reason as Error);
    });
  });
}

let taken = false;

/** Once per process. Outside of a world everything stays as it was. */
function takeOver(): void {
  if (taken) return;
  taken = true;
  const timers = (again: boolean, otherwise: (...all: never[]) => unknown) =>
    function (work: (...all: unknown[]) => void, ms = 0, ...rest: unknown[]): unknown {
      const here = inside.getStore();
      if (here === undefined) return otherwise(...([work, ms, ...rest] as never[]));
      return start(here, () => work(...rest), ms, again);
    };
  const clear =
    (otherwise: (timer: never) => void) =>
    (timer: unknown): void => {
      if (!(timer instanceof VirtualTimer)) return otherwise(timer as never);
      if (timer.moment !== undefined) timer.moment.cancelled = true;
    };
  Object.assign(globalThis, {
    setTimeout: Object.assign(timers(false, real.setTimeout as never), real.setTimeout),
    setInterval: Object.assign(timers(true, real.setInterval as never), real.setInterval),
    clearTimeout: clear(real.clearTimeout as never),
    clearInterval: clear(real.clearInterval as never),
  });
  Object.assign(waiting, { setTimeout: delayed });
  for (const name of ['open', 'stat', 'lstat', 'statfs', 'mkdir', 'rm', 'link', 'rename'] as const) {
    const original = fs[name] as (...all: unknown[]) => Promise<unknown>;
    const virtual = (...all: unknown[]): Promise<unknown> => {
      const { world } = inside.getStore() ?? {};
      if (world === undefined || !String(all[0]).startsWith(FILES_ROOT)) return original(...all);
      return (world.files[name] as (...all: unknown[]) => Promise<unknown>).apply(world.files, all);
    };
    Object.assign(fs, { [name]: virtual });
  }
  syncBuiltinESMExports();
  const { subtle } = webcrypto;
  for (const name of ['decrypt', 'encrypt', 'sign', 'verify', 'digest', 'importKey', 'deriveBits'] as const) {
    const original = subtle[name].bind(subtle) as (...all: unknown[]) => Promise<unknown>;
    const known = name === 'verify' ? remembered(original) : original;
    const ordered = (...all: unknown[]): Promise<unknown> => {
      const { world } = inside.getStore() ?? {};
      return world === undefined ? original(...all) : world.inOrder(known(...all));
    };
    Object.defineProperty(subtle, name, { value: ordered, configurable: true });
  }
}

interface Verified {
  readonly key: KeyObject;
  readonly data: Uint8Array;
  readonly result: Promise<unknown>;
}

/**
 * The people of all runs are the same, and so are their certificates: a signature that was checked before, under the same
 * key and over the same bytes, is not checked again. A third of a run would be RSA.
 */
function remembered(verify: (...all: unknown[]) => Promise<unknown>): (...all: unknown[]) => Promise<unknown> {
  const bySignature = new Map<string, Verified>();
  return (algorithm, key, signature, data) => {
    const bytes = data as Uint8Array;
    const object = KeyObject.from(key as webcrypto.CryptoKey);
    const name = Buffer.from(signature as Uint8Array).toString('latin1');
    const found = bySignature.get(name);
    if (found?.key.equals(object) === true && Buffer.compare(found.data, bytes) === 0) return found.result;
    const result = verify(algorithm, key, signature, data);
    if (bySignature.size < REMEMBERED_MAX) bySignature.set(name, { key: object, data: bytes.slice(), result });
    return result;
  };
}

// ---- a heap by time, then by order

function before(a: Moment, b: Moment): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Moment[], moment: Moment): void {
  let at = heap.push(moment) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || !before(moment, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = moment;
}

function pop(heap: Moment[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    let child = heap[down];
    const right = heap[down + 1];
    if (child !== undefined && right !== undefined && before(right, child)) {
      child = right;
      down += 1;
    }
    if (child === undefined || !before(child, last)) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = last;
}
