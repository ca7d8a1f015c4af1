/** Random histories, on a driver and on the model: every answer, and in the end every mailbox, must be equal. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AccountId, DeviceId, GroupId } from '@securechat/wire';
import type { FoundingFacts, Store, Submission, SubmitResult } from '../../src/stores/port.ts';
import { ModelStore } from './model.ts';
import type { Actor } from './stage.ts';
import { bytesNamed, commit, founding, idNamed, message, NOW_MS, senderOf } from './stage.ts';
import { plain, small } from './place.ts';
import type { Place, Places } from './place.ts';

export function playHistories(name: string, { begin }: Places): void {
  test(`${name}: random histories answer as the model does`, async () => {
    await using at = await begin(small);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryStep, { minLength: 40, maxLength: 120 }), async (steps) => {
        run += 1;
        await playBoth(at, `${run}`, steps);
      }),
      { includeErrorInReport: true, numRuns: Number(process.env['SECURECHAT_RUNS'] ?? 25), endOnFailure: true },
    );
  });
}

/** [what, who, with whom, a number to choose by, a flag] */
type Step = readonly [what: (typeof what)[number], who: number, whom: number, pick: number, flag: boolean];

const what = [
  ...Array.from({ length: 16 }, () => 'message' as const),
  'found',
  'commit',
  'resend',
  'attach',
  'detach',
  'ack',
  'ack',
  'fetch',
  'block',
  'putKeys',
  'takeKeys',
  'second',
  'reset',
  'delete',
  'record',
  'restart',
] as const;

const arbitraryStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(...what),
  fc.nat(2),
  fc.integer({ min: 1, max: 2 }),
  fc.nat(11),
  fc.boolean(),
);

/** A person with one device or two. */
interface Role {
  readonly account: AccountId;
  devices: Actor[];
  sequence: number;
  made: number;
}

/** The same steps on store and model; every answer, and at the end every mailbox, must be equal. */
async function playBoth(at: Place, run: string, steps: readonly Step[]): Promise<void> {
  const model = new ModelStore(at.limits, () => at.clock.now());
  const roles: Role[] = [];
  const places = new Map<string, { group: GroupId; generation: number; epoch: number; chain: number }>();
  const sent: Submission[] = [];
  let groups = 0;

  const both = async <T>(call: (store: Store) => Promise<T>): Promise<T> => {
    const [real, expected] = [await call(at.store), await call(model)];
    assert.deepEqual(plain(real), plain(expected));
    return real;
  };
  const change = ({ account, sequence }: Role, add: DeviceId[], remove: DeviceId[]) =>
    both((store) => store.put([], { account, sequence, add, remove, cause: 'RECIPIENT_RESET' }));
  const attachBoth = async (actor: Actor, storedUpTo: number): Promise<void> => {
    // Every seventh cursor comes from a history that no store draws.
    const foreign = storedUpTo % 7 === 6 ? 2 ** 47 : undefined;
    const attached = await both(async (store) => {
      const answer = await store.attach(actor.device, storedUpTo, NOW_MS, foreign);
      return answer && { ...answer, history: 0 };
    });
    actor.generation = attached?.generation ?? 0;
  };
  const newDevice = (role: Role): Actor => {
    role.made += 1;
    const device = idNamed<DeviceId>(`${run}${role.account.slice(0, 8)}`, role.made);
    return { account: role.account, device, generation: 0, submitNumber: 0 };
  };
  const forgetPlaces = ({ account }: Role): void => {
    for (const key of places.keys()) if (key.includes(account)) places.delete(key);
  };
  for (const name of ['a', 'b', 'c']) {
    const role: Role = { account: idNamed<AccountId>(`${name}${run}`), devices: [], sequence: 1, made: 0 };
    role.devices = [newDevice(role)];
    roles.push(role);
    await change(role, [role.devices[0]!.device], []);
    await attachBoth(role.devices[0]!, 0);
  }
  const send = async (submission: Submission): Promise<SubmitResult> => {
    sent.push(submission);
    return both((store) => store.submit(submission));
  };

  const found = async (role: Role, peer: Role, { pick, flag }: { pick: number; flag: boolean }): Promise<void> => {
    groups += 1;
    const group = idNamed<GroupId>(`${run}group`, groups);
    const key = pairOf(role, peer);
    const generation = pick === 0 ? 3 : (places.get(key)?.generation ?? 0) + 1;
    const founded: Partial<FoundingFacts> = {
      slot: createHash('sha256')
        .update(`${run} ${key} ${role.sequence + peer.sequence}`)
        .digest(),
      peer: peer.account,
      generation,
      ownSequence: role.sequence,
      peerSequence: peer.sequence,
      devices: [...role.devices, ...peer.devices].map((each) => each.device),
      firstMessage: flag ? bytesNamed(`${run} first ${groups}`, 50) : undefined,
    };
    const over = { submit: { chainNumber: 1, payload: bytesNamed(`found ${groups}`) }, founding: founded };
    const [actor, target] = [role, peer].map(({ devices }) => devices[pick % devices.length]!) as [Actor, Actor];
    const result = await send(founding(actor, target, group, over));
    if (result.kind === 'accepted') places.set(key, { group, generation, epoch: 1, chain: 1 });
  };
  const sendMessage = async (
    role: Role,
    peer: Role,
    { pick, flag }: { pick: number; flag: boolean },
  ): Promise<void> => {
    const actor = role.devices[pick % role.devices.length]!;
    if (places.get(pairOf(role, peer)) === undefined) await found(role, peer, { pick: 1, flag });
    const place = places.get(pairOf(role, peer));
    if (place === undefined) return;
    place.chain += flag || pick > 2 ? 1 : 0;
    const result = await send(
      message(actor, place.group, {
        epoch: pick === 0 ? place.epoch + 1 : place.epoch,
        chainNumber: place.chain,
        onlineOnly: pick === 1,
        lowestUnresolved: Math.max(0, actor.submitNumber - pick),
        payload: bytesNamed(`${run} ${sent.length}`, 20 + pick * 100),
      }),
    );
    if (result.kind === 'refused' && result.code === 'DEVICES_CHANGED') await found(role, peer, { pick: 1, flag });
    // The client tries again from the refused number on; numbers are never below zero.
    if (result.kind === 'refused') place.chain = Math.max(0, place.chain - 1);
  };

  for (const [step, who, distance, pick, flag] of steps) {
    const role = roles[who]!;
    const actor = role.devices[pick % role.devices.length]!;
    const peer = roles[(who + distance) % 3]!;
    const target = peer.devices[pick % peer.devices.length]!;
    const place = places.get(pairOf(role, peer));
    const wrong = pick === 0;
    switch (step) {
      case 'message':
        await sendMessage(role, peer, { pick, flag });
        break;
      case 'found':
        await found(role, peer, { pick, flag });
        break;
      case 'commit': {
        if (place === undefined) break;
        const result = await send(commit(actor, place.group, { epoch: wrong ? 99 : place.epoch }));
        if (result.kind === 'accepted') place.epoch += 1;
        break;
      }
      case 'resend': {
        const old = sent.at(-1 - (pick % 4));
        const owner = roles.flatMap((each) => each.devices).find((each) => each.device === old?.sender.device);
        if (old === undefined || owner === undefined) break;
        const changes = wrong ? [{ payload: bytesNamed('changed') }, { epoch: 77 }][flag ? 0 : 1] : {};
        const submit = { ...old.submit, ...changes };
        await both((store) => store.submit({ ...old, sender: senderOf(owner), submit }));
        break;
      }
      case 'attach':
        await attachBoth(actor, flag ? 0 : pick);
        break;
      case 'detach':
        await both((store) => store.detach(actor.device, actor.generation - (flag ? 1 : 0)));
        break;
      case 'ack':
        await both((store) =>
          store.ack(actor.device, actor.generation - (wrong && flag ? 1 : 0), wrong ? 99 : pick * 3),
        );
        break;
      case 'fetch':
        await both((store) => store.fetch(actor.device, pick, 1 + pick, flag ? 500 : 5000));
        break;
      case 'block':
        await both((store) => store.block(role.account, peer.account, pick < 5, flag));
        await both((store) => store.blocks(role.account));
        break;
      case 'putKeys': {
        const keys = Array.from({ length: pick % 4 }, (_, index) => bytesNamed(`${actor.device} ${pick} ${index}`, 60));
        const last = flag ? bytesNamed(`last ${pick}`) : undefined;
        await both((store) => store.putKeyPackages(actor.device, keys, last, wrong));
        break;
      }
      case 'takeKeys':
        await both((store) => store.takeKeyPackages([actor.device, target.device]));
        break;
      case 'second': {
        // A second device comes, or the first one goes.
        const [first, second] = role.devices;
        if (second === undefined) {
          role.devices.push(newDevice(role));
          await change(role, [role.devices[1]!.device], []);
          await attachBoth(role.devices[1]!, 0);
        } else {
          role.devices = [second];
          await change(role, [], [first!.device]);
        }
        break;
      }
      case 'reset': {
        const old = role.devices.map((each) => each.device);
        role.sequence += 1;
        role.devices = [newDevice(role)];
        await change(role, [role.devices[0]!.device], old);
        forgetPlaces(role);
        if (flag) await attachBoth(role.devices[0]!, 0);
        break;
      }
      case 'delete':
        // Rare, since it ends what can happen with the person; half the time the same account id comes back.
        if (pick > 2) break;
        await both((store) => store.deleteAccount(role.account, NOW_MS));
        forgetPlaces(role);
        if (!flag) break;
        role.devices = [newDevice(role)];
        await change(role, [role.devices[0]!.device], []);
        await attachBoth(role.devices[0]!, 0);
        break;
      case 'record': {
        const key = `${run}/${pick % 3}`;
        const value = flag ? bytesNamed(`${pick}`) : null;
        const ifVersion = pick < 3 ? 'any' : pick % 4;
        await both((store) => store.put([{ space: 'server', key, ifVersion, value }]));
        await both((store) => store.get('server', [key]));
        await both((store) => store.list('server', `${run}/`, '', 10));
        break;
      }
      case 'restart':
        if (pick > 1) break;
        await at.again();
        model.restart();
        break;
    }
  }
  for (const role of roles) {
    await both((store) => store.contacts(role.account));
    for (const { device } of role.devices) {
      await both((store) => store.fetch(device, 0, 1000, 1e9));
      await both((store) => store.keyPackageStock(device));
    }
  }
  // Nothing of this run is left over for the next one, and bounces on the way are the same ones too.
  for (const role of roles) await both((store) => store.deleteAccount(role.account, NOW_MS));
}

function pairOf(one: Role, other: Role): string {
  return [one.account, other.account].sort().join();
}
