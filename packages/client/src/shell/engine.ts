/**
 * The loop of an open account: events go into the core, effects come out, and each effect has one handler. It owns the
 * one timer; everything else it hands to the functions that do it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Entropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { AccountId, Code } from '@securechat/wire';
import { codes } from '@securechat/wire';
import type { ClientEvent, ConnectionState } from '../api.ts';
import type { EffectKind, EffectOf } from '../core/effect.ts';
import { failureIn } from '../core/record-failure.ts';
import type { Event, State } from '../core/state.ts';
import { emptyState } from '../core/state.ts';
import { nextWakeMs, unsentCount, update } from '../core/update.ts';
import { Inbox } from './receive/accept.ts';
import { Arrival } from './arrival.ts';
import { Chores } from './chores.ts';
import type { ConnectionOptions, HandOver } from './connection.ts';
import { Connection } from './connection.ts';
import { encryptItems, renumberItems, submitItem } from './send/deliver.ts';
import { foundGroup } from './send/found-group.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Link } from './link/link-port.ts';
import { loadLanes } from './ledger/load-lanes.ts';
import { replaceDevice } from './account/new-device.ts';
import { isRenewal } from './account/renew-device.ts';
import type { AttachedOver } from './online.ts';
import { afterAttach, becomeReachable } from './online.ts';
import type { Answer, OpenAccount } from './open-account.ts';
import { People } from './people/people.ts';
import { prepareCommit } from './send/prepare-commit.ts';
import { Presences } from './people/presences.ts';
import { Receipts } from './receive/receipts.ts';
import { Renewal } from './people/renewal.ts';
import { Serial } from './serial.ts';
import { failItem } from './send/settle.ts';
import { Settling } from './send/settling.ts';
import { stubbornly } from './stubborn.ts';
import { Transfers } from './files/transfers.ts';
import { buryGroup, dropCommit, dropItem, forgetGroup } from './send/undo.ts';

/** After a full disk: how long before the keys of a reset are stored again. */
const STORE_RETRY_MS = 1_000;
/** How long the caller of a reset waits for the connection that tells what became of it. */
const RESET_MS = 20_000;
/** setTimeout counts in 32 bits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

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
  readonly #connection: Connection;
  readonly #settling: Settling;
  readonly #arrival = new Arrival();
  readonly #waiters = new Map<number, (answer: Answer) => void>();
  readonly #events: Event[] = [];
  #state: State = emptyState;
  #updating = false;
  #timer: NodeJS.Timeout | undefined;
  #handOver: HandOver | undefined;
  #blocks: ReadonlySet<AccountId> = new Set();
  #changing: Promise<Code | undefined> | undefined;
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
    this.#settling = new Settling(this);
    this.#connection = new Connection(this, {
      open: options.open,
      onAttached: (attached) => this.#attached(attached),
      onClosed: (code, retryAfterMs) => this.#closed(code, retryAfterMs),
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
    this.#events.push(event);
    if (this.#updating || this.#ended) return;
    this.#updating = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
    } finally {
      this.#updating = false;
    }
    this.#armTimer();
  }

  // ---- what the client asks

  get unsent(): number {
    return unsentCount(this.#state);
  }
  get connection(): ConnectionState {
    const { kind } = this.#state.connection;
    return kind === 'online' ? 'online' : kind === 'connecting' ? 'connecting' : 'offline';
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
    const code = this.#changing === undefined ? first : await this.#changing;
    if (code === undefined) await this.#arrival.ready();
    return code;
  }

  /** Stops everything at once; what is on disk stays. Idempotent. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.receipts.stop();
    this.#connection.close();
    this.#arrival.failed('CONNECTION_LOST');
    await this.transfers.stop();
    await this.serial.idle();
    await this.inbox.idle();
  }

  // ---- the loop

  #steadyMs(): number {
    return this.#options.steadyMs?.() ?? performance.now();
  }

  #step(event: Event): void {
    const moment = { nowMs: this.#steadyMs(), random: this.#options.random() };
    const { state, effects } = update(this.#state, event, moment);
    this.#state = state;
    if (event.kind === 'caught-up' || (event.kind === 'opened' && !event.reading)) this.#arrival.caughtUp();
    for (const effect of effects) this.#perform(effect);
  }

  #perform<K extends EffectKind>(effect: EffectOf<K>): void {
    const handler = this.#handlers[effect.kind] as (effect: EffectOf<K>) => void;
    handler(effect);
  }

  /** One handler per kind: a new effect does not compile until it is handled. */
  readonly #handlers: { readonly [K in EffectKind]: (effect: EffectOf<K>) => void } = {
    connect: () => this.#connect(),
    disconnect: () => this.#connection.close(),
    reconnect: () => this.link()?.close(),
    end: ({ code }) => this.#end(code),
    'show-connection': ({ state, code }) =>
      this.emit({ kind: 'connection', state, ...(code !== undefined && { code }) }),
    encrypt: (effect) => this.#background(() => encryptItems(this, effect)),
    found: (effect) => this.#background(() => foundGroup(this, effect)),
    commit: (effect) => this.#background(() => prepareCommit(this, effect)),
    renumber: (effect) => this.#background(() => renumberItems(this, effect)),
    submit: (effect) => submitItem(this, effect),
    settle: ({ user, order, id }) =>
      this.#settling.settle(user, { order, id, presence: this.presences.atAcceptance(user) }),
    fail: (effect) => stubbornly(this, () => failItem(this, effect)),
    drop: (effect) => stubbornly(this, () => dropItem(this, effect)),
    'forget-group': (effect) => stubbornly(this, () => forgetGroup(this, effect)),
    'bury-group': (effect) => stubbornly(this, () => buryGroup(this, effect)),
    'drop-commit': (effect) => stubbornly(this, () => dropCommit(this, effect)),
  };

  #background(work: () => Promise<void>): void {
    if (!this.#ended) void work().catch(() => undefined);
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    const atMs = nextWakeMs(this.#state);
    if (atMs === undefined || this.#ended) return;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(1, atMs - this.#steadyMs()));
    this.#timer = setTimeout(() => this.dispatch({ kind: 'tick' }), waitMs);
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
    const reset = this.ledger.successor !== undefined && !isRenewal(this.ledger);
    if (code === 'DEVICE_REVOKED' && reset) return void this.changeOver();
    // A first attempt that ends so is told to the one who logs in.
    if (this.leaving || !this.#arrival.tried) return;
    this.emit({ kind: 'loggedOut', code, reason: codes[code].text });
    this.#options.onEnded(code);
  }

  // ---- other keys

  /**
   * This device's keys were replaced at the server by those of a reset: change over to them. Resolves with the code of
   * what keeps it from attaching, if anything does. Idempotent.
   */
  changeOver(): Promise<Code | undefined> {
    this.#changing ??= (async () => {
      this.dispatch({ kind: 'stop' });
      // What came for the old device is of no use to the new one.
      await this.inbox.pause();
      await this.serial.idle();
      await this.#replaceDevice();
      return this.#restart();
    })().finally(() => (this.#changing = undefined));
    return this.#changing;
  }

  /** Until it is stored: the server knows the old keys no more, and a full disk passes. */
  async #replaceDevice(): Promise<void> {
    for (let { successor } = this.ledger; successor !== undefined && !this.#ended; { successor } = this.ledger)
      await replaceDevice(this.ledger, successor).catch(() => delay(STORE_RETRY_MS, undefined, { ref: false }));
  }

  /** After a reset whose answer was lost: true once this device attached with the new keys, false if with the old ones. */
  async resetHappened(): Promise<boolean> {
    const device = this.ledger.successor?.device;
    const end = this.nowMs() + RESET_MS;
    while (this.ledger.successor !== undefined || this.#changing !== undefined) {
      if (this.#ended || this.nowMs() > end) break;
      await delay(100);
    }
    return device !== undefined && this.ledger.account.device === device;
  }

  async #restart(): Promise<Code | undefined> {
    this.#arrival.again();
    this.#connection.forgetResumption();
    this.dispatch(await loadLanes(this.ledger));
    this.dispatch({ kind: 'start' });
    return this.#arrival.attempt;
  }
}
