/**
 * An open account at work: the parts that it is made of, what comes and goes with its connection, and the calls of those
 * who use it. What is to be done, and when, says the core (loop.ts); perform.ts does it.
 */
import type { Entropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { AccountId, Code } from '@securechat/wire';
import { codes } from '@securechat/wire';
import type { ClientEvent, ConnectionState } from '../api.ts';
import { failureIn } from '../core/record-failure.ts';
import type { Event } from '../core/state.ts';
import { ChangeOver } from './account/change-over.ts';
import { Arrival } from './arrival.ts';
import { Chores } from './chores.ts';
import type { ConnectionOptions, HandOver } from './connection.ts';
import { Connection } from './connection.ts';
import { Transfers } from './files/transfers.ts';
import type { Ledger } from './ledger/ledger.ts';
import { loadLanes } from './ledger/load-lanes.ts';
import type { Link } from './link/link-port.ts';
import { Loop } from './loop.ts';
import type { AttachedOver } from './online.ts';
import { afterAttach, becomeReachable } from './online.ts';
import type { Answer, OpenAccount } from './open-account.ts';
import { People } from './people/people.ts';
import { Presences } from './people/presences.ts';
import { Renewal } from './people/renewal.ts';
import { performer } from './perform.ts';
import { Inbox } from './receive/accept.ts';
import { Receipts } from './receive/receipts.ts';
import { Settling } from './send/settling.ts';
import { Serial } from './serial.ts';

export interface EngineOptions {
  readonly ledger: Ledger;
  readonly mls: MlsEngine;
  readonly entropy: Entropy;
  /** Wall clock, Unix ms: for people and certificates. */
  readonly nowMs: () => number;
  /** A clock that nobody sets, for every wait: with the wall clock put back, a wait would last for days. */
  readonly steadyMs?: () => number;
  readonly random: () => number;
  readonly emit: (event: ClientEvent) => void;
  /** Resolves when somebody takes what was emitted; undefined: at once. Absent: always at once. */
  readonly room?: (backlog: boolean) => Promise<void> | undefined;
  readonly open: ConnectionOptions['open'];
  /** The session of this device is over: the caller closes the account. */
  readonly onEnded: (code: Code) => void;
}

export class Engine implements OpenAccount {
  readonly ledger: Ledger;
  readonly mls: MlsEngine;
  readonly entropy: Entropy;
  readonly people: People;
  readonly presences: Presences;
  readonly inbox: Inbox;
  readonly receipts: Receipts;
  readonly transfers: Transfers;
  readonly renewal: Renewal;
  readonly chores = new Chores(() => this.#ended);
  readonly serial = new Serial();
  /** The account is being deleted: its end is no news. */
  leaving = false;
  readonly #options: EngineOptions;
  readonly #loop: Loop;
  readonly #connection: Connection;
  readonly #changeOver: ChangeOver;
  readonly #arrival = new Arrival();
  readonly #waiters = new Map<number, (answer: Answer) => void>();
  #handOver: HandOver | undefined;
  #blocks: ReadonlySet<AccountId> = new Set();
  #ended = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.ledger = options.ledger;
    this.ledger.leaveThrough(this.serial);
    this.mls = options.mls;
    this.entropy = options.entropy;
    this.people = new People(options.ledger, options.nowMs);
    this.presences = new Presences(this);
    this.inbox = new Inbox(this);
    this.receipts = new Receipts(this);
    this.transfers = new Transfers(this);
    this.renewal = new Renewal(this);
    this.#connection = new Connection(this, {
      open: options.open,
      onAttached: (attached) => this.#attached(attached),
      onClosed: (code, retryAfterMs) => this.#closed(code, retryAfterMs),
    });
    this.#changeOver = new ChangeOver(this, () => this.#restart());
    this.#loop = new Loop({
      steadyMs: options.steadyMs ?? (() => performance.now()),
      random: options.random,
      onStep: (event) => this.#stepped(event),
      perform: performer(this, new Settling(this), {
        connect: () => this.#connect(),
        disconnect: () => this.#connection.close(),
        end: ({ code }) => this.#end(code),
      }),
    });
  }

  // ---- OpenAccount

  nowMs(): number {
    return this.#options.nowMs();
  }
  link(): Link | undefined {
    return this.#connection.link;
  }
  blocks(): ReadonlySet<AccountId> {
    return this.#blocks;
  }
  registration(): string {
    return this.#connection.attached?.registration ?? 'open';
  }
  emit(event: ClientEvent): void {
    this.#options.emit(event);
    const failure = failureIn(event);
    if (failure !== undefined) void this.ledger.noteFailure({ ...failure, atMs: this.nowMs() }).catch(() => undefined);
  }
  room(backlog: boolean): Promise<void> | undefined {
    return this.#options.room?.(backlog);
  }
  contactAdded(): void {
    if (this.link() !== undefined) this.chores.once('watch', () => this.presences.watch());
  }
  ended(): boolean {
    return this.#ended;
  }
  answer(order: number, answer: Answer): void {
    const waiter = this.#waiters.get(order);
    this.#waiters.delete(order);
    waiter?.(answer);
  }
  dispatch(event: Event): void {
    this.#loop.dispatch(event);
  }

  // ---- what the client asks

  get unsent(): number {
    return this.#loop.unsent;
  }
  get connection(): ConnectionState {
    return this.#loop.connection;
  }
  get fileBytesMax(): number | undefined {
    return this.#connection.attached?.fileBytesMax;
  }

  /** Calls back once with what became of an item; to be registered before it is dispatched. */
  waitFor(order: number, heard: (answer: Answer) => void): void {
    this.#waiters.set(order, heard);
  }

  /**
   * Reads the outbox into the core and connects, over `opened` if there is a link already. Resolves with undefined when
   * attached, the mailbox as it was then is read and others can write first, or with the code of what kept the first attempt from it.
   */
  async start(opened?: HandOver): Promise<Code | undefined> {
    this.dispatch(await loadLanes(this.ledger));
    this.#handOver = opened;
    this.dispatch({ kind: 'start' });
    const first = await this.#arrival.attempt;
    // Revoked by a reset of our own, whose answer was lost with the process that asked for it.
    const { running } = this.#changeOver;
    const code = running === undefined ? first : await running;
    if (code === undefined) await this.#arrival.ready();
    return code;
  }

  /** Stops everything at once; what is on disk stays. Idempotent. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#loop.end();
    this.receipts.stop();
    this.#connection.close();
    this.#arrival.failed('CONNECTION_LOST');
    await this.transfers.stop();
    await this.serial.idle();
    await this.inbox.idle();
  }

  /** Changes over to the keys of a reset that the server has; undefined once attached with them. Idempotent. */
  changeOver(): Promise<Code | undefined> {
    return this.#changeOver.run();
  }

  /** After a reset whose answer was lost: true once this device attached with the new keys, false if with the old ones. */
  resetHappened(): Promise<boolean> {
    return this.#changeOver.happened();
  }

  // ---- the connection

  #connect(): void {
    const handOver = this.#handOver;
    this.#handOver = undefined;
    void this.#connection.open(handOver);
  }

  #attached(attached: AttachedOver): void {
    this.#arrival.attached();
    this.dispatch({ kind: 'opened', rolledBack: attached.rolledBack, reading: this.inbox.backlog.behind });
    const reachable = becomeReachable(this, attached).catch(() => undefined);
    void reachable.then(() => this.#arrival.reachable());
    void afterAttach(this, attached.answer, (blocked) => (this.#blocks = blocked)).catch(() => undefined);
  }

  #closed(code: Code, retryAfterMs?: number): void {
    this.presences.clear();
    this.#arrival.failed(code);
    this.dispatch({ kind: 'closed', code, retryAfterMs });
    this.#arrival.told();
  }

  #end(code: Code): void {
    // Our own reset ends the old device: its answer may have been lost, and this is as good.
    if (code === 'DEVICE_REVOKED' && this.#changeOver.isDue) return void this.changeOver();
    // A first attempt that ends so is told to the one who logs in.
    if (this.leaving || !this.#arrival.tried) return;
    this.emit({ kind: 'loggedOut', code, reason: codes[code].text });
    this.#options.onEnded(code);
  }

  #stepped(event: Event): void {
    if (event.kind === 'caught-up' || (event.kind === 'opened' && !event.reading)) this.#arrival.caughtUp();
  }

  /** With other keys. */
  async #restart(): Promise<Code | undefined> {
    this.#arrival.again();
    this.#connection.forgetResumption();
    this.dispatch(await loadLanes(this.ledger));
    this.dispatch({ kind: 'start' });
    return this.#arrival.attempt;
  }
}
