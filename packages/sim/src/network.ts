/**
 * Connections as TCP gives them: what is sent arrives in order or not at all, a broken one has delivered a beginning, and
 * each side hears of the end in its own time, or when nothing was heard for too long. Reordering and duplicates come
 * from connections that follow each other.
 */
import type { Code, Frame } from '@securechat/wire';
import { limits } from '@securechat/wire';
import type { Chance } from './chance.ts';
import type { Life, World } from './world.ts';

/** One end of a connection. */
export interface Peer {
  readonly life: Life;
  onFrame(frame: Frame): void;
  /** Once, last. */
  onClose(code: Code): void;
}

/** What the way between one node and the server is like now. */
export interface Road {
  latencyMsMin: number;
  latencyMsMax: number;
  /** Nothing gets through before. */
  blockedUntilMs: number;
}

type Side = 'client' | 'server';
const other = { client: 'server', server: 'client' } as const;

export class Wire {
  readonly #world: World;
  readonly #road: Road;
  readonly #chance: Chance;
  readonly #peers: Readonly<Record<Side, Peer>>;
  readonly #open: Record<Side, boolean> = { client: true, server: true };
  /** What was sent towards a side and has not arrived. */
  readonly #underWay: Readonly<Record<Side, { atMs: number; readonly what: (peer: Peer) => void }[]>> = {
    client: [],
    server: [],
  };
  /** Towards a side nothing arrives from this time on. */
  readonly #cutMs: Record<Side, number> = { client: Infinity, server: Infinity };

  constructor(parts: { world: World; road: Road; chance: Chance; client: Peer; server: Peer }) {
    this.#world = parts.world;
    this.#road = parts.road;
    this.#chance = parts.chance;
    this.#peers = { client: parts.client, server: parts.server };
  }

  isOpen(side: Side): boolean {
    return this.#open[side];
  }

  send(from: Side, frame: Frame): void {
    if (!this.#open[from]) return;
    // The bytes leave the process: whatever is wiped behind them does not change them.
    const copy = { ...frame, body: frame.body.slice() };
    this.#arrive(other[from], (peer) => peer.onFrame(copy));
  }

  /** In order behind what was sent. */
  close(from: Side, code: Code = 'CONNECTION_LOST'): void {
    if (!this.#open[from]) return;
    this.#open[from] = false;
    this.#arrive(other[from], () => this.#hear(other[from], code));
  }

  /** The connection breaks: of what is under way a beginning arrives. `deafMs`: how long a side may not know it. */
  cut(deafMs: Readonly<Record<Side, number>>): void {
    const nowMs = this.#world.nowMs;
    for (const side of ['client', 'server'] as const) {
      // What is under way may take its time: it can arrive after the other side came back on another connection.
      const lateMs = this.#chance.oneIn(2) ? this.#chance.fraction() * deafMs[side] : 0;
      for (const one of this.#underWay[side]) one.atMs += lateMs;
      const untilMs = nowMs + lateMs + this.#chance.fraction() * this.#road.latencyMsMax;
      this.#cutMs[side] = Math.min(this.#cutMs[side], untilMs);
      this.#world.after(deafMs[side], this.#peers[side].life, () => this.#hear(side, 'CONNECTION_LOST'));
    }
  }

  /** Nothing was heard for so long that each side gives it up. */
  starve(): void {
    for (const side of ['client', 'server'] as const)
      this.#world.after(limits.deadMs.value, this.#peers[side].life, () => {
        if (this.#road.blockedUntilMs > this.#world.nowMs) this.#hear(side, 'TIMEOUT');
      });
  }

  /** The process of a side ended. */
  die(side: Side, deafMs: number): void {
    this.#open[side] = false;
    this.#cutMs[side] = 0;
    const there = other[side];
    this.#cutMs[there] = Math.min(this.#cutMs[there], this.#world.nowMs + this.#chance.between(0, 20));
    this.#world.after(deafMs, this.#peers[there].life, () => this.#hear(there, 'CONNECTION_LOST'));
  }

  #arrive(side: Side, what: (peer: Peer) => void): void {
    const { latencyMsMin, latencyMsMax } = this.#road;
    const travelMs = this.#chance.between(latencyMsMin, latencyMsMax);
    const queue = this.#underWay[side];
    const lastMs = queue.at(-1)?.atMs ?? 0;
    queue.push({ atMs: Math.max(lastMs, this.#world.nowMs + travelMs), what });
    if (queue.length === 1) this.#await(side);
  }

  #await(side: Side): void {
    const [next] = this.#underWay[side];
    if (next === undefined) return;
    const atMs = Math.max(next.atMs, this.#road.blockedUntilMs);
    this.#world.at(atMs, this.#peers[side].life, () => this.#deliver(side));
  }

  /** One at a time, and in order; what is blocked by now waits on. */
  #deliver(side: Side): void {
    const { nowMs } = this.#world;
    const late = nowMs < this.#road.blockedUntilMs || nowMs < (this.#underWay[side][0]?.atMs ?? 0);
    if (late) return this.#await(side);
    const next = this.#underWay[side].shift();
    if (next === undefined || !this.#open[side] || nowMs >= this.#cutMs[side]) return;
    this.#await(side);
    next.what(this.#peers[side]);
  }

  #hear(side: Side, code: Code): void {
    if (!this.#open[side]) return;
    this.#open[side] = false;
    this.#peers[side].onClose(code);
  }
}
