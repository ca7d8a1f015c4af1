/**
 * What a server may answer to a submit, again and again, for ever. Method: the pure core with a shell of a few lines that
 * does every effect at once, time that jumps to the next thing to do, and a server that always gives the same answer. A
 * client that can be made to run in circles would submit thousands of times in ten minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientId, Code, DeviceId, FailureDetail, GroupId } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import { RETRY_AFTER_MS_MAX } from '../src/core/lane.ts';
import type { Effect } from '../src/core/effect.ts';
import type { Item, Sealed } from '../src/core/item.ts';
import type { GroupFacts, Lineage } from '../src/core/lineage.ts';
import { groupOf, withoutGroup, withState } from '../src/core/lineage.ts';
import type { Event, State } from '../src/core/state.ts';
import { emptyState } from '../src/core/state.ts';
import { nextWakeMs, update } from '../src/core/update.ts';

const MINUTES = 10;
const RTT_MS = 1;
const device = idOf<DeviceId>(new Uint8Array(16).fill(7));
const idFrom = (number: number): Uint8Array => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return bytes;
};

interface Answer {
  readonly code: Code;
  readonly detail?: FailureDetail;
}

/** Counts what the client does in ten minutes against a server that answers so. */
class Play {
  state: State = emptyState;
  nowMs = 0;
  submits = 0;
  connects = 0;
  failed: Code[] = [];
  ended: Code[] = [];
  readonly #answer: (sealed: Sealed) => Answer | 'accepted';
  #due: { readonly atMs: number; readonly event: () => Event | undefined }[] = [];
  #lineage: Lineage;
  #numbers = 100;

  constructor(answer: (sealed: Sealed) => Answer | 'accepted', messages = 3) {
    this.#answer = answer;
    const group = idOf<GroupId>(idFrom(1));
    const sequences = { ownSequence: 1, peerSequence: 1 };
    const live: GroupFacts = { group, generation: 1, ...sequences, epoch: 1, chainAccepted: 0, state: 'live' };
    this.#lineage = [live];
    const items: Item[] = Array.from({ length: messages }, (_, at) => ({
      order: at + 1,
      user: 'bob',
      kind: 'message',
      onlineOnly: false,
      sealed: undefined,
    }));
    this.step({ kind: 'loaded', device, lanes: [{ user: 'bob', items, lineage: this.#lineage, halted: false }] });
    this.step({ kind: 'start' });
  }

  run(untilMs = MINUTES * 60_000): this {
    for (let steps = 0; this.nowMs < untilMs; steps += 1) {
      assert.ok(steps < 20_000, `ran in circles: ${this.submits} submits, ${this.connects} connections`);
      this.#due.sort((a, b) => a.atMs - b.atMs);
      const wakeMs = nextWakeMs(this.state);
      const next = this.#due[0];
      if (next !== undefined && (wakeMs === undefined || next.atMs <= wakeMs)) {
        this.#due.shift();
        this.nowMs = Math.max(this.nowMs, next.atMs);
        const event = next.event();
        if (event !== undefined) this.step(event);
      } else if (wakeMs !== undefined) {
        this.nowMs = Math.max(this.nowMs + 1, wakeMs);
        this.step({ kind: 'tick' });
      } else return this;
    }
    return this;
  }

  get waiting(): number {
    return this.state.lanes.get('bob')?.items.length ?? 0;
  }

  step(event: Event): void {
    const { state, effects } = update(this.state, event, { nowMs: this.nowMs, random: 0.5 });
    this.state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #later(event: () => Event | undefined): void {
    this.#due.push({ atMs: this.nowMs + RTT_MS, event });
  }

  #item(order: number): Item | undefined {
    return this.state.lanes.get('bob')?.items.find((item) => item.order === order);
  }

  #sealed(kind: Sealed['kind'], group: GroupId, chainNumber: number): Sealed {
    this.#numbers += 1;
    const epoch = groupOf(this.#lineage, group)?.epoch ?? 1;
    const id = idOf<ClientId>(idFrom(this.#numbers));
    return {
      id,
      kind,
      group,
      epoch,
      chainNumber,
      submitNumber: this.#numbers,
      bytes: 500,
      strikes: 0,
      state: 'stored',
    };
  }

  #perform(effect: Effect): void {
    const user = 'bob';
    switch (effect.kind) {
      case 'connect':
        this.connects += 1;
        return this.#later(() => ({ kind: 'opened', rolledBack: false, reading: false }));
      case 'reconnect':
        return this.#later(() =>
          this.state.connection.kind === 'online' ? { kind: 'closed', code: 'CONNECTION_LOST' } : undefined,
        );
      case 'end':
        this.ended.push(effect.code);
        return this.#later(() => ({ kind: 'stop' }));
      case 'encrypt': {
        const sealed = effect.orders.map((order, at) => ({
          order,
          sealed: this.#sealed('message', effect.group, effect.chainNumber + at),
        }));
        return this.#later(() => ({ kind: 'sealed', user, sealed, lineage: this.#lineage, dropped: [] }));
      }
      case 'found': {
        const group = idOf<GroupId>(idFrom((this.#numbers += 1)));
        const generation = (effect.holder?.generation ?? 0) + 1;
        const sequences = { ownSequence: 1, peerSequence: 1 };
        const facts: GroupFacts = { group, generation, ...sequences, epoch: 1, chainAccepted: 0, state: 'founding' };
        this.#lineage = [...this.#lineage, facts];
        const sealed = [{ order: effect.order, sealed: this.#sealed('found', group, 1) }];
        return this.#later(() => ({ kind: 'sealed', user, sealed, lineage: this.#lineage, dropped: [] }));
      }
      case 'renumber': {
        const sealed = effect.orders.flatMap((order) => {
          const before = this.#item(order)?.sealed;
          this.#numbers += 1;
          const fresh = { submitNumber: this.#numbers, strikes: 0, state: 'stored' } as const;
          return before === undefined ? [] : [{ order, sealed: { ...before, ...fresh } }];
        });
        return this.#later(() => ({ kind: 'sealed', user, sealed, lineage: this.#lineage, dropped: [] }));
      }
      case 'submit': {
        this.submits += 1;
        const sealed = this.#item(effect.order)?.sealed;
        if (sealed === undefined) return;
        const answer = this.#answer(sealed);
        const { id } = sealed;
        return this.#later(() =>
          answer === 'accepted' ? { kind: 'accepted', id } : { kind: 'refused', id, detail: {}, ...answer },
        );
      }
      case 'settle': {
        const sealed = this.#item(effect.order)?.sealed;
        this.#lineage = this.#lineage.map((facts) =>
          facts.group === sealed?.group
            ? { ...facts, chainAccepted: sealed.chainNumber, state: facts.state === 'founding' ? 'live' : facts.state }
            : facts,
        );
        return this.#later(() => ({ kind: 'settled', user, order: effect.order, lineage: this.#lineage }));
      }
      case 'fail':
        this.failed.push(effect.code);
        return;
      case 'forget-group':
        this.#lineage = withoutGroup(this.#lineage, effect.group);
        return;
      case 'bury-group':
        this.#lineage = withState(this.#lineage, effect.group, 'dead');
        return;
      case 'commit':
      case 'drop':
      case 'drop-commit':
      case 'disconnect':
      case 'show-connection':
        return;
    }
  }
}

/** Far below what a client running in circles would send, far above what backing off does. */
const SUBMITS_MAX = 400;

const someGroup = idFrom(999);
const lies: readonly (Answer & { readonly name?: string })[] = [
  { code: 'RATE_LIMITED' },
  { code: 'RATE_LIMITED', detail: { retryAfterMs: 0 } },
  { code: 'RATE_LIMITED', detail: { retryAfterMs: 2 ** 32 - 1 } },
  { code: 'BUSY' },
  { code: 'STORAGE_FULL' },
  { code: 'INTERNAL' },
  { code: 'SHUTTING_DOWN' },
  { code: 'NOT_AUTHENTICATED' },
  { code: 'PREDECESSOR_REFUSED' },
  { code: 'STATE_ROLLED_BACK' },
  { code: 'EPOCH_STALE' },
  { code: 'EPOCH_STALE', detail: { epoch: 1 } },
  { code: 'EPOCH_STALE', detail: { epoch: 2 } },
  { code: 'EPOCH_STALE', detail: { epoch: 2 ** 52 } },
  { code: 'GROUP_SUPERSEDED' },
  { code: 'GROUP_SUPERSEDED', detail: { group: someGroup, generation: 9 } },
  { code: 'GROUP_SUPERSEDED', detail: { group: idFrom(1), generation: 1 } },
  { code: 'SLOT_TAKEN' },
  { code: 'SLOT_TAKEN', detail: { group: someGroup, generation: 2 ** 50, devices: [] } },
  { code: 'SLOT_TAKEN', detail: { group: someGroup, generation: 1, devices: [new Uint8Array(16).fill(7)] } },
  { code: 'SLOT_TAKEN', detail: { group: new Uint8Array(3), devices: [new Uint8Array(0)] } },
  { code: 'DEVICES_CHANGED' },
  { code: 'NOT_A_MEMBER' },
  { code: 'NO_SUCH_GROUP' },
];

for (const lie of lies)
  test(`a server that always answers ${lie.code} ${describe(lie.detail)} is asked slowly, and the messages stay`, () => {
    const play = new Play(() => lie).run();
    assert.ok(play.submits >= 1);
    assert.ok(play.submits <= SUBMITS_MAX, `${play.submits} submits in ${MINUTES} minutes`);
    assert.ok(play.connects <= 60, `${play.connects} connections in ${MINUTES} minutes`);
    assert.equal(play.waiting, 3);
  });

test('answers in turn, chosen to undo each other, are not faster', () => {
  for (let offset = 1; offset < lies.length; offset += 1) {
    let count = 0;
    const play = new Play(() => lies[(count += offset) % lies.length] ?? { code: 'BUSY' }).run();
    assert.ok(play.submits <= SUBMITS_MAX, `${play.submits} submits with every ${offset}th answer`);
    assert.ok(play.connects <= 100, `${play.connects} connections`);
  }
});

test('a pause of 49 days asked for by the server ends after ten minutes', () => {
  let asked = 0;
  const answer: Answer = { code: 'RATE_LIMITED', detail: { retryAfterMs: 2 ** 32 - 1 } };
  const play = new Play(() => ((asked += 1) === 1 ? answer : 'accepted'), 1);
  play.run(RETRY_AFTER_MS_MAX - 1);
  assert.equal(play.waiting, 1);
  play.run(RETRY_AFTER_MS_MAX + 1000);
  assert.equal(play.waiting, 0);
});

for (const code of ['SESSION_REPLACED', 'DEVICE_REVOKED', 'ACCOUNT_DISABLED'] as const)
  test(`a submit refused with ${code} ends the session, and the message stays`, () => {
    const play = new Play(() => ({ code })).run();
    assert.ok(play.ended.includes(code));
    assert.ok(play.submits <= 3);
    assert.equal(play.waiting, 3);
  });

test('a code that says something about the message fails it, once', () => {
  const play = new Play(() => ({ code: 'BLOCKED' })).run();
  assert.deepEqual(play.failed, ['BLOCKED', 'BLOCKED', 'BLOCKED']);
  assert.equal(play.waiting, 0);
});

test('a refusal of an id that was accepted changes nothing', () => {
  const ids: ClientId[] = [];
  const play = new Play(({ id }) => {
    ids.push(id);
    return 'accepted';
  }, 1);
  while (play.state.lanes.get('bob')?.items[0]?.sealed?.state !== 'answered') play.run(play.nowMs + 1);
  const refuse = (): void =>
    play.step({ kind: 'refused', id: ids[0] ?? idOf<ClientId>(idFrom(0)), code: 'BLOCKED', detail: {} });
  // While the acceptance is being stored, and afterwards.
  refuse();
  play.run();
  refuse();
  assert.equal(ids.length, 1);
  assert.equal(play.waiting, 0);
  assert.deepEqual(play.failed, []);
});

test('an acceptance of an id that nobody sent changes nothing', () => {
  const play = new Play(() => ({ code: 'BUSY' }), 1);
  const before = play.state;
  play.step({ kind: 'accepted', id: idOf<ClientId>(idFrom(5)) });
  assert.deepEqual(play.state.lanes, before.lanes);
});

function describe(detail: FailureDetail | undefined): string {
  if (detail === undefined) return 'without details';
  return JSON.stringify(detail, (_, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value));
}
