/** Clients for tests: real groups over a delivery service that is an array. */
import assert from 'node:assert/strict';
import type { Entropy } from '../src/crypto/provider.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { suiteOf } from '../src/crypto/suite.ts';
import { utf8 } from '../src/codec/bytes.ts';
import { MlsError } from '../src/errors.ts';
import type { ErrorCode } from '../src/errors.ts';
import type { CommitInput, CreatedCommit } from '../src/group/commit.ts';
import { createCommit, mergePending } from '../src/group/commit.ts';
import type { CreateGroupInput } from '../src/group/create.ts';
import { createGroup } from '../src/group/create.ts';
import type { JoinInput } from '../src/group/join.ts';
import { joinGroup } from '../src/group/join.ts';
import type { Identity, KeyPackageInput, MadeKeyPackage } from '../src/group/key-package.ts';
import { createKeyPackage } from '../src/group/key-package.ts';
import type { Policy } from '../src/group/policy.ts';
import type { Received, ReceivedApplication, ReceiveInput } from '../src/group/receive.ts';
import { receive } from '../src/group/receive.ts';
import { encrypt } from '../src/group/send.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import type { GroupState } from '../src/group/state.ts';
import type { Capabilities } from '../src/tree/capabilities.ts';
import { basicCredential, sameCredential } from '../src/tree/credential.ts';
import { toHex } from './vectors.ts';

export const suites: readonly Suite[] = [0x0001, 0x0003, 0x0053].map((id) => suiteOf(nodeProvider, id));
export const [suite1 = suiteOf(nodeProvider, 1)] = suites;
export const xwingSuite: Suite = suiteOf(nodeProvider, 0x0053);

export const NOW = 1_800_000_000n;
export const lifetime = { notBefore: NOW - 1000n, notAfter: NOW + 100_000n };
/** For an oracle that looks at the machine's clock. */
export const longLifetime = { notBefore: 1_700_000_000n, notAfter: 9_000_000_000n };

/** Whoever has a credential keeps it; anybody may do anything. */
export const policy: Policy = {
  lifetimeMax: 10_000_000_000n,
  credential: ({ leaf, previous }) => previous === undefined || sameCredential(leaf.credential, previous.credential),
  change: () => true,
};
export const judge = { policy, now: NOW } as const;

export function capabilities(extra: Partial<Capabilities> = {}): Capabilities {
  return {
    versions: [1],
    suites: [0x0001, 0x0003, 0x0053, 0x0a0a],
    extensions: [],
    proposals: [],
    credentials: [1],
    ...extra,
  };
}

export function identityOf(name: string, entropy: Entropy): Identity {
  return { credential: basicCredential(utf8(name)), signatureKey: entropy(32) };
}

export class Client {
  readonly name: string;
  readonly suite: Suite;
  readonly entropy: Entropy;
  readonly identity: Identity;
  #state: GroupState | undefined;

  constructor(name: string, suite: Suite, entropy: Entropy) {
    this.name = name;
    this.suite = suite;
    this.entropy = entropy;
    this.identity = identityOf(name, entropy);
  }

  get state(): GroupState {
    return this.#state ?? assert.fail(`${this.name} is in no group`);
  }

  set state(state: GroupState) {
    this.#state = state;
  }

  get authenticator(): string {
    return toHex(this.state.secrets.authenticator);
  }

  get leaf(): number {
    return this.state.ownLeaf;
  }

  keyPackage(extra: Partial<KeyPackageInput> = {}): MadeKeyPackage {
    const { identity, entropy } = this;
    return createKeyPackage(this.suite, { identity, capabilities: capabilities(), lifetime, entropy, ...extra });
  }

  create(extra: Partial<CreateGroupInput> = {}): this {
    const { identity, entropy } = this;
    const groupId = entropy(16);
    const input = { ...judge, groupId, identity, capabilities: capabilities(), lifetime, entropy, ...extra };
    this.state = createGroup(this.suite, input);
    return this;
  }

  /** Makes a commit and keeps it pending. */
  prepare(extra: Partial<CommitInput> = {}): CreatedCommit {
    const { identity, entropy } = this;
    const made = createCommit(this.state, { ...judge, identity, entropy, ...extra });
    this.state = made.state;
    return made;
  }

  /** Makes a commit and merges it at once. */
  commit(extra: Partial<CommitInput> = {}): CreatedCommit {
    const made = this.prepare(extra);
    this.state = mergePending(this.state, made.pending).state;
    return made;
  }

  join(welcome: Uint8Array | undefined, made: MadeKeyPackage, extra: Partial<JoinInput> = {}): this {
    assert.ok(welcome, 'no welcome');
    this.state = joinGroup(this.suite, { ...judge, welcome, ...made, ...extra }).state;
    return this;
  }

  receive(message: Uint8Array, extra: Partial<ReceiveInput> = {}): Received {
    const received = receive(this.state, { ...judge, message, publicHandshakes: 'accept', ...extra });
    if (received.kind !== 'commit') this.state = received.state;
    return received;
  }

  /** Receives a commit and merges it. */
  follow(commit: Uint8Array, extra: Partial<ReceiveInput> = {}): this {
    const received = this.receive(commit, extra);
    assert.ok(received.kind === 'commit');
    this.state = mergeCommit(this.state, received).state;
    return this;
  }

  send(text: string): Uint8Array {
    const { identity, entropy } = this;
    const sent = encrypt(this.state, { identity, entropy, plaintext: utf8(text) });
    this.state = sent.state;
    return sent.bytes;
  }

  read(message: Uint8Array): string {
    return new TextDecoder().decode(this.readFully(message).plaintext);
  }

  readFully(message: Uint8Array): ReceivedApplication {
    const received = this.receive(message);
    assert.ok(received.kind === 'application');
    return received;
  }
}

/** A group of clients with these names, the first of whom founds it. */
export function groupOf(names: readonly string[], entropy: Entropy, suite: Suite = suite1): Client[] {
  const clients = names.map((name) => new Client(name, suite, entropy));
  const [founder, ...others] = clients;
  assert.ok(founder);
  founder.create();
  addAll(founder, others);
  return clients;
}

/** One commit that adds them all, joined by them and followed by `members`. */
export function addAll(committer: Client, added: readonly Client[], members: readonly Client[] = []): void {
  if (added.length === 0) return;
  const packages = added.map((client) => client.keyPackage());
  const proposals = packages.map(({ keyPackage }) => ({ kind: 'add', keyPackage }) as const);
  const { commit, welcome } = committer.commit({ proposals });
  for (const member of members) member.follow(commit);
  added.forEach((client, i) => client.join(welcome, packages[i] ?? assert.fail()));
}

export function codeOf(run: () => unknown): ErrorCode | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof MlsError) return error.code;
    throw error;
  }
}

export function refuses(run: () => unknown, code: ErrorCode): void {
  assert.equal(codeOf(run), code);
}

export function assertAgreement(clients: readonly Client[]): void {
  const [first, ...others] = clients;
  for (const other of others) assert.equal(other.authenticator, first?.authenticator, `${other.name} is elsewhere`);
}
