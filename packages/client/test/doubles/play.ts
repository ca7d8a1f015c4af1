/** People with real keys, engines and stores in memory, and one post office between them. */
import { generateRsa, systemEntropy, verifyAccountBundle } from '@securechat/crypto';
import type { RsaPrivate } from '@securechat/crypto';
import { createPasswordSlot, createVault, mlsEngine } from '@securechat/e2ee';
import type { AccountId, Code, Fingerprint } from '@securechat/wire';
import type { ClientEvent } from '../../src/api.ts';
import type { AccountRecord } from '../../src/core/record-account.ts';
import { newAccountRecord } from '../../src/shell/account/account-record.ts';
import { certifyAccount, createDeviceKeys, recoverySigning } from '../../src/shell/account/device-keys.ts';
import { Engine } from '../../src/shell/engine.ts';
import { freshId } from '../../src/shell/fresh-id.ts';
import { initialChanges, Ledger } from '../../src/shell/ledger/ledger.ts';
import { Sender } from '../../src/shell/send/send.ts';
import { MemoryStore } from './memory-store.ts';
import { PostOffice } from './post-office.ts';

/** What OPAQUE gives to whoever knows the password. */
export const EXPORT_KEY: Uint8Array = new Uint8Array(64).fill(9);

const SERVER = `sha256:${'A'.repeat(43)}` as Fingerprint;

/** RSA keys are dear: drawn once for all tests. */
const pool: { identity: RsaPrivate<'identity'>; recovery: RsaPrivate<'sealing'>; device: RsaPrivate<'sealing'> }[] = [];

async function rsaKeys(index: number) {
  pool[index] ??= {
    identity: await generateRsa('identity', 2048),
    recovery: await generateRsa('sealing', 2048),
    device: await generateRsa('sealing', 2048),
  };
  return pool[index];
}

export class Actor {
  readonly office: PostOffice;
  readonly record: AccountRecord;
  readonly name: string;
  /** As the server has it; the password opens it by the record's slot and `EXPORT_KEY`. */
  readonly vault: Uint8Array;
  /** Of all processes that this person ran. */
  readonly events: ClientEvent[] = [];
  store: MemoryStore;
  engine!: Engine;
  sender!: Sender;
  online = true;
  nowMs = (): number => Date.now();
  /** How long a send waits for its answer; shorter where none is to come. */
  answerMs = 60_000;

  constructor(office: PostOffice, record: AccountRecord, store: MemoryStore, vault: Uint8Array) {
    this.vault = vault;
    this.office = office;
    this.record = record;
    this.name = record.username;
    this.store = store;
  }

  /** A process on this store. */
  async start(): Promise<Code | undefined> {
    const store = this.store;
    const engine = new Engine({
      ledger: await Ledger.open(store, mlsEngine),
      mls: mlsEngine,
      entropy: systemEntropy,
      nowMs: () => this.nowMs(),
      random: () => 0,
      emit: (event) => void this.events.push(event),
      open: async (events) => {
        await new Promise((resolve) => setImmediate(resolve));
        const link = this.office.open(this.record.device, events);
        if (!this.online) link.close();
        return { link, opened: undefined as never };
      },
      onEnded: () => undefined,
    });
    store.onCut = () => this.office.cut(this.record.device);
    this.engine = engine;
    this.sender = new Sender(engine, this.answerMs);
    return engine.start();
  }

  /** Power cut: nothing is flushed, the next process finds what was committed. */
  async crash(): Promise<void> {
    const disk = this.store.copy();
    this.office.cut(this.record.device);
    await this.store.close();
    await this.engine.stop();
    this.store = disk;
    await this.start();
  }

  /** Others' messages as they lie on the disk. */
  async history(user: string): Promise<string[]> {
    const records = await this.engine.ledger.messages(user, { limit: 1000 });
    return records.filter(({ own }) => !own).map(({ text }) => text);
  }

  get texts(): string[] {
    return this.events.flatMap((event) => (event.kind === 'message' ? [event.message.text] : []));
  }
  get gaps(): string[] {
    return this.events.flatMap((event) => (event.kind === 'gap' ? [event.code] : []));
  }
}

export async function createActor(office: PostOffice, name: string, index: number): Promise<Actor> {
  const keys = await rsaKeys(index);
  const account = freshId<AccountId>(systemEntropy);
  const device = { ...(await deviceOf(keys.device)) };
  const nowMs = Date.now();
  const recovery = recoverySigning(new Uint8Array(16).fill(index));
  const certified = { account, sequence: 1, identity: keys.identity, nowMs };
  const accountJws = await certifyAccount({
    ...certified,
    username: name,
    server: SERVER,
    recovery: recovery.publicKey,
    recoverySealing: keys.recovery.public,
  });
  const owner = { account, recoverySealing: keys.recovery, entropy: systemEntropy };
  const vault = createVault({
    ...owner,
    sequence: 1,
    identity: keys.identity,
    recoveryEntropy: new Uint8Array(16).fill(index),
  });
  const record = await newAccountRecord({
    ...certified,
    keys: device,
    listVersion: 1,
    previous: new Uint8Array(0),
    stage: 'registered',
    server: SERVER,
    username: name,
    accountJws,
    passwordSlot: createPasswordSlot({ ...owner, exportKey: EXPORT_KEY }),
  });
  office.join(await verifyAccountBundle({ ...record, deviceJws: [record.deviceJws], nowMs }));
  const store = new MemoryStore();
  await store.commit(initialChanges(record));
  return new Actor(office, record, store, vault);
}

async function deviceOf(sealing: RsaPrivate<'sealing'>) {
  const made = await createDeviceKeys(2048, systemEntropy);
  return { ...made, sealing };
}

export interface Play {
  readonly office: PostOffice;
  readonly alice: Actor;
  readonly bob: Actor;
}

let prepared: Promise<Play> | undefined;

/** Made once: keys, certificates and published key packages are dear. */
async function prepare(): Promise<Play> {
  const office = new PostOffice();
  const alice = await createActor(office, 'alice', 0);
  const bob = await createActor(office, 'bob', 1);
  await Promise.all([alice.start(), bob.start()]);
  const disks = [alice.store.copy(), bob.store.copy()] as const;
  await Promise.all([alice.engine.stop(), bob.engine.stop()]);
  [alice.store, bob.store] = disks;
  return { office, alice, bob };
}

/**
 * Alice and Bob, attached, with key packages out; strangers to each other. `answerMs`: for plays in which answers to sends
 * do not come.
 */
export async function on(play: (play: Play) => Promise<void>, answerMs?: number): Promise<void> {
  prepared ??= prepare();
  const base = await prepared;
  const office = base.office.copy();
  const again = (actor: Actor) => new Actor(office, actor.record, actor.store.copy(), actor.vault);
  const [alice, bob] = [again(base.alice), again(base.bob)];
  if (answerMs !== undefined) alice.answerMs = bob.answerMs = answerMs;
  await Promise.all([alice.start(), bob.start()]);
  try {
    await play({ office, alice, bob });
  } finally {
    await Promise.all([alice.engine.stop(), bob.engine.stop()]);
  }
}

/** As long as a busy machine may take: it costs nothing when all goes well. */
const PATIENCE_MS = 60_000;

export async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never happened: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
