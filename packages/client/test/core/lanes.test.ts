/**
 * Order and resends, for any answers of a server that keeps the rules of docs/protocol/delivery.md, any loss of
 * connections and of answers. Method: the pure core, a shell of a few lines, a server of a few lines, random schedules.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientId, Code, DeviceId, GroupId } from '@securechat/wire';
import { idOf, limits } from '@securechat/wire';
import fc from 'fast-check';
import type { Effect } from '../../src/core/effect.ts';
import type { Item, Sealed } from '../../src/core/item.ts';
import type { GroupFacts, Lineage } from '../../src/core/lineage.ts';
import { withAccepted } from '../../src/core/lineage.ts';
import type { Event, State } from '../../src/core/state.ts';
import { emptyState } from '../../src/core/state.ts';
import { nextWakeMs, update } from '../../src/core/update.ts';

const device = idOf<DeviceId>(new Uint8Array(16).fill(9));
const groupId = idOf<GroupId>(new Uint8Array(16).fill(1));

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, value);
  return bytes;
}

/** One conversation of two lanes' worth of trouble: what the server stored, in which order, under which numbers. */
class World {
  state: State = emptyState;
  nowMs = 0;
  readonly stored = new Map<ClientId, number>();
  readonly log: {
    readonly user: string;
    readonly order: number;
    readonly chainNumber: number;
    readonly group: GroupId;
  }[] = [];
  readonly resent = new Map<ClientId, string>();
  readonly lineages = new Map<string, Lineage>();
  #epochs = new Map<GroupId, number>();
  #highest = 0;
  #refused = new Map<GroupId, number>();
  #numbers = 0;
  #order = 0;
  /** Things that come back later: answers of server and shell. */
  due: { readonly attempt: number; readonly event: Event }[] = [];
  attempt = 0;
  readonly roll: () => number;

  constructor(roll: () => number) {
    this.roll = roll;
    for (const user of ['bob', 'carol']) {
      const group = idOf<GroupId>(number(user.length));
      const facts: GroupFacts = {
        group,
        generation: 1,
        ownSequence: 1,
        peerSequence: 1,
        epoch: 1,
        chainAccepted: 0,
        state: 'live',
      };
      this.lineages.set(user, [facts]);
      this.#epochs.set(group, 1);
    }
    const lanes = [...this.lineages].map(([user, lineage]) => ({ user, items: [], lineage, halted: false }));
    this.step({ kind: 'loaded', device, lanes });
    this.step({ kind: 'start' });
  }

  write(user: string): void {
    this.#order += 1;
    this.step({
      kind: 'queued',
      item: { order: this.#order, user, kind: 'message', onlineOnly: false, sealed: undefined },
    });
  }

  /** The other side commits: messages made before are stale. */
  moveEpoch(user: string): void {
    const lineage = this.lineages.get(user) ?? [];
    const group = lineage[0]?.group ?? groupId;
    const epoch = (this.#epochs.get(group) ?? 1) + 1;
    this.#epochs.set(group, epoch);
    // Its row arrives some time later.
    this.due.push({
      attempt: -1,
      event: { kind: 'lineage', user, lineage: [] },
    });
  }

  drop(): void {
    if (this.state.connection.kind !== 'online') return;
    this.attempt += 1;
    this.#refused.clear();
    this.step({ kind: 'closed', code: 'CONNECTION_LOST' });
  }

  /** The next thing that comes back, or time that passes. */
  advance(): boolean {
    const next = this.due.shift();
    if (next !== undefined) {
      if (next.attempt !== -1 && next.attempt !== this.attempt) return true;
      this.step(this.#filled(next.event));
      return true;
    }
    const wakeMs = nextWakeMs(this.state);
    if (wakeMs === undefined) return false;
    this.nowMs = Math.max(this.nowMs + 1, wakeMs);
    this.step({ kind: 'tick' });
    return true;
  }

  /** The shell says what is on disk when it speaks, not when it began to work. */
  #filled(event: Event): Event {
    if (event.kind === 'lineage') {
      const lineage = (this.lineages.get(event.user) ?? []).map((facts) => ({
        ...facts,
        epoch: this.#epochs.get(facts.group) ?? facts.epoch,
      }));
      this.lineages.set(event.user, lineage);
    }
    return 'lineage' in event ? { ...event, lineage: this.lineages.get(event.user) ?? [] } : event;
  }

  step(event: Event): void {
    const { state, effects } = update(this.state, event, { nowMs: this.nowMs, random: 0.5 });
    this.state = state;
    const sent = this.items().filter(({ sealed }) => sealed?.state === 'sent');
    assert.ok(sent.length <= limits.submitsInFlightMax.value);
    for (const effect of effects) this.#perform(effect);
  }

  items(): readonly Item[] {
    return [...this.state.lanes.values()].flatMap(({ items }) => items);
  }

  #later(event: Event): void {
    this.due.push({ attempt: -1, event });
  }

  #item(order: number): Item | undefined {
    return this.items().find((item) => item.order === order);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        return this.#later({ kind: 'opened', rolledBack: false, reading: false });
      case 'reconnect':
        return this.drop();
      case 'encrypt': {
        const facts = this.lineages.get(effect.user)?.find(({ group }) => group === effect.group);
        const sealed = effect.orders.map((order, at) => ({
          order,
          sealed: this.#seal(effect.group, facts?.epoch ?? 1, effect.chainNumber + at),
        }));
        return this.#later(this.#sealedEvent(effect.user, sealed));
      }
      case 'renumber': {
        const sealed = effect.orders.flatMap((order) => {
          const before = this.#item(order)?.sealed;
          this.#numbers += 1;
          const fresh = { submitNumber: this.#numbers, state: 'stored' } as const;
          return before === undefined ? [] : [{ order, sealed: { ...before, ...fresh } }];
        });
        return this.#later(this.#sealedEvent(effect.user, sealed));
      }
      case 'submit':
        return this.#submit(effect.user, effect.order, effect.lowestUnresolved);
      case 'settle': {
        const sealed = this.#item(effect.order)?.sealed;
        const lineage = this.lineages.get(effect.user) ?? [];
        if (sealed !== undefined) this.lineages.set(effect.user, withAccepted(lineage, sealed));
        const { user, order } = effect;
        return this.#later({ kind: 'settled', user, order, lineage: this.lineages.get(user) ?? [] });
      }
      case 'show-connection':
      case 'bury-group':
      case 'drop-commit':
        return;
      case 'found':
      case 'commit':
      case 'fail':
      case 'drop':
      case 'forget-group':
      case 'disconnect':
      case 'end':
        assert.fail(`unexpected ${effect.kind}`);
    }
  }

  #sealedEvent(user: string, sealed: readonly { order: number; sealed: Sealed }[]): Event {
    return { kind: 'sealed', user, sealed, lineage: this.lineages.get(user) ?? [], dropped: [] };
  }

  #seal(group: GroupId, epoch: number, chainNumber: number): Sealed {
    this.#numbers += 1;
    const id = idOf<ClientId>(number(1_000_000 + this.#numbers));
    const numbers = { epoch, chainNumber, submitNumber: this.#numbers };
    return { id, kind: 'message', group, ...numbers, bytes: 400, strikes: 0, state: 'stored' };
  }

  /** delivery.md, checks 2 to 4 and a few refusals for now. */
  #submit(user: string, order: number, lowestUnresolved: number): void {
    // What a broken connection takes no more is not sent.
    if (this.state.connection.kind !== 'online') return;
    const sealed = this.#item(order)?.sealed;
    assert.ok(sealed !== undefined && sealed.submitNumber >= lowestUnresolved);
    const { id, group, chainNumber } = sealed;
    // A resend is byte-identical; only its number may be fresh.
    const form = `${order} ${group} ${sealed.epoch} ${chainNumber}`;
    assert.equal(this.resent.get(id) ?? form, form);
    this.resent.set(id, form);
    if (this.roll() % 12 === 0) return this.drop();
    const code = this.#decide(sealed);
    if (code === undefined && !this.stored.has(id)) {
      this.stored.set(id, order);
      this.log.push({ user, order, chainNumber, group });
      this.#highest = Math.max(this.#highest, sealed.submitNumber);
    }
    const first = this.#refused.get(group);
    if (code === undefined && first === chainNumber) this.#refused.delete(group);
    if (code !== undefined && (first === undefined || chainNumber < first)) this.#refused.set(group, chainNumber);
    if (this.roll() % 12 === 0) return this.drop();
    const epoch = this.#epochs.get(group) ?? 1;
    const detail = code === 'EPOCH_STALE' ? { epoch } : {};
    this.due.push({
      attempt: this.attempt,
      event: code === undefined ? { kind: 'accepted', id } : { kind: 'refused', id, code, detail },
    });
  }

  #decide({ id, submitNumber, group, chainNumber, epoch }: Sealed): Code | undefined {
    if (this.stored.has(id)) return undefined;
    if (submitNumber <= this.#highest) return 'STATE_ROLLED_BACK';
    const fate = this.roll() % 10;
    if (fate === 0) return 'RATE_LIMITED';
    if (fate === 1) return 'BUSY';
    if (epoch !== this.#epochs.get(group)) return 'EPOCH_STALE';
    const first = this.#refused.get(group);
    return first !== undefined && chainNumber > first ? 'PREDECESSOR_REFUSED' : undefined;
  }
}

test('whatever happens, each message is stored once, and each conversation in the order of writing', () => {
  const step = fc.constantFrom('bob', 'bob', 'carol', 'epoch', 'drop', 'wait', 'wait', 'wait');
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.nat(9999)),
      fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
      (dice, plan) => {
        let lively = true;
        const world = new World(() => (lively ? Number(dice.next().value) : 7));
        for (const what of plan) {
          if (what === 'bob' || what === 'carol') world.write(what);
          else if (what === 'epoch') world.moveEpoch('bob');
          else if (what === 'drop') world.drop();
          else world.advance();
        }
        lively = false;
        for (let steps = 0; world.items().length > 0; steps += 1) {
          assert.ok(steps < 5000, `${world.items().length} never settle`);
          assert.ok(world.advance(), 'nothing is awaited, and something is left');
        }
        const written = plan.filter((what) => what === 'bob' || what === 'carol').length;
        assert.equal(new Set(world.log.map(({ order }) => order)).size, world.log.length);
        assert.equal(world.log.length, written);
        for (const user of ['bob', 'carol']) {
          const mine = world.log.filter((entry) => entry.user === user);
          assert.deepEqual(
            mine.map(({ order }) => order),
            mine.map(({ order }) => order).toSorted((a, b) => a - b),
          );
          assert.deepEqual(
            mine.map(({ chainNumber }) => chainNumber),
            mine.map((_, at) => at + 1),
          );
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('what a later acceptance proves to be accepted goes out again as it is, and is not encrypted anew', () => {
  const sealed = (order: number, chainNumber: number): Item => ({
    order,
    user: 'bob',
    kind: 'message',
    onlineOnly: false,
    sealed: {
      id: idOf<ClientId>(number(order)),
      kind: 'message',
      group: groupId,
      epoch: 1,
      chainNumber,
      submitNumber: order,
      bytes: 300,
      strikes: 0,
      state: 'stored',
    },
  });
  // The acceptance of 2 was stored, that of 1 came later and was lost in a crash.
  const facts = { group: groupId, generation: 1, ownSequence: 1, peerSequence: 1, epoch: 1, chainAccepted: 2 } as const;
  const lineage: Lineage = [{ ...facts, state: 'live' }];
  const lanes = [{ user: 'bob', items: [sealed(1, 1), sealed(3, 3)], lineage, halted: false }];
  const moment = { nowMs: 0, random: 0 };
  const events: Event[] = [
    { kind: 'loaded', device, lanes },
    { kind: 'start' },
    { kind: 'opened', rolledBack: false, reading: false },
  ];
  let state = emptyState;
  const effects: Effect[] = [];
  for (const event of events) {
    const step = update(state, event, moment);
    ({ state } = step);
    effects.push(...step.effects);
  }
  assert.deepEqual(
    effects.flatMap((effect) => (effect.kind === 'submit' ? [effect.order] : [])),
    [1, 3],
  );
  assert.ok(!effects.some(({ kind }) => kind === 'encrypt'));
});

test('work that changes nothing is not begun again at once: what it waits for may be the disk', () => {
  const facts = { group: groupId, generation: 1, ownSequence: 1, peerSequence: 1, epoch: 1, chainAccepted: 0 } as const;
  const lineage: Lineage = [{ ...facts, state: 'live' }];
  const items: Item[] = [{ order: 1, user: 'bob', kind: 'message', onlineOnly: false, sealed: undefined }];
  const moment = { nowMs: 1000, random: 0.5 };
  let state = emptyState;
  const encrypts = (event: Event, at = moment): boolean => {
    const step = update(state, event, at);
    ({ state } = step);
    return step.effects.some(({ kind }) => kind === 'encrypt');
  };
  encrypts({ kind: 'loaded', device, lanes: [{ user: 'bob', items, lineage, halted: false }] });
  encrypts({ kind: 'start' });
  assert.ok(encrypts({ kind: 'opened', rolledBack: false, reading: false }));
  // A commit that was refused is still to be dropped from a full disk.
  assert.ok(!encrypts({ kind: 'stale', user: 'bob', lineage, dropped: [] }));
  const wakeMs = nextWakeMs(state) ?? 0;
  assert.ok(wakeMs > moment.nowMs);
  assert.ok(encrypts({ kind: 'tick' }, { ...moment, nowMs: wakeMs }));
  // The group went on: at once.
  assert.ok(encrypts({ kind: 'stale', user: 'bob', lineage: [{ ...facts, epoch: 2, state: 'live' }], dropped: [] }));
});
