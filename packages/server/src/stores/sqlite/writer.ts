/**
 * The writer thread. It takes what waits (at most `commitRowsMax` calls), runs it in one transaction and answers after
 * the commit: while one commit runs the next group collects, and a single call is committed at once.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { StoreError } from '../port.ts';
import { Ballast } from './ballast.ts';
import type { Call, FromWriter, OperationName, Operations, PackedFailure, ToWriter, WriterOptions } from './calls.ts';
import { BATCH_BYTES_MAX, unpackSubmission } from './calls.ts';
import { failureOf, isFatal, openDatabase } from './database.ts';
import { createOperations } from './operations.ts';

if (parentPort === null) throw new Error('the writer runs in a thread of its own');
const port = parentPort;
const options = workerData as WriterOptions;

/** How a call stands to a full disk: it reads, it makes room (or attaches, which does), or it needs room. */
const needs: Readonly<Record<OperationName, 'nothing' | 'ballast' | 'room'>> = {
  submit: 'room',
  fetch: 'nothing',
  ack: 'ballast',
  attach: 'ballast',
  detach: 'nothing',
  putKeyPackages: 'room',
  takeKeyPackages: 'room',
  keyPackageStock: 'nothing',
  get: 'nothing',
  put: 'room',
  list: 'nothing',
  block: 'room',
  blocks: 'nothing',
  contacts: 'nothing',
  deleteAccount: 'ballast',
  maintain: 'ballast',
};

/** 4 MiB of a full disk, at most, before anybody is served again. */
const RECLAIM_PAGES = 32;
const RECLAIM_STEPS_MAX = 32;

const LOG_BYTES = 4 * 1024 * 1024;

const FULL: PackedFailure = { code: 'full', retry: 'same', outcome: 'none', text: 'no space left' };

try {
  run();
} catch (error) {
  post({ kind: 'fatal', failure: packFailure(failureOf(error)) });
}

function run(): void {
  const database = openDatabase(options.directory, Math.min(LOG_BYTES, options.ballastBytes / 2));
  const ballast = new Ballast(options.directory, options.ballastBytes);
  ballast.restore(performance.now());
  const { operations, store } = createOperations(database.db, options);
  const begin = database.db.prepare('BEGIN IMMEDIATE');
  const commit = database.db.prepare('COMMIT');
  let dead = false;
  let bytes = new Uint8Array(0);

  const call = <Name extends OperationName>(name: Name, ask: Operations[Name]['ask']): unknown =>
    operations[name](ask, bytes);

  /** All of them or none. */
  const transact = (calls: readonly Call[]): (readonly [number, unknown])[] => {
    if (calls.every(([, name]) => needs[name] === 'nothing'))
      return calls.map(([n, name, ask]) => [n, call(name, ask)]);
    begin.run();
    try {
      const answers = calls.map(([n, name, ask]) => [n, call(name, ask)] as const);
      store.flush();
      commit.run();
      store.committed();
      return answers;
    } catch (error) {
      // Some errors (full, IO) have rolled back already.
      if (database.db.isTransaction) database.db.exec('ROLLBACK');
      store.rolledBack();
      throw error;
    }
  };

  const group = (calls: readonly Call[]): Omit<Extract<FromWriter, { kind: 'answers' }>, 'batches'> => {
    const answers: (readonly [number, unknown])[] = [];
    const failures: (readonly [number, PackedFailure])[] = [];
    const refuseFull = (each: Call): void => {
      const known = each[1] === 'submit' ? store.refusedBeforehand(unpackSubmission(each[2], bytes)) : undefined;
      if (known === undefined) failures.push([each[0], FULL]);
      else answers.push([each[0], known]);
    };
    const attempt = (some: readonly Call[], triesLeft = 2): void => {
      try {
        answers.push(...transact(some));
      } catch (error) {
        const failure = failureOf(error);
        const [only] = some;
        if (isFatal(failure) || only === undefined) throw failure;
        if (failure.code === 'full') {
          // The checkpoint shortens the log, which is room as well. What needs more than that waits for the ballast.
          ballast.release();
          checkpoint();
          for (const each of some)
            if (triesLeft === 1 || needs[each[1]] === 'room') refuseFull(each);
            else attempt([each], triesLeft - 1);
        } else if (some.length === 1) failures.push([only[0], packFailure(failure)]);
        else for (const each of some) attempt([each]);
      }
    };
    const runnable: Call[] = [];
    for (const each of calls)
      if (needs[each[1]] !== 'room' || ballast.restore(performance.now(), reclaim)) runnable.push(each);
      else refuseFull(each);
    if (runnable.length > 0) attempt(runnable);
    return { kind: 'answers', answers, failures };
  };

  const checkpoint = (): void => {
    try {
      database.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      const failure = failureOf(error);
      if (isFatal(failure)) throw failure;
    }
  };

  /** Gives free pages of the database back to the disk, in steps that fit into what the ballast left. */
  const reclaim = (): void => {
    for (let step = 0; step < RECLAIM_STEPS_MAX; step += 1) {
      checkpoint();
      const free = Number(database.db.prepare('PRAGMA freelist_count').get()?.['freelist_count']);
      if (free < RECLAIM_PAGES) return;
      database.db.exec(`PRAGMA incremental_vacuum(${RECLAIM_PAGES})`);
    }
  };

  port.on('message', (first: ToWriter) => {
    if (dead) return;
    let closing = first.kind === 'close';
    const batches = first.kind === 'calls' ? [first] : [];
    let waiting = batches.reduce((sum, batch) => sum + batch.calls.length, 0);
    let size = batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
    while (!closing && waiting < options.limits.commitRowsMax && size < BATCH_BYTES_MAX) {
      const next: { readonly message: ToWriter } | undefined = receiveMessageOnPort(port);
      if (next === undefined) break;
      if (next.message.kind === 'close') closing = true;
      else {
        batches.push(next.message);
        waiting += next.message.calls.length;
        size += next.message.bytes.length;
      }
    }
    try {
      if (waiting > 0) {
        const [calls, joined] = join(batches);
        bytes = joined;
        post({ ...group(calls), batches: batches.length });
        if (calls.some(([, name]) => name === 'maintain')) {
          checkpoint();
          ballast.restore(performance.now(), reclaim);
        }
      }
      if (closing) {
        database.close();
        post({ kind: 'closed' });
        port.close();
      }
    } catch (error) {
      dead = true;
      post({ kind: 'fatal', failure: packFailure(failureOf(error)) });
      port.close();
    }
  });
  post({ kind: 'opened' });
}

type Calls = Extract<ToWriter, { kind: 'calls' }>;

/** One list of calls over one buffer. */
function join(batches: readonly Calls[]): readonly [readonly Call[], Uint8Array<ArrayBuffer>] {
  const [only] = batches;
  if (only !== undefined && batches.length === 1) return [only.calls, only.bytes as Uint8Array<ArrayBuffer>];
  const joined = new Uint8Array(batches.reduce((sum, batch) => sum + batch.bytes.length, 0));
  const calls: Call[] = [];
  let at = 0;
  for (const batch of batches) {
    joined.set(batch.bytes, at);
    for (const each of batch.calls) {
      if (each[1] !== 'submit') calls.push(each);
      else calls.push([each[0], 'submit', each[2].with(12, each[2][12] + at) as unknown as (typeof each)[2]]);
    }
    at += batch.bytes.length;
  }
  return [calls, joined];
}

function post(message: FromWriter): void {
  port.postMessage(message);
}

function packFailure(failure: StoreError): PackedFailure {
  const { code, retry, outcome, cause } = failure;
  return { code, retry, outcome, text: cause instanceof Error ? cause.message : '' };
}
