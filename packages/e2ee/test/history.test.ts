/**
 * Goal: whatever two people do, and in whatever order the network lets it happen, every message that the server accepted is
 * read exactly once, and both end in one epoch with one authenticator. Method: random histories against a delivery service
 * that takes messages and commits of the current epoch only, as docs/protocol/delivery.md says.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { GroupState } from '../src/index.ts';
import { decryptRow, encryptContent, renewLeaf } from '../src/index.ts';
import type { Pair, TestPerson } from './people.ts';
import { engine, entropy, nowMs, pair, person, text } from './people.ts';

let alice: TestPerson;
let bob: TestPerson;

before(async () => {
  [alice, bob] = await Promise.all([person('alice'), person('bob')]);
});

interface Row {
  readonly kind: 'message' | 'commit';
  readonly ciphertext: Uint8Array;
}

class Side {
  readonly me: TestPerson;
  state: GroupState;
  pending: Uint8Array | undefined;
  readonly mailbox: Row[] = [];
  readonly parked: Row[] = [];
  readonly read: string[] = [];
  chain = 0;
  constructor(me: TestPerson, state: GroupState) {
    this.me = me;
    this.state = state;
  }
}

class History {
  readonly talk: Pair;
  readonly sides: readonly [Side, Side];
  /** The server's. */
  epoch = 1;
  readonly accepted: [string[], string[]] = [[], []];

  constructor(talk: Pair) {
    this.talk = talk;
    this.sides = [new Side(talk.alice, talk.aliceState), new Side(talk.bob, talk.bobState)];
  }

  #input(side: Side) {
    return { engine, me: side.me.device, group: this.talk.group, state: side.state, entropy };
  }

  say(at: 0 | 1): void {
    const side = this.sides[at];
    const content = text(`${at} ${side.chain + 1}`);
    const sent = encryptContent({ ...this.#input(side), chainNumber: side.chain + 1, content });
    for (const secret of sent.wipe) secret.fill(0);
    side.state = sent.state;
    if (sent.epoch !== this.epoch) return;
    side.chain += 1;
    this.accepted[at].push(`${at} ${side.chain}`);
    this.sides[1 - at]?.mailbox.push({ kind: 'message', ciphertext: sent.ciphertext });
  }

  /** Makes a commit and sends it; the answer comes later. */
  renew(at: 0 | 1): void {
    const side = this.sides[at];
    if (side.pending !== undefined) return;
    const renewal = renewLeaf({ ...this.#input(side), people: this.talk.people, nowMs });
    for (const secret of renewal.wipe) secret.fill(0);
    side.state = renewal.state;
    if (renewal.epochAfter !== this.epoch + 1) return;
    this.epoch += 1;
    side.pending = renewal.pending;
    this.sides[1 - at]?.mailbox.push({ kind: 'commit', ciphertext: renewal.commit.commit });
  }

  /** *Accepted* arrives. */
  answer(at: 0 | 1): void {
    const side = this.sides[at];
    if (side.pending === undefined) return;
    const { state, pending } = side;
    const merged = engine.mergeOwn({ state, pending });
    side.state = merged.state;
    for (const secret of merged.wipe) secret.fill(0);
    side.pending = undefined;
    this.#again(side);
  }

  receive(at: 0 | 1): void {
    const side = this.sides[at];
    const row = side.mailbox.shift();
    if (row === undefined) return;
    this.#read(side, row);
    if (row.kind === 'commit') this.#again(side);
  }

  #again(side: Side): void {
    for (const row of side.parked.splice(0)) this.#read(side, row);
  }

  #read(side: Side, { kind, ciphertext }: Row): void {
    const row = { row: kind, ciphertext, people: this.talk.people, nowMs };
    const result = decryptRow({ ...this.#input(side), ...row });
    if (result.kind === 'refused') {
      assert.ok(result.park, `refused: ${result.reason}`);
      side.parked.push({ kind, ciphertext });
      return;
    }
    for (const secret of result.wipe) secret.fill(0);
    side.state = result.state;
    if (result.kind === 'content' && result.content.body.kind === 'text') side.read.push(result.content.body.text);
  }

  settle(): void {
    for (let round = 0; round < 60; round += 1)
      for (const at of [0, 1] as const) {
        this.answer(at);
        this.receive(at);
      }
  }
}

test('random histories of two people lose nothing, repeat nothing and end in agreement', async () => {
  const step = fc.tuple(fc.constantFrom('say', 'say', 'renew', 'answer', 'receive', 'receive'), fc.constantFrom(0, 1));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const history = new History(await pair(alice, bob));
      for (const [action, at] of steps) history[action](at);
      history.settle();
      const [one, other] = history.sides;
      assert.deepEqual([...other.read].sort(), [...history.accepted[0]].sort());
      assert.deepEqual([...one.read].sort(), [...history.accepted[1]].sort());
      const [mine, theirs] = [engine.facts(one.state), engine.facts(other.state)];
      assert.equal(mine.epoch, history.epoch);
      assert.deepEqual(mine.authenticator, theirs.authenticator);
      assert.deepEqual(mine.roster, theirs.roster);
      assert.deepEqual([...one.parked, ...other.parked], []);
    }),
    { numRuns: 60 },
  );
});
