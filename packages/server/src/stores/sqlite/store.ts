/** The store over SQLite, as the main thread sees it: calls are collected while the writer commits, and go out together. */
import { Worker } from 'node:worker_threads';
import type { AccountId, DeviceId, Limits } from '@securechat/wire';
import { bodiesOf, resyncBody } from '../../core/append.ts';
import type { Waiting } from '../../core/fair-queue.ts';
import { FairQueue } from '../../core/fair-queue.ts';
import type {
  AppendedRow,
  AttachedDevice,
  DeviceChange,
  KeyPackageTaken,
  MailboxRow,
  Maintained,
  RecordSpace,
  RecordWrite,
  Store,
  StoredRecord,
  Submission,
  SubmitResult,
} from '../port.ts';
import { StoreError } from '../port.ts';
import { BALLAST_BYTES } from './ballast.ts';
import type {
  Call,
  FromWriter,
  OperationName,
  Operations,
  PackedFailure,
  PackedResult,
  ToWriter,
  WriterOptions,
} from './calls.ts';
import { BATCH_BYTES_MAX, packSubmission, tight } from './calls.ts';
import { unpackDevices, unpackIds } from './pack.ts';

export interface SqliteStoreOptions {
  /** The data folder; made (0700) when missing. Holds `securechat.db`, its log, `securechat.lock` and `ballast`. */
  readonly directory: string;
  readonly limits: Limits;
  /** Called once when the disk failed or the database is damaged: nothing is written from then on, the server must stop. */
  readonly onFatal: (error: StoreError) => void;
  /** Messages to people who never wrote back are counted (`unansweredPerDay`): open registration. */
  readonly countUnanswered?: boolean;
  /** For tests: the wall clock (Unix ms) and the monotonic one. */
  readonly clock?: Clock;
  /** Space kept for acknowledgements on a full disk. */
  readonly ballastBytes?: number;
}

/**
 * Batches under way: one that is committed, and a second one only when it is full, so that the writer never idles under
 * load. A second one that is not full would take rows from the next commit, and a commit costs as much as twenty rows.
 */
const BATCHES_MAX = 2;
/** Calls and bytes that wait; beyond it a call is refused instead of kept. */
const WAITING_CALLS_MAX = 20_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

interface Clock {
  now(): number;
  monotonicMs(): number;
}

const systemClock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };

/** The way to a writer: its thread, or what stands for one. Messages keep their order. */
export interface WriterChannel {
  postMessage(message: ToWriter, transfer?: readonly ArrayBuffer[]): void;
  on(event: 'message', heard: (message: FromWriter) => void): unknown;
  on(event: 'error', heard: (cause: unknown) => void): unknown;
  on(event: 'exit', heard: () => void): unknown;
  once(event: 'exit', heard: () => void): unknown;
}

/** A store over a writer that the caller made. */
export function storeOver(
  writer: WriterChannel,
  { clock, ...options }: Pick<SqliteStoreOptions, 'limits' | 'onFatal'> & { readonly clock: Clock },
): Store & { readonly opened: Promise<void> } {
  return new SqliteStore(writer, clock, options);
}

/** Opens or creates. Rejects with StoreError: 'in-use', 'schema-newer', 'corrupt', 'full', 'unavailable'. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const clock = options.clock ?? systemClock;
  const worker = new Worker(new URL('./writer.ts', import.meta.url), {
    workerData: {
      directory: options.directory,
      limits: options.limits,
      monotonicMs: clock.monotonicMs(),
      ballastBytes: options.ballastBytes ?? BALLAST_BYTES,
      countUnanswered: options.countUnanswered ?? false,
    } satisfies WriterOptions,
  });
  const store = new SqliteStore(worker, clock, options);
  await store.opened;
  return store;
}

interface WaitingCall extends Waiting {
  readonly call: Call;
  readonly payload: Uint8Array | undefined;
}

interface Open {
  resolve(answer: unknown): void;
  reject(error: StoreError): void;
}

class SqliteStore implements Store {
  readonly opened: Promise<void>;
  readonly #worker: WriterChannel;
  readonly #clock: Clock;
  readonly #onFatal: (error: StoreError) => void;
  readonly #batchMax: number;
  readonly #open = new Map<number, Open>();
  readonly #waiting = new FairQueue<WaitingCall>();
  #batches = 0;
  #scheduled = false;
  #n = 0;
  #state: 'opening' | 'open' | 'closing' | 'closed' | 'dead' = 'opening';
  #settleOpened: { resolve(): void; reject(error: StoreError): void } | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    worker: WriterChannel,
    clock: Clock,
    { limits, onFatal }: Pick<SqliteStoreOptions, 'limits' | 'onFatal'>,
  ) {
    this.#worker = worker;
    this.#clock = clock;
    this.#onFatal = onFatal;
    this.#batchMax = limits.commitRowsMax;
    this.opened = new Promise((resolve, reject) => (this.#settleOpened = { resolve, reject }));
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.on('error', (cause) =>
      this.#die(new StoreError('unavailable', { retry: 'same', outcome: 'unknown', cause })),
    );
    worker.on('exit', () => this.#die(new StoreError('unavailable', { retry: 'same', outcome: 'unknown' })));
  }

  async submit(submission: Submission): Promise<SubmitResult> {
    const payload = submission.submit.payload;
    const packed = await this.#ask('submit', packSubmission(submission, 0), payload, submission.sender.account);
    return unpackResult(packed, submission);
  }

  fetch(device: DeviceId, after: number, rowsMax: number, bytesMax: number): Promise<readonly MailboxRow[]> {
    return this.#ask('fetch', [device, after, rowsMax, bytesMax]);
  }

  async ack(device: DeviceId, generation: number, upTo: number): Promise<void> {
    await this.#ask('ack', [device, generation, upTo]);
  }

  attach(device: DeviceId, storedUpTo: number, _nowMs: number, history?: number): Promise<AttachedDevice | undefined> {
    return this.#ask('attach', [device, storedUpTo, history]);
  }

  async detach(device: DeviceId, generation: number): Promise<void> {
    await this.#ask('detach', [device, generation]);
  }

  putKeyPackages(
    device: DeviceId,
    oneTime: readonly Uint8Array[],
    lastResort: Uint8Array | undefined,
    withdraw = false,
  ): Promise<number> {
    return this.#ask('putKeyPackages', [device, oneTime.map(tight), lastResort && tight(lastResort), withdraw]);
  }

  takeKeyPackages(
    devices: readonly DeviceId[],
    lastResortOnly = false,
  ): Promise<ReadonlyMap<DeviceId, KeyPackageTaken>> {
    return this.#ask('takeKeyPackages', [[...devices], lastResortOnly]);
  }

  keyPackageStock(device: DeviceId): Promise<{ readonly oneTime: number; readonly lastResort: boolean }> {
    return this.#ask('keyPackageStock', device);
  }

  async get(space: RecordSpace, keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    const records = await this.#ask('get', [space, [...keys], this.#clock.now()]);
    return new Map(records.map((record) => [record.key, record]));
  }

  put(
    writes: readonly RecordWrite[],
    devices?: DeviceChange,
  ): Promise<{ readonly ok: boolean; readonly rows: readonly AppendedRow[] }> {
    const own = writes.map((write) => ({ ...write, value: write.value && tight(write.value) }));
    return this.#ask('put', [own, devices, this.#clock.now()]);
  }

  list(space: RecordSpace, prefix: string, after: string, limit: number): Promise<readonly StoredRecord[]> {
    return this.#ask('list', [space, prefix, after, limit, this.#clock.now()]);
  }

  block(owner: AccountId, other: AccountId, blocked: boolean, quiet: boolean): Promise<boolean> {
    return this.#ask('block', [owner, other, blocked, quiet]);
  }

  blocks(owner: AccountId): Promise<readonly { readonly account: AccountId; readonly quiet: boolean }[]> {
    return this.#ask('blocks', owner);
  }

  contacts(account: AccountId): Promise<readonly AccountId[]> {
    return this.#ask('contacts', account);
  }

  deleteAccount(account: AccountId, nowMs: number): Promise<readonly AppendedRow[]> {
    return this.#ask('deleteAccount', [account, nowMs]);
  }

  maintain(nowMs: number, budgetMs: number): Promise<Maintained> {
    return this.#ask('maintain', [nowMs, this.#clock.monotonicMs(), budgetMs]);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#state === 'dead') return;
    this.#state = 'closing';
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    // The channel keeps its order: everything asked before is answered first.
    while (this.#waiting.length > 0) this.#post();
    this.#worker.postMessage({ kind: 'close' } satisfies ToWriter);
    await exited;
  }

  #ask<Name extends OperationName>(
    name: Name,
    ask: Operations[Name]['ask'],
    payload?: Uint8Array,
    owner?: AccountId,
  ): Promise<Operations[Name]['answer']> {
    if (this.#state === 'closing' || this.#state === 'closed')
      return Promise.reject(new StoreError('closed', { retry: 'never', outcome: 'none' }));
    const bytes = payload?.length ?? 0;
    const crowded = this.#waiting.length >= WAITING_CALLS_MAX || this.#waiting.bytes + bytes > WAITING_BYTES_MAX;
    if (this.#state === 'dead' || crowded)
      return Promise.reject(new StoreError('unavailable', { retry: 'same', outcome: 'none' }));
    this.#n += 1;
    const n = this.#n;
    this.#waiting.push({ n, owner, bytes, call: [n, name, ask] as unknown as Call, payload });
    const answer = new Promise<unknown>((resolve, reject) => this.#open.set(n, { resolve, reject }));
    this.#schedule();
    return answer as Promise<Operations[Name]['answer']>;
  }

  /** At the end of the running callback, so that what one callback asks goes together. */
  #schedule(): void {
    if (this.#scheduled || !this.#mayPost()) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#mayPost()) this.#post();
    });
  }

  #mayPost(): boolean {
    if (this.#batches === 0) return this.#waiting.length > 0;
    const full = this.#waiting.length >= this.#batchMax || this.#waiting.bytes >= BATCH_BYTES_MAX;
    return full && this.#batches < BATCHES_MAX;
  }

  #post(): void {
    const batch = this.#waiting.take(this.#batchMax, BATCH_BYTES_MAX);
    const bytes = new Uint8Array(batch.reduce((sum, waiting) => sum + waiting.bytes, 0));
    let at = 0;
    const calls = batch.map(({ call, payload }): Call => {
      if (call[1] !== 'submit' || payload === undefined) return call;
      const placed = call[2].with(12, at) as unknown as (typeof call)[2];
      bytes.set(payload, at);
      at += payload.length;
      return [call[0], 'submit', placed];
    });
    this.#batches += 1;
    this.#worker.postMessage({ kind: 'calls', calls, bytes } satisfies ToWriter, [bytes.buffer]);
  }

  #receive(message: FromWriter): void {
    switch (message.kind) {
      case 'opened':
        this.#state = 'open';
        this.#settleOpened?.resolve();
        return;
      case 'answers':
        for (const [n, answer] of message.answers) this.#settle(n)?.resolve(answer);
        for (const [n, failure] of message.failures) this.#settle(n)?.reject(unpackFailure(failure));
        this.#batches -= message.batches;
        if (this.#waiting.length > 0) this.#schedule();
        return;
      case 'fatal':
        this.#die(unpackFailure(message.failure));
        return;
      case 'closed':
        return;
    }
  }

  #settle(n: number): Open | undefined {
    const open = this.#open.get(n);
    this.#open.delete(n);
    return open;
  }

  #die(error: StoreError): void {
    if (this.#state === 'dead' || this.#state === 'closed') return;
    const before = this.#state;
    this.#state = before === 'closing' ? 'closed' : 'dead';
    for (const open of this.#open.values()) open.reject(error);
    this.#open.clear();
    this.#waiting.clear();
    if (before === 'opening') this.#settleOpened?.reject(error);
    if (before === 'open') this.#onFatal(error);
  }
}

function unpackFailure({ code, retry, outcome, text }: PackedFailure): StoreError {
  return new StoreError(code, { retry, outcome, cause: text === '' ? undefined : new Error(text) });
}

/** The bodies need not come back from the writer: they are the caller's own. */
function unpackResult(packed: PackedResult, submission: Submission): SubmitResult {
  if (packed[0] === 'refused') return { kind: 'refused', code: packed[1], detail: packed[2] };
  const [, repeat, packedDevices, peers, places] = packed;
  const devices = unpackDevices(packedDevices);
  const bodies = bodiesOf(submission);
  const rows: AppendedRow[] = [];
  for (let at = 0; at < places.length; at += 3) {
    const device = devices[places[at] ?? 0]?.device;
    const body = bodies[places[at + 2] ?? 0] ?? resyncBody(submission.submit.chainNumber);
    if (device === undefined) continue;
    rows.push({
      device,
      seq: places[at + 1] as AppendedRow['seq'],
      kind: body.kind,
      group: submission.submit.group,
      storedAtMs: submission.nowMs,
      payload: body.payload,
    });
  }
  return { kind: 'accepted', repeat, devices, peers: unpackIds<AccountId>(peers), rows };
}
