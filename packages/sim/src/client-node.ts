/** One person's device in a run: the real engine over a disk and a road of its own. */
import type { ClientEvent, ClientStore, Link, LinkEvents, MessageRecord, Resumption } from '@securechat/client/engine';
import {
  Engine,
  ForwardedEvents,
  initialChanges,
  Ledger,
  messageRecord,
  parkedRecord,
  Sender,
} from '@securechat/client/engine';
import type { Entropy } from '@securechat/crypto';
import { seededEntropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { Code, DeviceId } from '@securechat/wire';
import { SecureChatError, toBase64url } from '@securechat/wire';
import { answerOffer } from './acts.ts';
import type { Chance } from './chance.ts';
import { ClientDisk } from './client-disk.ts';
import type { DiskStore } from './client-disk.ts';
import { ClientLink } from './client-link.ts';
import type { Road, Wire } from './network.ts';
import type { Person } from './people.ts';
import { BEGIN_MS } from './people.ts';
import type { Bug } from './planted.ts';
import { recover } from './recovery.ts';
import type { ServerNode } from './server-node.ts';
import type { Witness } from './witness.ts';
import type { Life, World } from './world.ts';
import { FILES_ROOT } from './virtual-files.ts';
import { fate } from './world.ts';

/** How long somebody waits for an answer before the message counts as queued. */
const ANSWER_MS = 2_000;
const CONNECT_MS = 10_000;

/** What is told to whoever logs in: the session of the device is over. */
const endings: ReadonlySet<Code> = new Set<Code>(['SESSION_REPLACED', 'DEVICE_REVOKED', 'ACCOUNT_DISABLED']);

export interface ClientNodeParts {
  readonly world: World;
  readonly chance: Chance;
  readonly seed: string;
  readonly person: Person;
  readonly server: ServerNode;
  readonly witness: Witness;
  readonly bug: Bug | undefined;
  /** A fresh engine for every process. */
  readonly engineFor: (life: Life) => MlsEngine;
}

/** A process that has nothing but a disk yet. */
interface Fresh {
  readonly life: Life;
  readonly store: ClientStore;
  readonly mls: MlsEngine;
  readonly entropy: Entropy;
  readonly nowMs: () => number;
}

interface Running {
  readonly life: Life;
  readonly store: DiskStore;
  readonly engine: Engine;
  readonly sender: Sender;
}

export class ClientNode {
  readonly person: Person;
  readonly road: Road = { latencyMsMin: 1, latencyMsMax: 30, blockedUntilMs: 0 };
  skewMs = 0;
  /** The session of the device ended for good. */
  over: Code | undefined;
  running: Running | undefined;
  readonly parts: ClientNodeParts;
  #disk: ClientDisk;
  /** Profiles that are lost: what was in them was read by somebody. */
  readonly #lost: ClientDisk[] = [];
  /** The profile is not, or not known to be, that of a device of this account. */
  #recovering = false;
  /** Processes on a machine that its owner has no more. */
  readonly #stolen = new Set<Running>();
  #starting = false;
  #lives = 0;
  #wire: Wire | undefined;
  #device: DeviceId;

  constructor(parts: ClientNodeParts) {
    this.parts = parts;
    this.person = parts.person;
    this.#disk = this.#newDisk();
    this.#device = parts.person.record.device;
  }

  get disk(): ClientDisk {
    return this.#disk;
  }
  #newDisk(): ClientDisk {
    const { world, chance, witness } = this.parts;
    return new ClientDisk(world, chance.fork(`disk${this.#lost.length || ''}`), (feature) => witness.count(feature));
  }
  /** Files of this person, before `in/`: those received. */
  get folder(): string {
    return `${FILES_ROOT}/${this.person.name}`;
  }
  get device(): DeviceId {
    this.#device = this.running?.engine.ledger.account.device ?? this.#device;
    return this.#device;
  }

  /** The profile as it is after the registration. */
  async install(): Promise<void> {
    const life: Life = { name: 'setup', alive: true };
    const store = this.disk.open(life, () => undefined);
    await this.parts.world.as(life, () => store.commit(initialChanges(this.person.record)));
  }

  start(): void {
    if (this.running !== undefined || this.#starting || this.over !== undefined) return;
    const { world, seed, witness, bug, person } = this.parts;
    this.#lives += 1;
    const life: Life = { name: `${person.name} ${this.#lives}`, alive: true };
    const entropy = seededEntropy(`${seed} ${life.name}`);
    const chance = this.parts.chance.fork(life.name);
    witness.note(`${life.name} starts`);
    this.#starting = true;
    world.as(life, () => {
      const disk = this.disk.open(life, () => world.after(3000, fate, () => this.#isNow(life) && this.restart(0)));
      const store = bug?.clientStore?.(disk, world, life) ?? disk;
      void (async () => {
        const mls = this.parts.engineFor(life);
        const nowMs = (): number => BEGIN_MS + world.nowMs + world.daysMs + this.skewMs;
        const opened = this.#recovering ? await this.#recovered({ life, store, mls, entropy, nowMs }) : undefined;
        const ledger = await Ledger.open(store, mls);
        const engine = new Engine({
          ledger,
          mls,
          entropy,
          nowMs,
          steadyMs: () => world.nowMs,
          random: () => chance.fraction(),
          emit: (event) => life.alive && this.#emit(event, life),
          open: (events, resumption) => this.#connect(life, events, resumption),
          onEnded: (code) => {
            if (life.alive) this.#ended(code, life);
          },
        });
        this.running = { life, store: disk, engine, sender: new Sender(engine, ANSWER_MS) };
        this.#starting = false;
        witness.opened(person, engine);
        const code = await engine.start(opened);
        if (code !== undefined && endings.has(code) && life.alive) this.#ended(code, life);
      })().catch((error: unknown) => {
        this.#starting = false;
        if (!life.alive) return;
        if (!this.#recovering || !(error instanceof SecureChatError))
          return witness.fail('start', `${life.name}: ${String(error)}`);
        life.alive = false;
        witness.note(`${life.name} cannot recover: ${error.code}`);
        if (error.code === 'AUTH_FAILED') this.over = error.code;
        world.after(1000, fate, () => this.start());
      });
    });
  }

  /** The profile is lost, with all that is on its disk. `stolen`: whoever has it now leaves the program running. */
  recover(stolen: boolean): void {
    const { world, witness } = this.parts;
    const { running } = this;
    if (this.over !== undefined || this.#starting) return;
    witness.recovered.add(this.person.name);
    // What waits for the old device goes back.
    witness.reset.add(this.person.name);
    if (stolen && running !== undefined) {
      this.#stolen.add(running);
      this.running = undefined;
    } else this.crash(20);
    this.#lost.push(this.#disk);
    this.#disk = this.#newDisk();
    this.#recovering = true;
    world.after(500, fate, () => this.start());
  }

  /** The words are typed; the connection that they were typed on goes on to attach. */
  async #recovered({ life, store, mls, entropy, nowMs }: Fresh) {
    const { witness, person } = this.parts;
    const events = new ForwardedEvents();
    const { link } = await this.#connect(life, events, undefined);
    try {
      await recover({ person, link, store, empty: this.#disk.isEmpty, mls, entropy, nowMs: nowMs() });
    } catch (error) {
      link.close();
      throw error;
    }
    this.#recovering = false;
    witness.count('recovered');
    if (this.#stolen.size > 0) witness.count('recovered from a device that ran on');
    return { link: { link, opened: undefined as never }, events };
  }

  /** A person closes the program: what is stored stays. */
  stop(): void {
    const { running } = this;
    if (running === undefined) return;
    this.running = undefined;
    this.parts.witness.note(`${running.life.name} stops`);
    const { world } = this.parts;
    world.as(running.life, () => {
      void running.engine.stop().then(() => running.store.close());
    });
    // Whatever it still does is done by then.
    world.after(200, fate, () => this.#bury(running));
  }

  restart(downMs: number): void {
    this.crash(20);
    this.parts.world.after(downMs, fate, () => this.start());
  }

  /** Power cut, kill -9. `deafMs`: how long the server does not know. */
  crash(deafMs: number): void {
    const { running } = this;
    if (running === undefined) return;
    this.running = undefined;
    this.parts.witness.note(`${running.life.name} crashes`);
    running.life.alive = false;
    this.disk.crash();
    this.parts.world.files.crash(this.folder, this.parts.chance);
    this.#wire?.die('client', deafMs);
    this.#bury(running);
  }

  /** The run is over. */
  dispose(): void {
    this.crash(0);
    for (const running of this.#stolen) this.#bury(running);
  }

  #bury(running: Running): void {
    running.life.alive = false;
    // Among the dead: nothing that it plans comes to pass.
    this.parts.world.as(running.life, () => void running.engine.stop().catch(() => undefined));
  }

  cut(deafMs: Readonly<Record<'client' | 'server', number>>): void {
    this.#wire?.cut(deafMs);
  }

  /** Nothing gets through for that long. */
  partition(ms: number): void {
    this.road.blockedUntilMs = Math.max(this.road.blockedUntilMs, this.parts.world.nowMs + ms);
    this.#wire?.starve();
  }

  get recovering(): boolean {
    return this.#recovering;
  }

  /** Of rows that were acknowledged and cannot be read yet. */
  get groupsParked(): ReadonlySet<string> {
    return groupsParkedOn([this.#disk]);
  }

  /** Of those that were not read before their profile was lost. */
  get groupsParkedInLost(): ReadonlySet<string> {
    return groupsParkedOn(this.#lost);
  }

  /** Of a conversation as it lies on the disk, in order; behind what lay on disks that are lost. */
  messages(user: string): readonly MessageRecord[] {
    return [...this.#lost, this.#disk].flatMap(({ durable }) =>
      [...(durable.messages.get(user)?.values() ?? [])].map((value) => messageRecord.decode(value)),
    );
  }

  /** Of this conversation something lay on a disk that is lost: nobody hears what became of it since. */
  hasLost(user: string, message: string): boolean {
    return this.#lost.some(({ durable }) => durable.messages.get(user)?.has(message) === true);
  }

  async #connect(
    life: Life,
    events: LinkEvents,
    resumption: Resumption | undefined,
  ): Promise<{ readonly link: Link; readonly opened: never }> {
    const { world, server, person, witness, bug, chance } = this.parts;
    const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    await wait(chance.between(this.road.latencyMsMin, this.road.latencyMsMax));
    if (this.road.blockedUntilMs > world.nowMs) {
      await wait(CONNECT_MS);
      throw new SecureChatError('UNREACHABLE');
    }
    const link = new ClientLink({ life, person, events, witness });
    const there = server.accept(person, link, this.road);
    if (there === undefined) throw new SecureChatError('UNREACHABLE');
    link.wire = there.wire;
    link.door = there.door;
    if (this.#isNow(life)) this.#wire = there.wire;
    if (resumption !== undefined) {
      const late = wait(CONNECT_MS).then(() => undefined);
      const resumed = await Promise.race([there.door.resume(toBase64url(resumption.handle)), late]);
      if (resumed === undefined || link.ended) throw new SecureChatError('UNREACHABLE');
      link.resumed = resumed;
    }
    const shown = bug?.link?.(link, events, { world, life }) ?? link;
    return { link: shown, opened: undefined as never };
  }

  #emit(event: ClientEvent, life: Life): void {
    this.parts.witness.event(this.person.name, event);
    if (event.kind === 'fileOffer') answerOffer(this, life, event.id);
    // The server knows the account no more, or, put back, not its new keys: nothing is left to wait for.
    const { deleted, reset, restored } = this.parts.witness;
    const { name } = this.person;
    const unknown = deleted.has(name) || (restored && reset.has(name));
    if (event.kind === 'connection' && event.code === 'NOT_AUTHENTICATED' && unknown) this.#ended(event.code, life);
  }

  #isNow(life: Life): boolean {
    return this.#starting || this.running?.life === life;
  }

  #ended(code: Code, life: Life): void {
    const stolen = [...this.#stolen].find((running) => running.life === life);
    if (stolen !== undefined) {
      this.#stolen.delete(stolen);
      return this.#bury(stolen);
    }
    this.over = code;
    this.parts.witness.note(`${this.person.name} is logged out: ${code}`);
    this.stop();
  }
}

function groupsParkedOn(disks: readonly ClientDisk[]): ReadonlySet<string> {
  const records = disks.flatMap(({ durable }) => [...durable.records]);
  const parked = records.filter(([key]) => key.startsWith('parked/'));
  return new Set(parked.map(([, value]) => parkedRecord.decode(value).row.group));
}
