/** One person's device in a run: the real engine over a disk and a road of its own. */
import type { ClientEvent, Link, LinkEvents, MessageRecord, Resumption } from '@securechat/client/engine';
import {
  Engine,
  freshId,
  initialChanges,
  Ledger,
  messageRecord,
  queueCommit,
  resetIdentity,
  Sender,
} from '@securechat/client/engine';
import { ed25519, seededEntropy } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { Code, DeviceId } from '@securechat/wire';
import { SecureChatError, toBase64url } from '@securechat/wire';
import type { Chance } from './chance.ts';
import { ClientDisk } from './client-disk.ts';
import type { DiskStore } from './client-disk.ts';
import { ClientLink } from './client-link.ts';
import type { Road, Wire } from './network.ts';
import type { Person } from './people.ts';
import { BEGIN_MS } from './people.ts';
import type { Bug } from './planted.ts';
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

interface Running {
  readonly life: Life;
  readonly store: DiskStore;
  readonly engine: Engine;
  readonly sender: Sender;
}

export class ClientNode {
  readonly person: Person;
  readonly disk: ClientDisk;
  readonly road: Road = { latencyMsMin: 1, latencyMsMax: 30, blockedUntilMs: 0 };
  skewMs = 0;
  /** The session of the device ended for good. */
  over: Code | undefined;
  running: Running | undefined;
  readonly #parts: ClientNodeParts;
  #starting = false;
  #lives = 0;
  #wire: Wire | undefined;
  #device: DeviceId;

  constructor(parts: ClientNodeParts) {
    this.#parts = parts;
    this.person = parts.person;
    this.disk = new ClientDisk(parts.world, parts.chance.fork('disk'), (feature) => parts.witness.count(feature));
    this.#device = parts.person.record.device;
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
    await this.#parts.world.as(life, () => store.commit(initialChanges(this.person.record)));
  }

  start(): void {
    if (this.running !== undefined || this.#starting || this.over !== undefined) return;
    const { world, seed, witness, bug, person } = this.#parts;
    this.#lives += 1;
    const life: Life = { name: `${person.name} ${this.#lives}`, alive: true };
    const entropy = seededEntropy(`${seed} ${life.name}`);
    const chance = this.#parts.chance.fork(life.name);
    witness.note(`${life.name} starts`);
    this.#starting = true;
    world.as(life, () => {
      const disk = this.disk.open(life, () => world.after(3000, fate, () => this.restart(0)));
      const store = bug?.clientStore?.(disk, world, life) ?? disk;
      void (async () => {
        const mls = this.#parts.engineFor(life);
        const ledger = await Ledger.open(store, mls);
        const engine = new Engine({
          ledger,
          mls,
          entropy,
          nowMs: () => BEGIN_MS + world.nowMs + world.daysMs + this.skewMs,
          steadyMs: () => world.nowMs,
          random: () => chance.fraction(),
          emit: (event) => life.alive && this.#emit(event, life),
          open: (events, resumption) => this.#connect(life, events, resumption),
          onEnded: (code) => {
            if (life.alive) this.#ended(code);
          },
        });
        this.running = { life, store: disk, engine, sender: new Sender(engine, ANSWER_MS) };
        this.#starting = false;
        witness.opened(person, engine);
        const code = await engine.start();
        if (code !== undefined && endings.has(code) && life.alive) this.#ended(code);
      })().catch((error: unknown) => {
        this.#starting = false;
        if (life.alive) witness.fail('start', `${life.name}: ${String(error)}`);
      });
    });
  }

  /** The order of the calls is the order of the messages. */
  send(to: string, text: string, onlineOnly: boolean): void {
    const { running } = this;
    const { world, witness } = this.#parts;
    const said = witness.says(this.person.name, to, text);
    if (running === undefined) return said.unsaid();
    world.as(running.life, () => {
      void running.sender.send(to, text, { onlineOnly }).then(
        ({ id }) => said.taken(id),
        (error: unknown) => {
          if (running.life.alive) said.refused(error instanceof SecureChatError ? error.code : 'INTERNAL');
        },
      );
    });
  }

  renewKeys(user: string): void {
    const { running } = this;
    const live = running?.engine.ledger.conversation(user).lineage.some(({ state }) => state === 'live') === true;
    if (running === undefined || !live) return;
    this.#parts.world.as(running.life, () => {
      const { engine } = running;
      void engine.serial.run(user, () => queueCommit(engine, user)).catch(() => undefined);
    });
  }

  /** New keys: once in a run, those that were made beforehand. */
  resetKeys(): void {
    const { running, person } = this;
    if (running === undefined || this.device !== person.record.device) return;
    const { world, witness } = this.#parts;
    witness.reset.add(person.name);
    world.as(running.life, () => {
      const { engine } = running;
      const { identity, sealing } = person.spare;
      void (async () => {
        const lost = await resetIdentity(engine, async (entropy) => {
          const keys = { device: freshId<DeviceId>(entropy), signing: ed25519.generate(entropy), sealing };
          return { identity, keys };
        });
        if (lost === undefined) await engine.changeOver();
        else await engine.resetHappened();
        if (engine.ledger.account.device !== person.record.device) witness.count('keys reset');
      })().catch(() => undefined);
    });
  }

  offerFile(to: string, name: string, content: Uint8Array): void {
    const { running } = this;
    if (running === undefined) return;
    const { world, witness } = this.#parts;
    const path = `${this.folder}/${name}`;
    const offer = witness.offered({ from: this.person.name, to, name, content, id: undefined, shown: new Set() });
    world.files.put(path, content);
    world.as(running.life, () => {
      const { engine } = running;
      void (async () => {
        const { id, done } = await engine.transfers.offer(to, path, content.length, () => undefined);
        offer.id = id;
        done();
      })().catch(() => undefined);
    });
  }

  /** A person looks at the offer for a while. */
  #answerOffer(life: Life, id: string): void {
    const { world, chance } = this.#parts;
    const accepts = !chance.oneIn(5);
    world.after(chance.between(10, 4000), life, () => {
      void this.running?.engine.transfers.answer(id, accepts, `${this.folder}/in`).catch(() => undefined);
    });
  }

  block(user: string, blocked: boolean): void {
    const { running } = this;
    const contact = running?.engine.ledger.contacts.get(user);
    const link = running?.engine.link();
    if (running === undefined || contact === undefined || link === undefined) return;
    this.#parts.world.as(running.life, () => {
      const account = this.#accountBytes(contact.account);
      void (async () => {
        await link.request('block', { account, blocked, quiet: false });
        await running.engine.serial.run(user, async () => {
          const known = running.engine.ledger.contacts.get(user);
          if (known !== undefined)
            await running.engine.ledger.commit([{ put: 'contact', value: { ...known, blocked } }]);
        });
      })().catch(() => undefined);
    });
  }

  #accountBytes(account: string): Uint8Array {
    return new Uint8Array(Buffer.from(account, 'base64url'));
  }

  /** A person closes the program: what is stored stays. */
  stop(): void {
    const { running } = this;
    if (running === undefined) return;
    this.running = undefined;
    this.#parts.witness.note(`${running.life.name} stops`);
    const { world } = this.#parts;
    world.as(running.life, () => {
      void running.engine.stop().then(() => running.store.close());
    });
    // Whatever it still does is done by then.
    world.after(200, fate, () => this.#bury(running));
  }

  restart(downMs: number): void {
    this.crash(20);
    this.#parts.world.after(downMs, fate, () => this.start());
  }

  /** Power cut, kill -9. `deafMs`: how long the server does not know. */
  crash(deafMs: number): void {
    const { running } = this;
    if (running === undefined) return;
    this.running = undefined;
    this.#parts.witness.note(`${running.life.name} crashes`);
    running.life.alive = false;
    this.disk.crash();
    this.#parts.world.files.crash(this.folder, this.#parts.chance);
    this.#wire?.die('client', deafMs);
    this.#bury(running);
  }

  #bury(running: Running): void {
    running.life.alive = false;
    // Among the dead: nothing that it plans comes to pass.
    this.#parts.world.as(running.life, () => void running.engine.stop().catch(() => undefined));
  }

  cut(deafMs: Readonly<Record<'client' | 'server', number>>): void {
    this.#wire?.cut(deafMs);
  }

  /** Nothing gets through for that long. */
  partition(ms: number): void {
    this.road.blockedUntilMs = Math.max(this.road.blockedUntilMs, this.#parts.world.nowMs + ms);
    this.#wire?.starve();
  }

  /** Of a conversation as it lies on the disk, in order. */
  messages(user: string): readonly MessageRecord[] {
    return [...(this.disk.durable.messages.get(user)?.values() ?? [])].map((value) => messageRecord.decode(value));
  }

  async #connect(
    life: Life,
    events: LinkEvents,
    resumption: Resumption | undefined,
  ): Promise<{ readonly link: Link; readonly opened: never }> {
    const { world, server, person, witness, bug, chance } = this.#parts;
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
    this.#wire = there.wire;
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
    this.#parts.witness.event(this.person.name, event);
    if (event.kind === 'fileOffer') this.#answerOffer(life, event.id);
    // The server knows the account no more, or, put back, not its new keys: nothing is left to wait for.
    const { deleted, reset, restored } = this.#parts.witness;
    const { name } = this.person;
    const unknown = deleted.has(name) || (restored && reset.has(name));
    if (event.kind === 'connection' && event.code === 'NOT_AUTHENTICATED' && unknown) this.#ended(event.code);
  }

  #ended(code: Code): void {
    this.over = code;
    this.#parts.witness.note(`${this.person.name} is logged out: ${code}`);
    this.stop();
  }
}
