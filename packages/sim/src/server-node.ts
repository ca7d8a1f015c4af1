/** The server of a run: its real operations, submissions, deliveries and store, without sockets and handshakes. */
import type { ServerConfig, ServerParts, Store } from '@securechat/server/parts';
import {
  Acks,
  Acquaintances,
  Bans,
  createLocalBus,
  encodeRecord,
  Gate,
  Links,
  LoadWatch,
  loadConfig,
  maintain,
  Presences,
  Rates,
  runEffects,
  storeOver,
  Workload,
} from '@securechat/server/parts';
import { seededEntropy } from '@securechat/crypto';
import type { DeviceId, Limits } from '@securechat/wire';
import type { Chance } from './chance.ts';
import { Door } from './door.ts';
import { Liar } from './liar.ts';
import type { Peer } from './network.ts';
import { Wire } from './network.ts';
import type { Cast, Person } from './people.ts';
import { BEGIN_MS } from './people.ts';
import type { Bug } from './planted.ts';
import type { SimWriter } from './server-disk.ts';
import { ServerDisk } from './server-disk.ts';
import type { Road } from './network.ts';
import type { Witness } from './witness.ts';
import type { Life, World } from './world.ts';
import { fate } from './world.ts';

const MAINTAIN_MS = 60_000;
/** Long before the budget of one turn is used up: what is done must not depend on the speed of this machine. */
const MAINTAIN_BUDGET_MS = 60_000;

export interface ServerNodeParts {
  readonly world: World;
  readonly chance: Chance;
  readonly seed: string;
  readonly limits: Limits;
  readonly cast: Cast;
  readonly witness: Witness;
  readonly bug: Bug | undefined;
}

interface Running {
  readonly life: Life;
  readonly parts: ServerParts;
  readonly writer: SimWriter;
  readonly doors: Map<Door, Wire>;
}

export class ServerNode {
  readonly disk: ServerDisk;
  readonly liar: Liar;
  /** Wall clock minus virtual time. */
  skewMs = 0;
  readonly #parts: ServerNodeParts;
  readonly #config: ServerConfig;
  #running: Running | undefined;
  /** The last process still has the database open. */
  #draining = false;
  #lives = 0;

  constructor(parts: ServerNodeParts) {
    this.#parts = parts;
    this.disk = new ServerDisk(parts);
    this.liar = new Liar(parts.chance.fork('liar'), parts.witness);
    const flags = { data: '/nowhere', logLevel: 'silent', listen: '127.0.0.1:0', listenTcp: '127.0.0.1:0' };
    this.#config = { ...loadConfig({ flags, env: {}, home: '/nowhere' }), limits: parts.limits };
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }
  get store(): Store | undefined {
    return this.#running?.parts.store;
  }

  start(): void {
    if (this.#running !== undefined) return;
    if (this.#draining) return void this.#parts.world.after(100, fate, () => this.start());
    const { world, cast, seed, witness, bug } = this.#parts;
    this.#lives += 1;
    const life: Life = { name: `server ${this.#lives}`, alive: true };
    witness.note('server starts');
    world.as(life, () => {
      const bootMs = world.nowMs - 1;
      const bootDaysMs = world.daysMs;
      const clock = {
        wallMs: () => BEGIN_MS + world.nowMs + world.daysMs + this.skewMs,
        monotonicMs: () => world.nowMs - bootMs + world.daysMs - bootDaysMs,
      };
      const expiryMs = bug?.trustsWallClock === true ? clock.wallMs : clock.monotonicMs;
      const writer = this.disk.open(life, expiryMs());
      const { limits } = this.#config;
      const open = storeOver(writer, {
        limits,
        clock: { now: clock.wallMs, monotonicMs: expiryMs },
        onFatal: () => this.crash(20),
      });
      const store = bug?.store?.(open, world, life) ?? open;
      const entropy = seededEntropy(`${seed} ${life.name}`);
      const links = new Links();
      const log = {
        debug: quiet,
        info: quiet,
        warn: quiet,
        error: (event: string) => {
          // After a failed commit.
          if (event.startsWith('outcome of a')) witness.count('outcome unknown to the server');
          else witness.fail('server-error', event);
        },
      };
      const acquaintances = new Acquaintances(store, clock.monotonicMs);
      const chance = this.#parts.chance.fork(life.name);
      const parts: ServerParts = {
        config: this.#config,
        clock,
        entropy,
        log,
        keys: {
          identity: cast.serverIdentity,
          fingerprint: cast.serverIdentity.public.fingerprint,
          slotKey: new Uint8Array(32).fill(7),
          resumptionKey: new Uint8Array(32).fill(8),
          sealing: { key: cast.serverSealing, certificate: '', sequence: 1, notAfterMs: 0 },
          previousSealing: undefined,
          renew: async () => false,
        },
        store,
        blobs: this.disk.blobs,
        bus: createLocalBus(),
        opaque: notSimulated<ServerParts['opaque']>(),
        links,
        acks: new Acks(store, log),
        presences: new Presences({
          links,
          acquaintances,
          contactsOnly: false,
          nowMs: clock.monotonicMs,
          random: () => chance.fraction(),
          log,
        }),
        acquaintances,
        rates: new Rates(limits, clock.monotonicMs),
        bans: new Bans(limits.protocolBanMs, clock.monotonicMs),
        load: new LoadWatch(limits, log),
        handshakes: new Gate({ atOnce: 1, queuedMax: 1 }),
        work: new Workload(entropy, limits.challengeMs),
      };
      this.#running = { life, parts, writer, doors: new Map() };
      setInterval(() => void this.maintain().catch(() => undefined), MAINTAIN_MS);
    });
  }

  async maintain(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await this.#parts.world.as(running.life, () => maintain(running.parts, MAINTAIN_BUDGET_MS));
  }

  /** Everybody has an account from the start. */
  async register(people: readonly Person[]): Promise<void> {
    for (const { name, record, served, vault } of people)
      await this.#running?.parts.store.put(
        [
          { space: 'vault', key: record.account, ifVersion: 0, value: vault },
          { space: 'account', key: record.account, ifVersion: 0, value: encodeRecord('account', served) },
          { space: 'name', key: name, ifVersion: 0, value: encodeRecord('name', { account: record.account }) },
        ],
        { account: record.account, sequence: 1, add: [record.device], remove: [], cause: 'RECIPIENT_RESET' },
      );
  }

  /** The owner deletes it; what waits for them goes back. */
  deleteAccount({ record }: Person, device: DeviceId): void {
    const running = this.#running;
    if (running === undefined) return;
    const { parts, life } = running;
    this.#parts.world.as(life, () => {
      void (async () => {
        const rows = await parts.store.deleteAccount(record.account, parts.clock.wallMs());
        for (const row of rows) parts.bus.publish(row);
        const link = parts.links.ofDevice(device);
        if (link !== undefined)
          await runEffects([{ kind: 'end-devices', devices: [device], code: 'DEVICE_REVOKED' }], link, parts);
        link?.end('DEVICE_REVOKED');
      })().catch(() => undefined);
    });
  }

  /** A connection of this device; undefined: nobody listens. */
  accept(person: Person, client: Peer, road: Road): { readonly wire: Wire; readonly door: Door } | undefined {
    const running = this.#running;
    if (running === undefined) return undefined;
    const { world, chance, witness } = this.#parts;
    const door = new Door({
      server: running.parts,
      life: running.life,
      person,
      witness,
      keepsOldConnections: this.#parts.bug?.keepsOldConnections === true,
      liar: this.liar,
      onGone: () => running.doors.delete(door),
    });
    const wire = new Wire({ world, road, chance, client, server: door });
    door.wire = wire;
    running.doors.set(door, wire);
    return { wire, door };
  }

  /** The process is gone, and what lies on the disk is changed by somebody before the next one begins. */
  meddle(work: () => void): void {
    this.crash(20);
    // A stopped one may still have the database open.
    if (!this.#draining) work();
    this.#parts.world.after(200, fate, () => this.start());
  }

  /** Drains: what was taken is answered, then the store is closed. */
  stop(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.#draining = true;
    this.#parts.witness.note('server stops');
    const { world } = this.#parts;
    world.as(running.life, () => {
      for (const door of running.doors.keys()) door.goAway(1000);
      void (async () => {
        await running.parts.acks.flush();
        // As long as the real one drains at most; nobody is kept waiting here.
        await new Promise((resolve) => setTimeout(resolve, 500));
        for (const door of running.doors.keys()) door.finish();
        await running.parts.store.close();
      })()
        .catch(() => undefined)
        .finally(() => {
          running.life.alive = false;
          this.#draining = false;
        });
    });
  }

  /** Power cut, kill -9, or a disk that failed. `deafMs`: how long its clients do not know. */
  crash(deafMs: number): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.#parts.witness.note('server crashes');
    running.life.alive = false;
    running.writer.crash();
    this.disk.blobs.crash(this.#parts.chance);
    for (const wire of running.doors.values()) wire.die('server', deafMs);
  }
}

function quiet(): void {}

/** Passwords are no part of the simulation: whoever asks for them finds out. */
function notSimulated<T extends object>(): T {
  const nothing: Partial<T> = {};
  return new Proxy(nothing as T, {
    get: (_target, name) => () => Promise.reject(new Error(`not simulated: ${String(name)}`)),
  });
}
