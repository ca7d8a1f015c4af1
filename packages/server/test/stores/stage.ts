/** Two or more people with devices in a store, and submissions between them: what the store tests have in common. */
import type { AccountId, BinaryId, ClientId, DeviceId, GroupId, Submit } from '@securechat/wire';
import { toBase64url } from '@securechat/wire';
import type { FoundingFacts, Sender, Store, Submission } from '../../src/stores/port.ts';

export const NOW_MS = 1_800_000_000_000;

/** A readable id: the name's characters, then the number, in 16 bytes. */
export function idNamed<Id extends BinaryId>(name: string, number = 0): Id {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 12));
  new DataView(bytes.buffer).setUint32(12, number);
  return toBase64url(bytes) as Id;
}

export function bytesNamed(name: string, length = 32): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(new TextEncoder().encode(name).subarray(0, length));
  return bytes;
}

/** One person with one device. */
export interface Actor {
  readonly account: AccountId;
  readonly device: DeviceId;
  generation: number;
  submitNumber: number;
}

export function actorNamed(name: string): Actor {
  return { account: idNamed(`${name}.a`), device: idNamed(`${name}.d`), generation: 0, submitNumber: 0 };
}

/** Registers the account with its device and attaches it. */
export async function join(store: Store, name: string): Promise<Actor> {
  const actor = actorNamed(name);
  await store.put([], {
    account: actor.account,
    sequence: 1,
    add: [actor.device],
    remove: [],
    cause: 'RECIPIENT_RESET',
  });
  await attach(store, actor);
  return actor;
}

export async function attach(store: Store, actor: Actor, storedUpTo = 0): Promise<Actor> {
  const attached = await store.attach(actor.device, storedUpTo, NOW_MS);
  if (attached === undefined) throw new Error('cannot attach');
  actor.generation = attached.generation;
  return actor;
}

export function senderOf({ account, device, generation }: Actor): Sender {
  return { account, device, generation };
}

export function message(actor: Actor, group: GroupId, over: Partial<Submit> = {}): Submission {
  actor.submitNumber += 1;
  const n = actor.submitNumber;
  return {
    sender: senderOf(actor),
    submit: {
      id: idNamed<ClientId>(actor.device.slice(0, 6), n),
      kind: 'message',
      onlineOnly: false,
      group,
      epoch: 1,
      submitNumber: n,
      chainNumber: n,
      lowestUnresolved: n,
      payload: bytesNamed(`message ${n}`, 300),
      ...over,
    },
    nowMs: NOW_MS,
  };
}

export function commit(actor: Actor, group: GroupId, over: Partial<Submit> = {}): Submission {
  const base = message(actor, group, { kind: 'commit', chainNumber: 0, payload: bytesNamed('commit', 40), ...over });
  return { ...base, commit: { commit: bytesNamed('the commit', 60), capsule: bytesNamed('a capsule', 80) } };
}

export function founding(
  actor: Actor,
  peer: Actor,
  group: GroupId,
  over: { readonly submit?: Partial<Submit>; readonly founding?: Partial<FoundingFacts> } = {},
): Submission {
  const base = message(actor, group, { kind: 'found', payload: bytesNamed('founding', 40), ...over.submit });
  const pair = [actor.account, peer.account].sort().join();
  return {
    ...base,
    founding: {
      slot: bytesNamed(pair.slice(0, 8) + pair.slice(23, 31)),
      peer: peer.account,
      peerSequence: 1,
      ownSequence: 1,
      generation: 1,
      predecessor: undefined,
      devices: [actor.device, peer.device],
      invitation: bytesNamed('an invitation', 120),
      capsule: bytesNamed('a capsule', 80),
      firstMessage: undefined,
      ...over.founding,
    },
  };
}
