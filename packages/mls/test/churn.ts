/**
 * A random life of a group: additions, removals, updates, commits that race and commits that get lost, lost states,
 * messages out of order. After every step all members are at one authenticator; whoever was removed is handed every
 * message that follows, and none of its keys opens any path of a commit that it is not to know.
 */
import assert from 'node:assert/strict';
import { hpkeOpen } from '../src/crypto/hpke.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import type { CryptoProvider, Entropy } from '../src/crypto/provider.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { suiteOf } from '../src/crypto/suite.ts';
import { Writer } from '../src/codec/writer.ts';
import { concat, utf8 } from '../src/codec/bytes.ts';
import { MlsError } from '../src/errors.ts';
import type { ErrorCode } from '../src/errors.ts';
import { decodeMessage } from '../src/framing/message.ts';
import { exportGroupInfo } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import type { Proposal } from '../src/group/proposal.ts';
import { appendTo, openJournal, replay } from '../src/group/journal.ts';
import { receive } from '../src/group/receive.ts';
import { proposeUpdate } from '../src/group/send.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import type { GroupState } from '../src/group/state.ts';
import { provisionalContext } from '../src/group/epoch.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { validateTree } from '../src/tree/tree-validation.ts';
import { seeded } from './entropy.ts';
import { Client, addAll, assertAgreement, capabilities, codeOf, judge } from './client.ts';

const MEMBERS_MAX = 12;

/** How a message of today fails that is read with secrets of an earlier epoch. */
const forOldSecrets: ReadonlySet<string> = new Set<ErrorCode>([
  'undecryptable',
  'bad-membership-tag',
  'bad-confirmation-tag',
  'invalid-path',
  'own-message',
]);

interface Removed {
  readonly name: string;
  readonly state: GroupState;
}

interface Undelivered {
  readonly message: Uint8Array;
  readonly text: string;
  readonly to: readonly Client[];
}

/** Counts of what a history was made of. */
export interface ChurnFacts {
  readonly steps: number;
  readonly removals: number;
  /** Messages and keys tried by or with those removed. */
  readonly attempts: number;
  readonly slotsReused: number;
}

/** As many histories, from that number on; an error names the seed. The counts are their sum. */
export function runHistories(
  suite: Suite,
  input: { readonly first: number; readonly scripts: number; readonly steps: number },
): ChurnFacts {
  const sum = { steps: 0, removals: 0, attempts: 0, slotsReused: 0 };
  for (let script = input.first; script < input.first + input.scripts; script++) {
    const seed = `churn ${suite.id} ${script}`;
    const churn = new Churn(suiteOf(verifyingOnce(nodeProvider), suite.id), seeded(seed));
    try {
      for (let step = 0; step < input.steps; step++) churn.step();
    } catch (cause) {
      throw new Error(`seed "${seed}", step ${churn.facts.steps}`, { cause });
    }
    for (const key of ['steps', 'removals', 'attempts', 'slotsReused'] as const) sum[key] += churn.facts[key];
  }
  return sum;
}

/** All members verify the same signatures: each is verified for the first of them, with whatever comes of it. */
function verifyingOnce(provider: CryptoProvider): CryptoProvider {
  const { ed25519 } = provider;
  const answers = new Map<string, boolean>();
  const verify: typeof ed25519.verify = (publicKey, message, signature) => {
    const sizes = Uint8Array.of(publicKey.length, signature.length);
    const asked = provider.hash('sha256', concat(sizes, publicKey, signature, message));
    const key = Buffer.from(asked).toString('latin1');
    const answer = answers.get(key) ?? ed25519.verify(publicKey, message, signature);
    answers.set(key, answer);
    return answer;
  };
  return { ...provider, ed25519: { ...ed25519, verify } };
}

export class Churn {
  readonly suite: Suite;
  readonly entropy: Entropy;
  members: Client[];
  readonly #removed: Removed[] = [];
  readonly #freed = new Set<number>();
  #undelivered: Undelivered[] = [];
  #born = 0;
  #attempts = 0;
  #removals = 0;
  #slotsReused = 0;
  #steps = 0;

  constructor(suite: Suite, entropy: Entropy) {
    this.suite = suite;
    this.entropy = entropy;
    this.members = [this.#client().create(), this.#client()];
    const [founder, second] = this.members;
    assert.ok(founder && second);
    addAll(founder, [second]);
  }

  get facts(): ChurnFacts {
    const attempts = this.#attempts;
    return { steps: this.#steps, removals: this.#removals, attempts, slotsReused: this.#slotsReused };
  }

  below(limit: number): number {
    const [a = 0, b = 0] = this.entropy(2);
    return (a * 256 + b) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] ?? assert.fail('nothing to pick');
  }

  #client(): Client {
    return new Client(`client ${this.#born++}`, this.suite, this.entropy);
  }

  step(): void {
    this.#steps++;
    const roll = this.below(100);
    if (roll < 22) this.change({ additions: 1 + this.below(3), removals: 0 });
    else if (roll < 40) this.change({ additions: 0, removals: 1 + this.below(2) });
    else if (roll < 50) this.change({ additions: 1, removals: 1 });
    else if (roll < 62) this.change({ additions: 0, removals: 0 });
    else if (roll < 70) this.race();
    else if (roll < 75) this.lose();
    else if (roll < 82) this.rejoin();
    else if (roll < 88) this.updateByReference();
    else if (roll < 92) this.reload();
    else this.talk();
    this.talkOnce();
    assertAgreement(this.members);
    validateTree(this.pick(this.members).state.tree);
  }

  /** One commit with these many additions and removals; renews keys when there are none. */
  change(input: { readonly additions: number; readonly removals: number }): void {
    const committer = this.pick(this.members);
    const others = this.members.filter((member) => member !== committer);
    const leaving = shuffled(others, this).slice(0, Math.min(input.removals, others.length - 1));
    const room = Math.max(0, MEMBERS_MAX - this.members.length + leaving.length);
    const coming = Array.from({ length: Math.min(input.additions, room) }, () => this.#client());
    const packages = coming.map((client) => client.keyPackage());
    const proposals: Proposal[] = [
      ...packages.map(({ keyPackage }) => ({ kind: 'add', keyPackage }) as const),
      ...leaving.map(({ leaf }) => ({ kind: 'remove', removed: leaf }) as const),
    ];
    const format = this.below(2) === 0 ? 'public' : 'private';
    const path = this.below(4) === 0 ? 'if-required' : 'always';
    const { commit, welcome } = committer.commit({ proposals, format, path });
    this.#spread(commit, committer, leaving);
    coming.forEach((client, i) => client.join(welcome, packages[i] ?? assert.fail()));
    for (const { leaf } of coming) if (this.#freed.delete(leaf)) this.#slotsReused++;
    this.members = [...this.members.filter((member) => !leaving.includes(member)), ...coming];
  }

  /** Two commits of one epoch: the delivery service takes one, the other is dropped. */
  race(): void {
    const [winner, loser] = shuffled(this.members, this);
    assert.ok(winner && loser);
    loser.prepare();
    const { commit } = winner.commit();
    this.#spread(commit, winner, []);
  }

  /** A commit that never arrives anywhere. */
  lose(): void {
    this.pick(this.members).prepare();
  }

  /** A member lost its state and comes back with another signature key. */
  rejoin(): void {
    const [helper, lost] = shuffled(this.members, this);
    assert.ok(helper && lost);
    const groupInfo = exportGroupInfo(helper.state, { identity: helper.identity, externalJoin: 'offered' });
    const again = new Client(lost.name, this.suite, this.entropy);
    const { identity, entropy } = again;
    const input = { ...judge, groupInfo, identity, capabilities: capabilities(), replaces: lost.leaf, entropy };
    const joined = joinByExternalCommit(this.suite, input);
    this.#spread(joined.commit, lost, [lost]);
    again.state = joined.state;
    this.#freed.delete(again.leaf);
    this.members = this.members.map((member) => (member === lost ? again : member));
  }

  /** An Update proposal of one member, committed by another. */
  updateByReference(): void {
    const [proposer, committer] = shuffled(this.members, this);
    assert.ok(proposer && committer);
    const made = proposeUpdate(proposer.state, { identity: proposer.identity, entropy: this.entropy });
    proposer.state = made.state;
    for (const member of this.members) if (member !== proposer) member.receive(made.bytes);
    const { commit } = committer.commit({ references: [made.reference] });
    this.#spread(commit, committer, []);
  }

  /** A member is stored and loaded, with a few deltas. */
  reload(): void {
    const member = this.pick(this.members);
    const first = openJournal(member.state);
    const before = member.state;
    const message = member.send('for the journal');
    const second = appendTo(first.journal, { before, after: member.state });
    assert.equal(second.kind, 'delta');
    const { provider } = this.suite;
    const { state } = replay(provider, { records: [first.record, second.record], atLeast: 1n });
    assert.deepEqual(openJournal(state).record, openJournal(member.state).record);
    member.state = state;
    for (const other of this.members) if (other !== member) assert.equal(other.read(message), 'for the journal');
  }

  /** Everybody says something; half of it arrives in another order or after the next commits. */
  talk(): void {
    for (const sender of this.members) {
      const text = `${sender.name} ${this.#steps}`;
      const to = this.members.filter((member) => member !== sender);
      this.#undelivered.push({ message: sender.send(text), text, to });
    }
    this.#deliver(shuffled(this.#undelivered, this).slice(0, Math.ceil(this.#undelivered.length / 2)));
  }

  talkOnce(): void {
    const sender = this.pick(this.members);
    const message = sender.send('now');
    for (const member of this.members) if (member !== sender) assert.equal(member.read(message), 'now');
    this.#tryRemoved(message);
    this.#tryOldSecrets(message, sender.state);
  }

  #deliver(messages: readonly Undelivered[]): void {
    for (const { message, text, to } of messages) {
      for (const reader of to) {
        if (!this.members.includes(reader)) continue;
        try {
          assert.equal(reader.read(message), text);
        } catch (error) {
          if (!(error instanceof MlsError && error.code === 'too-old')) throw error;
        }
      }
    }
    this.#undelivered = this.#undelivered.filter((one) => !messages.includes(one));
  }

  #spread(commit: Uint8Array, committer: Client, leaving: readonly Client[]): void {
    const witness = this.members.find((member) => member !== committer && !leaving.includes(member))?.state;
    if (witness !== undefined) this.#tryOldSecrets(commit, witness);
    for (const client of leaving) {
      this.#removals++;
      this.#freed.add(client.leaf);
      this.#removed.push({ name: client.name, state: client.state });
    }
    for (const member of this.members) {
      if (member === committer || leaving.includes(member)) continue;
      const received = member.receive(commit);
      assert.ok(received.kind === 'commit' && received.outcome.kind === 'epoch');
      assert.equal(received.difference.removed.length, leaving.length);
      if (member === this.members.find((one) => one !== committer && !leaving.includes(one)))
        this.#tryKeys(commit, member, received.outcome.epoch);
      member.state = mergeCommit(member.state, received).state;
    }
    this.#tryRemoved(commit);
  }

  /** No private key of anybody removed opens any ciphertext of the path. */
  #tryKeys(commit: Uint8Array, reader: Client, epoch: Pick<GroupState, 'tree' | 'context'>): void {
    const message = decodeMessage(commit);
    if (message.kind !== 'public-message') return;
    const { body } = message.publicMessage.message.content;
    if (body.kind !== 'commit' || body.commit.path === undefined) return;
    const context = provisionalContext(reader.state.context, {
      tree: epoch.tree,
      extensions: epoch.context.extensions,
    });
    const info = new Writer().vector(utf8('MLS 1.0 UpdatePathNode')).vector(encodeGroupContext(context)).done();
    const { nodes } = body.commit.path;
    const opens = (state: GroupState): boolean => {
      for (const [node, privateKey] of state.privateKeys) {
        const publicKey = state.tree.node(node)?.encryptionKey ?? assert.fail();
        for (const sealed of nodes.flatMap((at) => at.sealed)) {
          this.#attempts++;
          if (hpkeOpen(this.suite, { ...sealed, pair: { privateKey, publicKey }, info }) !== undefined) return true;
        }
      }
      return false;
    };
    assert.ok(opens(reader.state), 'the attempt works for a member');
    for (const { state } of this.#someRemoved()) assert.ok(!opens(state), 'a removed member learns nothing');
  }

  /** The last few and one from further back, for what is dear to try. */
  #someRemoved(): readonly Removed[] {
    const earlier = this.#removed.slice(0, -3);
    return [...this.#removed.slice(-3), ...(earlier.length > 0 ? [this.pick(earlier)] : [])];
  }

  /** All that is public as it is today, all that is secret as it was on leaving: a server and who was removed, together. */
  #tryOldSecrets(message: Uint8Array, today: GroupState): void {
    for (const { state: old } of this.#someRemoved()) {
      const { secrets, secretTree, privateKeys, resumption, past, ownLeaf } = old;
      const state = { ...today, secrets, secretTree, privateKeys, resumption, past, ownLeaf };
      this.#attempts++;
      const outcome = codeOf(() => {
        const received = receive(state, { ...judge, message, publicHandshakes: 'accept' });
        // Of an external commit everything is public, and who has the slot that it empties enters no epoch by it.
        assert.ok(received.kind === 'commit' && received.outcome.kind === 'removed', received.kind);
        assert.equal(received.committer.kind, 'new-member');
      });
      assert.ok(outcome === undefined || forOldSecrets.has(outcome), `with old secrets: ${outcome}`);
    }
  }

  #tryRemoved(message: Uint8Array): void {
    for (const { name, state } of this.#removed) {
      const client = new Client(name, this.suite, this.entropy);
      client.state = state;
      this.#attempts++;
      let outcome: string;
      try {
        const received = client.receive(message);
        outcome = received.kind === 'commit' ? received.outcome.kind : received.kind;
      } catch (error) {
        if (!(error instanceof MlsError)) throw error;
        outcome = error.code;
      }
      // Its own removal is the last thing it is told.
      assert.ok(['too-new', 'removed', 'undecryptable', 'own-message'].includes(outcome), `${name}: ${outcome}`);
    }
  }
}

export function shuffled<T>(items: readonly T[], churn: Pick<Churn, 'below'>): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = churn.below(i + 1);
    const a = mixed[i];
    const b = mixed[j];
    if (a === undefined || b === undefined) continue;
    mixed[i] = b;
    mixed[j] = a;
  }
  return mixed;
}
