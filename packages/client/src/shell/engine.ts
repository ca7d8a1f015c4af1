/**
 * The loop of an open account: events go into the core, effects come out, and each effect has one handler. It owns the
 * connection and the one timer; everything else it hands to the functions that do it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Entropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { Accepted, AccountId, ClientId, Code, control, Presence } from '@securechat/wire';
import { codes, idOf } from '@securechat/wire';
import type { ClientEvent, ConnectionState } from '../api.ts';
import type { EffectKind, EffectOf } from '../core/effect.ts';
import type { Item } from '../core/item.ts';
import { failureIn } from '../core/record-failure.ts';
import { itemOf } from '../core/record-outbox.ts';
import type { Event, State } from '../core/state.ts';
import { emptyState } from '../core/state.ts';
import { nextWakeMs, unsentCount, update } from '../core/update.ts';
import { Inbox } from './accept.ts';
import { encryptItems, renumberItems, submitItem } from './deliver.ts';
import { foundGroup } from './found-group.ts';
import { replenish } from './key-packages.ts';
import type { Ledger } from './ledger.ts';
import { HeldEvents } from './link-events.ts';
import type { ForwardedEvents } from './link-events.ts';
import type { Link, LinkEvents } from './link-port.ts';
import { afterAttach, attachOver, becomeReachable, watchPresence } from './online.ts';
import type { Answer, OpenAccount } from './open-account.ts';
import { failureOf } from './open-account.ts';
import { replaceDevice } from './new-device.ts';
import { isHalted, People } from './people.ts';
import { Receipts } from './receipts.ts';
import { Serial } from './serial.ts';
import type { OpenedLink } from './server-pin.ts';
import type { Accepted as AcceptedItem } from './settle.ts';
import { failItem, settleItems } from './settle.ts';
import { prepareCommit } from './prepare-commit.ts';
import { Transfers } from './transfers.ts';
import { buryGroup, dropCommit, dropItem, forgetGroup } from './undo.ts';

/** A full disk: how long before storing is tried again. */
const STORE_RETRY_MS = 1_000;
/** How long a login waits for the mailbox to be read, and for key packages to be out. */
const READY_MS = 5_000;
/** Between two look-ups of one person, or two refills, that the server asks for. */
const CHORE_MS = 1_000;
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
  /** A connection to the account's server; `resumption` of the last attach, to be used once. */
  readonly open: (events: LinkEvents, resumption: Resumption | undefined) => Promise<OpenedLink>;
  /** The session of this device is over: the caller closes the account. */
  readonly onEnded: (code: Code) => void;
}

export interface Resumption {
  readonly handle: Uint8Array;
  readonly secret: Uint8Array;
  readonly expiresMs: number;
}

export class Engine implements OpenAccount {
  readonly ledger: Ledger;
  readonly mls: MlsEngine;
  readonly entropy: Entropy;
  readonly people: People;
  readonly inbox: Inbox;
  readonly receipts: Receipts;
  readonly transfers: Transfers;
  readonly serial = new Serial();
  /** The account is being deleted: its end is no news. */
  leaving = false;
  /** Presence of contacts as last heard, by user name. */
  readonly presences = new Map<string, Presence>();
  readonly #options: EngineOptions;
  readonly #waiters = new Map<number, (answer: Answer) => void>();
  readonly #presenceOf = new Map<string, Presence>();
  readonly #events: Event[] = [];
  #state: State = emptyState;
  #updating = false;
  #timer: NodeJS.Timeout | undefined;
  #link: Link | undefined;
  /** Counts the connections, so that a late word of an old one is not heard. */
  #attempt = 0;
  #firstTry: PromiseWithResolvers<Code | undefined> = Promise.withResolvers();
  #caughtUp: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #reachable: PromiseWithResolvers<void> = Promise.withResolvers();
  #attached: control.Attached | undefined;
  #blocks: ReadonlySet<AccountId> = new Set();
  #ended = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.ledger = options.ledger;
    this.mls = options.mls;
    this.entropy = options.entropy;
    this.people = new People(options.ledger, options.nowMs);
    this.inbox = new Inbox(this);
    this.receipts = new Receipts(this);
    this.transfers = new Transfers(this);
  }

  // ---- OpenAccount

  nowMs(): number {
    return this.#options.nowMs();
  }
  link(): Link | undefined {
    return this.#link;
  }
  blocks(): ReadonlySet<AccountId> {
    return this.#blocks;
  }
  registration(): string {
    return this.#attached?.registration ?? 'open';
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
    if (this.#link !== undefined) this.#once('watch', () => watchPresence(this));
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
    return this.#attached?.fileBytesMax;
  }
  get vaultVersion(): number {
    return this.#attached?.vaultVersion ?? 0;
  }

  /** Calls back once with what became of an item; to be registered before it is dispatched. */
  waitFor(order: number, heard: (answer: Answer) => void): void {
    this.#waiters.set(order, heard);
  }

  /**
   * Reads the outbox into the core and connects, over `opened` if there is a link already. Resolves with undefined when
   * attached, the mailbox as it was then is read and others can write first, or with the code of what kept the first attempt from it.
   */
  async start(opened?: { readonly link: OpenedLink; readonly events: ForwardedEvents }): Promise<Code | undefined> {
    await this.#load();
    this.#handOver = opened;
    this.dispatch({ kind: 'start' });
    const first = await this.#firstTry.promise;
    // Revoked by a reset of our own, whose answer was lost with the process that asked for it.
    const code = this.#changing === undefined ? first : await this.#changing;
    if (code !== undefined) return code;
    // A long backlog is read on in the background.
    const patience = new AbortController();
    const enough = delay(READY_MS, undefined, { ref: false, signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all([this.#caughtUp.promise, this.#reachable.promise]), enough]);
    patience.abort();
    return undefined;
  }

  /** Stops everything at once; what is on disk stays. Idempotent. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.receipts.stop();
    this.#closeLink();
    this.#firstTry.resolve('CONNECTION_LOST');
    this.#caughtUp.resolve();
    this.#reachable.resolve();
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
    if (event.kind === 'caught-up' || (event.kind === 'opened' && !event.reading)) this.#caughtUp.resolve();
    for (const effect of effects) this.#perform(effect);
  }

  #perform<K extends EffectKind>(effect: EffectOf<K>): void {
    const handler = this.#handlers[effect.kind] as (effect: EffectOf<K>) => void;
    handler(effect);
  }

  /** One handler per kind: a new effect does not compile until it is handled. */
  readonly #handlers: { readonly [K in EffectKind]: (effect: EffectOf<K>) => void } = {
    connect: () => void this.#connect(),
    disconnect: () => this.#closeLink(),
    reconnect: () => this.#link?.close(),
    end: ({ code }) => this.#end(code),
    'show-connection': ({ state, code }) =>
      this.emit({ kind: 'connection', state, ...(code !== undefined && { code }) }),
    encrypt: (effect) => this.#background(() => encryptItems(this, effect)),
    found: (effect) => this.#background(() => foundGroup(this, effect)),
    commit: (effect) => this.#background(() => prepareCommit(this, effect)),
    renumber: (effect) => this.#background(() => renumberItems(this, effect)),
    submit: (effect) => submitItem(this, effect),
    settle: ({ user, order }) => this.#settle(user, { order, presence: this.#presenceOf.get(user) ?? 'unknown' }),
    fail: (effect) => this.#stubborn(() => failItem(this, effect)),
    drop: (effect) => this.#stubborn(() => dropItem(this, effect)),
    'forget-group': (effect) => this.#stubborn(() => forgetGroup(this, effect)),
    'bury-group': (effect) => this.#stubborn(() => buryGroup(this, effect)),
    'drop-commit': (effect) => this.#stubborn(() => dropCommit(this, effect)),
  };

  #background(work: () => Promise<void>): void {
    if (!this.#ended) void work().catch(() => undefined);
  }

  /** Whatever else the server says of it meanwhile comes to one more time after this one: it may say it without end. */
  #once(what: string, work: () => Promise<void>): void {
    const running = this.#chores.has(what);
    this.#chores.set(what, work);
    if (running) return;
    this.#background(async () => {
      for (let next = this.#chores.get(what); next !== undefined && !this.#ended;) {
        await next().catch(() => undefined);
        const waiting = this.#chores.get(what);
        if (waiting === next) break;
        next = waiting;
        await new Promise((resolve) => setTimeout(resolve, CHORE_MS));
      }
      this.#chores.delete(what);
    });
  }
  readonly #chores = new Map<string, () => Promise<void>>();

  /** Acceptances that come while others are being stored are stored together. */
  #settle(user: string, accepted: AcceptedItem): void {
    const open = this.#settling.get(user);
    if (open !== undefined) return void open.push(accepted);
    const batch = [accepted];
    this.#settling.set(user, batch);
    this.#stubborn(() =>
      this.serial.run(user, () => {
        if (this.#settling.get(user) === batch) this.#settling.delete(user);
        return settleItems(this, user, batch);
      }),
    );
  }
  readonly #settling = new Map<string, AcceptedItem[]>();

  /** What has to be stored is tried until it is: a full disk passes. */
  #stubborn(work: () => Promise<void>): void {
    const attempt = (): void => {
      if (this.#ended) return;
      work().catch(() => setTimeout(attempt, STORE_RETRY_MS).unref());
    };
    attempt();
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    const atMs = nextWakeMs(this.#state);
    if (atMs === undefined || this.#ended) return;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(1, atMs - this.#steadyMs()));
    this.#timer = setTimeout(() => this.dispatch({ kind: 'tick' }), waitMs);
  }

  // ---- loading

  async #load(): Promise<void> {
    const { ledger } = this;
    await this.#repair();
    const users = new Set([...ledger.conversations.keys()]);
    const items = new Map<string, Item[]>();
    for (const row of ledger.outbox.values()) {
      if (row.acceptedMs > 0) continue;
      users.add(row.user);
      items.set(row.user, [...(items.get(row.user) ?? []), itemOf(row)]);
    }
    const lanes = [...users].map((user) => ({
      user,
      items: items.get(user) ?? [],
      lineage: ledger.conversation(user).lineage,
      halted: isHalted(ledger.contacts.get(user)),
    }));
    this.dispatch({ kind: 'loaded', device: ledger.account.device, lanes });
  }

  /** A crash between two steps: a founding without its row in the outbox was given up. */
  async #repair(): Promise<void> {
    const { ledger } = this;
    const open = new Set([...ledger.outbox.values()].map(({ sealed }) => sealed?.group));
    for (const conversation of ledger.conversations.values()) {
      const lost = conversation.lineage.filter(({ state, group }) => state === 'founding' && !open.has(group));
      if (lost.length === 0) continue;
      const lineage = conversation.lineage.filter((facts) => !lost.includes(facts));
      await ledger.commit([
        { put: 'conversation', value: { ...conversation, lineage } },
        ...lost.map(({ group }) => ({ drop: 'group', key: group }) as const),
      ]);
    }
  }

  // ---- the connection

  #handOver: { readonly link: OpenedLink; readonly events: ForwardedEvents } | undefined;
  #resumption: Resumption | undefined;

  async #connect(): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const current = (): boolean => attempt === this.#attempt && !this.#ended;
    const events = new HeldEvents(this.#linkEvents(current), () => this.#opening?.close());
    const handOver = this.#handOver;
    this.#handOver = undefined;
    try {
      if (handOver !== undefined) handOver.events.target = events;
      const resumption = this.#resumption;
      this.#resumption = undefined;
      const usable = resumption !== undefined && resumption.expiresMs > this.nowMs() ? resumption : undefined;
      const { link } = handOver?.link ?? (await this.#options.open(events, usable));
      if (!current()) return link.close();
      this.#opening = link;
      await this.inbox.pause();
      const attached = await attachOver(this, link);
      if (!current()) return link.close();
      this.#attached = attached.answer;
      this.#tried = true;
      this.#link = link;
      this.#resumption = resumptionIn(attached.answer);
      this.inbox.attached(attached.answer, attached.rolledBack);
      this.dispatch({ kind: 'opened', rolledBack: attached.rolledBack, reading: this.inbox.backlog.behind });
      this.#firstTry.resolve(undefined);
      events.release();
      const reachable = becomeReachable(this, attached).catch(() => undefined);
      void reachable.then(() => this.#reachable.resolve());
      void afterAttach(this, attached.answer, (blocked) => (this.#blocks = blocked)).catch(() => undefined);
    } catch (cause) {
      this.#opening?.close();
      if (current()) this.#closed(failureOf(cause).code);
    } finally {
      this.#opening = undefined;
    }
  }

  /** A link that is not attached yet. */
  #opening: Link | undefined;

  #closed(code: Code): void {
    this.#attempt += 1;
    this.#link = undefined;
    this.presences.clear();
    this.#firstTry.resolve(code);
    this.#caughtUp.resolve();
    this.#reachable.resolve();
    this.dispatch({ kind: 'closed', code });
    this.#tried = true;
  }

  /** The first attempt to attach is over, and what came of it told. */
  #tried = false;

  #closeLink(): void {
    this.#attempt += 1;
    const links = [this.#link, this.#opening];
    this.#link = undefined;
    for (const link of links) link?.close();
  }

  /**
   * This device's keys were replaced at the server by those of a reset: change over to them. Resolves with the code of
   * what keeps it from attaching, if anything does. Idempotent.
   */
  changeOver(): Promise<Code | undefined> {
    this.#changing ??= (async () => {
      this.dispatch({ kind: 'stop' });
      await this.serial.idle();
      await this.#replaceDevice();
      return this.#restart();
    })().finally(() => (this.#changing = undefined));
    return this.#changing;
  }
  #changing: Promise<Code | undefined> | undefined;

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
    this.#firstTry = Promise.withResolvers();
    this.#caughtUp = Promise.withResolvers();
    this.#resumption = undefined;
    await this.#load();
    this.dispatch({ kind: 'start' });
    return this.#firstTry.promise;
  }

  #end(code: Code): void {
    // Our own reset ends the old device: its answer may have been lost, and this is as good.
    if (code === 'DEVICE_REVOKED' && this.ledger.successor !== undefined) return void this.changeOver();
    // A first attempt that ends so is told to the one who logs in.
    if (this.leaving || !this.#tried) return;
    this.emit({ kind: 'loggedOut', code, reason: codes[code].text });
    this.#options.onEnded(code);
  }

  #linkEvents(current: () => boolean): LinkEvents {
    return {
      onDeliver: (row) => {
        if (current()) this.inbox.push(row);
      },
      onAccepted: (accepted) => {
        if (current()) this.#accepted(accepted);
      },
      onRefused: (id, error) => {
        if (!current()) return;
        this.dispatch({ kind: 'refused', id: id as ClientId, code: error.code, detail: error.detail });
      },
      onEvent: (event) => {
        if (current()) this.#pushed(event);
      },
      onClosed: (code) => {
        // Before the attach its failure is told by the call itself.
        if (current() && this.#link !== undefined) this.#closed(code);
      },
    };
  }

  #accepted(accepted: Accepted): void {
    const row = this.ledger.outboxBySubmit(accepted.id);
    if (row !== undefined) {
      this.#presenceOf.set(row.user, accepted.presence);
      this.#showPresence(row.user, accepted.presence);
    }
    this.dispatch({ kind: 'accepted', id: accepted.id });
  }

  #pushed(event: control.Event): void {
    const { body } = event;
    switch (body?.$case) {
      case 'presence': {
        const user = this.ledger.userOfAccount(idOf<AccountId>(body.value.account));
        if (user !== undefined) this.#showPresence(user, presenceOf(body.value.presence));
        return;
      }
      case 'stock':
        return this.#once('stock', () => replenish(this, body.value.left, true));
      case 'keysChanged': {
        const user = this.ledger.userOfAccount(idOf<AccountId>(body.value.account));
        // What was written with the old keys is read first: newer keys would make it stale.
        if (user !== undefined)
          this.#once(`keys ${user}`, async () => {
            await this.inbox.rowsDone();
            await this.people.lookup(this, user);
          });
        return;
      }
      // Why the connection ends comes with its end.
      case 'loggedOut':
      case undefined:
        return;
    }
  }

  #showPresence(user: string, presence: Presence): void {
    if (this.presences.get(user) === presence) return;
    this.presences.set(user, presence);
    this.emit({ kind: 'presence', user, online: presence === 'unknown' ? null : presence === 'online' });
  }
}

function resumptionIn(attached: control.Attached): Resumption | undefined {
  if (attached.resumptionHandle.length === 0) return undefined;
  return {
    handle: attached.resumptionHandle,
    secret: attached.resumptionSecret,
    expiresMs: attached.resumptionExpiresMs,
  };
}

export function presenceOf(number: number): Presence {
  return number === 1 ? 'online' : number === 2 ? 'offline' : 'unknown';
}
