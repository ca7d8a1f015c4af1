/**
 * The server's database on a disk that takes its time: the SQL of the real driver, one transaction after the other as its
 * writer thread runs them. Between the last statement of a transaction and the end of its flush a crash keeps it or not;
 * what was flushed stays.
 */
import { DatabaseSync } from 'node:sqlite';
import type { FromWriter, OperationName, ToWriter, WriterChannel } from '@securechat/server/parts';
import { createOperations, decideSubmit, forgetFuture, migrate, unpackSubmission } from '@securechat/server/parts';
import type { Limits } from '@securechat/wire';
import type { Chance } from './chance.ts';
import type { Bug } from './planted.ts';
import type { BlobImage } from './server-blobs.ts';
import { ServerBlobs } from './server-blobs.ts';
import type { Witness } from './witness.ts';
import type { Life, World } from './world.ts';

type Calls = Extract<ToWriter, { kind: 'calls' }>;
type Answers = Extract<FromWriter, { kind: 'answers' }>;

/** What needs no room on a full disk: reads, and what makes room (as in the writer). */
const roomless: ReadonlySet<OperationName> = new Set<OperationName>([
  'fetch',
  'ack',
  'attach',
  'detach',
  'keyPackageStock',
  'get',
  'list',
  'blocks',
  'contacts',
  'deleteAccount',
  'maintain',
]);
const reads: ReadonlySet<OperationName> = new Set<OperationName>([
  'fetch',
  'detach',
  'keyPackageStock',
  'get',
  'list',
  'blocks',
  'contacts',
]);

export interface ServerImage {
  readonly database: Uint8Array;
  readonly blobs: BlobImage;
}

export class ServerDisk {
  readonly faults = { fullUntilMs: 0, failNext: false, flushMsMax: 6 };
  readonly db: DatabaseSync;
  readonly blobs = new ServerBlobs();
  readonly #world: World;
  readonly #chance: Chance;
  readonly #limits: Limits;
  readonly #bug: Bug | undefined;
  readonly #witness: Witness;

  constructor(parts: { world: World; chance: Chance; limits: Limits; bug: Bug | undefined; witness: Witness }) {
    this.#witness = parts.witness;
    this.#world = parts.world;
    this.#chance = parts.chance;
    this.#limits = parts.limits;
    this.#bug = parts.bug;
    this.db = new DatabaseSync(':memory:');
    this.db.deserialize((emptyDatabase ??= newDatabase()));
  }

  /** The writer of the next process. */
  open(life: Life, monotonicMs: number): SimWriter {
    return new SimWriter({
      db: this.db,
      world: this.#world,
      chance: this.#chance,
      limits: this.#limits,
      faults: this.faults,
      bug: this.#bug,
      witness: this.#witness,
      life,
      monotonicMs,
    });
  }

  /** What a backup takes along. */
  copy(): ServerImage {
    return { database: this.db.serialize(), blobs: this.blobs.copy() };
  }

  /** Puts a copy in its place, while no server runs; `as`: by `securechat restore`, or by hand. */
  restore({ database, blobs }: ServerImage, as: 'restored' | 'copied'): void {
    this.db.deserialize(database);
    if (as === 'restored') forgetFuture(this.db);
    this.blobs.restore(blobs);
  }

  close(): void {
    if (this.db.isTransaction) this.db.exec('ROLLBACK');
    this.db.close();
  }
}

/** Made once per process. */
let emptyDatabase: Uint8Array | undefined;

function newDatabase(): Uint8Array {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const image = db.serialize();
  db.close();
  return image;
}

interface WriterParts {
  readonly db: DatabaseSync;
  readonly world: World;
  readonly chance: Chance;
  readonly limits: Limits;
  readonly faults: ServerDisk['faults'];
  readonly bug: Bug | undefined;
  readonly witness: Witness;
  readonly life: Life;
  readonly monotonicMs: number;
}

export class SimWriter implements WriterChannel {
  readonly #parts: WriterParts;
  readonly #made: ReturnType<typeof createOperations>;
  readonly #queue: ToWriter[] = [];
  #heard: (message: FromWriter) => void = () => undefined;
  #exited: (() => void)[] = [];
  #busy = false;
  /** Whether something was accepted before; nothing is decided now. */
  #asking = false;
  #dead = false;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    const { db, limits, monotonicMs, bug, witness } = parts;
    const rules = bug?.decide?.(decideSubmit) ?? decideSubmit;
    const decide: typeof decideSubmit = (submission, facts, inForce) => {
      const outcome = rules(submission, facts, inForce);
      if (!this.#asking) witness.decided(submission, facts, outcome);
      return outcome;
    };
    this.#made = createOperations(db, { limits, monotonicMs, decide });
    parts.world.after(0, parts.life, () => this.#heard({ kind: 'opened' }));
  }

  on(event: 'message' | 'error' | 'exit', heard: (message: never) => void): void {
    if (event === 'message') this.#heard = heard as (message: FromWriter) => void;
    if (event === 'exit') this.#exited.push(heard as unknown as () => void);
  }
  once(_event: 'exit', heard: () => void): void {
    this.#exited.push(heard);
  }

  postMessage(message: ToWriter): void {
    this.#queue.push(message);
    const { world, life } = this.#parts;
    world.after(0, life, () => this.#next());
  }

  /** What is under way is on the disk or not; nothing of it was said. */
  crash(): void {
    const { db, chance, bug, witness } = this.#parts;
    this.#dead = true;
    if (!db.isTransaction) return;
    const lost = bug?.neverFlushes === true || chance.oneIn(2);
    db.exec(lost ? 'ROLLBACK' : 'COMMIT');
    witness.ended(lost ? 'lost' : 'kept');
  }

  #next(): void {
    if (this.#busy || this.#dead) return;
    const message = this.#queue.shift();
    if (message === undefined) return;
    if (message.kind === 'close') return this.#close();
    this.#transact(message);
  }

  #close(): void {
    const { db, witness } = this.#parts;
    this.#dead = true;
    if (db.isTransaction) db.exec('COMMIT');
    witness.ended('kept');
    this.#heard({ kind: 'closed' });
    for (const exited of this.#exited) exited();
  }

  #transact({ calls, bytes }: Calls): void {
    const { db, world, chance, life, faults, bug, witness } = this.#parts;
    const { operations, store } = this.#made;
    const answers: [number, unknown][] = [];
    const failures: Answers['failures'][number][] = [];
    const full = faults.fullUntilMs > world.nowMs;
    const runnable = calls.filter((call) => {
      const [n, name] = call;
      if (!full || roomless.has(name)) return true;
      this.#asking = true;
      const known = call[1] === 'submit' ? store.refusedBeforehand(unpackSubmission(call[2], bytes)) : undefined;
      this.#asking = false;
      if (known === undefined)
        failures.push([n, { code: 'full', retry: 'same', outcome: 'none', text: 'no space left' }]);
      else answers.push([n, known]);
      return false;
    });
    if (!db.isTransaction) db.exec('BEGIN IMMEDIATE');
    for (const [n, name, ask] of runnable) {
      bug?.beforeOperation?.(db, name, ask, world.nowMs);
      const run = operations[name] as (asked: unknown, buffer: Uint8Array) => unknown;
      answers.push([n, run(ask, bytes)]);
    }
    store.flush();
    const answer = (): void => this.#heard({ kind: 'answers', answers, failures, batches: 1 });
    const reading = runnable.every(([, name]) => reads.has(name));
    if (reading || bug?.neverFlushes === true) {
      if (bug?.neverFlushes !== true) db.exec('COMMIT');
      answer();
      if (this.#queue.length > 0) world.after(0, life, () => this.#next());
      return;
    }
    this.#busy = true;
    if (bug?.answersBeforeCommit === true) answer();
    world.after(chance.between(0, faults.flushMsMax), life, () => {
      if (this.#dead) return;
      if (faults.failNext) return this.#fail();
      db.exec('COMMIT');
      witness.ended('kept');
      store.committed();
      this.#busy = false;
      if (bug?.answersBeforeCommit !== true) answer();
      if (this.#queue.length > 0) this.#next();
    });
  }

  /** An IO error while committing: the outcome is unknown, and nothing is written any more. */
  #fail(): void {
    this.#parts.faults.failNext = false;
    this.crash();
    this.#heard({ kind: 'fatal', failure: { code: 'unavailable', retry: 'same', outcome: 'unknown', text: 'EIO' } });
  }
}
