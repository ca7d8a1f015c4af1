/** What drives the core: events in, one after the other, effects out, and the one timer that wakes it. */
import type { ConnectionState } from '../api.ts';
import type { Effect } from '../core/effect.ts';
import type { Event, State } from '../core/state.ts';
import { emptyState } from '../core/state.ts';
import { nextWakeMs, unsentCount, update } from '../core/update.ts';

/** setTimeout counts in 32 bits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface LoopOptions {
  /** A clock that nobody sets, for every wait: with the wall clock put back, a wait would last for days. */
  readonly steadyMs: () => number;
  readonly random: () => number;
  /** After an event changed the state, before its effects. */
  readonly onStep: (event: Event) => void;
  readonly perform: (effect: Effect) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #events: Event[] = [];
  #state: State = emptyState;
  #updating = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  get unsent(): number {
    return unsentCount(this.#state);
  }
  get connection(): ConnectionState {
    const { kind } = this.#state.connection;
    return kind === 'online' ? 'online' : kind === 'connecting' ? 'connecting' : 'offline';
  }

  /** What an effect dispatches comes after the event that asked for it. */
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

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #step(event: Event): void {
    const { steadyMs, random, onStep, perform } = this.#options;
    const { state, effects } = update(this.#state, event, { nowMs: steadyMs(), random: random() });
    this.#state = state;
    onStep(event);
    for (const effect of effects) perform(effect);
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    const atMs = nextWakeMs(this.#state);
    if (atMs === undefined || this.#ended) return;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(1, atMs - this.#options.steadyMs()));
    this.#timer = setTimeout(() => this.dispatch({ kind: 'tick' }), waitMs);
  }
}
