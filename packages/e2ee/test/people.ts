/** People for tests: accounts with verified bundles on one server, in real formats. */
import type { AccountBundle, Entropy, RsaPrivate, SealedOpener } from '@securechat/crypto';
import {
  deviceFingerprint,
  ed25519,
  fingerprintOf,
  generateRsa,
  openerOf,
  seededEntropy,
  signAccountCertificate,
  signDeviceCertificate,
  signDeviceList,
  verifyAccountBundle,
} from '@securechat/crypto';
import type { AccountId, DeviceId, GroupId, MessageId } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import type {
  ContentDraft,
  FoundDirectInput,
  GroupState,
  JoinDirectInput,
  MadeKeyPackage,
  OwnDevice,
} from '../src/index.ts';
import { createKeyPackages, foundDirect, joinDirect, mlsEngine, openInvitation, ownDevice } from '../src/index.ts';

export const nowMs: number = Date.UTC(2026, 10, 22, 12, 34, 56, 789);
export const DAY_MS = 24 * 60 * 60 * 1000;
export const server = fingerprintOf(new Uint8Array(32));
export const engine = mlsEngine;

const seed = process.env['SEED'] ?? '1';
/** Repeatable with SEED, as far as the primitives take entropy. */
export const entropy: Entropy = seededEntropy(`e2ee ${seed}`);

export function id<T extends AccountId | DeviceId | GroupId | MessageId>(): T {
  return idOf<T>(entropy(16));
}

export interface TestDevice extends OwnDevice {
  readonly sealing: RsaPrivate<'sealing'>;
}

export interface TestPerson {
  readonly bundle: AccountBundle;
  readonly identity: RsaPrivate<'identity'>;
  readonly recoverySealing: RsaPrivate<'sealing'>;
  readonly devices: readonly TestDevice[];
  /** The first device. */
  readonly device: TestDevice;
}

export interface PersonOptions {
  readonly devices?: number;
  readonly account?: AccountId;
  readonly sequence?: number;
  readonly listVersion?: number;
  readonly lifetimeMs?: number;
}

/**
 * RSA keys of 2048 bits take 0.1 s each, so a few serve everybody in turn: enough that the people of one file never share
 * one.
 */
function keyRing<P extends 'identity' | 'sealing'>(purpose: P, count: number): () => Promise<RsaPrivate<P>> {
  const keys: Promise<RsaPrivate<P>>[] = [];
  let turn = 0;
  return () => {
    const at = turn % count;
    turn += 1;
    return (keys[at] ??= generateRsa(purpose, 2048));
  };
}
const identityKey = keyRing('identity', 4);
const sealingKey = keyRing('sealing', 10);

export async function person(username: string, options: PersonOptions = {}): Promise<TestPerson> {
  const account = options.account ?? id<AccountId>();
  const sequence = options.sequence ?? 1;
  const count = options.devices ?? 1;
  const [identity, recoverySealing, ...sealings] = await Promise.all([
    identityKey(),
    sealingKey(),
    ...Array.from({ length: count }, sealingKey),
  ]);
  const accountJws = await signAccountCertificate(identity, {
    account,
    username,
    sequence,
    recovery: ed25519.generate(entropy).publicKey,
    recoverySealing: recoverySealing.public,
    server,
    issuedAtMs: nowMs,
  });
  const made = await Promise.all(
    sealings.map(async (sealing) => {
      const device = id<DeviceId>();
      const { privateKey, publicKey } = ed25519.generate(entropy);
      const claims = { account, sequence, device, signing: publicKey, sealing: sealing.public, nowMs };
      const lifetime = options.lifetimeMs === undefined ? {} : { lifetimeMs: options.lifetimeMs };
      const jws = await signDeviceCertificate(identity, { ...claims, ...lifetime });
      return { device, signing: privateKey, sealing, jws };
    }),
  );
  const bundle = await bundleOf(identity, accountJws, account, sequence, made, options.listVersion ?? 1);
  const devices = made.map(({ device, signing, sealing }) => ({ ...ownDevice(bundle, device, signing), sealing }));
  return { bundle, identity, recoverySealing, devices, device: present(devices[0]) };
}

async function bundleOf(
  identity: RsaPrivate<'identity'>,
  accountJws: string,
  account: AccountId,
  sequence: number,
  devices: readonly { readonly device: DeviceId; readonly jws: string }[],
  version: number,
): Promise<AccountBundle> {
  const listJws = await signDeviceList(identity, {
    account,
    sequence,
    version,
    devices: devices.map(({ device, jws }) => ({ device, fingerprint: deviceFingerprint(jws) })),
    previous: version === 1 ? new Uint8Array(0) : entropy(32),
  });
  const deviceJws = devices.map(({ jws }) => jws);
  return verifyAccountBundle({ accountJws, listJws, deviceJws, server, nowMs });
}

/** The person's newest bundle with only these of their devices listed. */
export function relist(who: TestPerson, devices: readonly TestDevice[]): Promise<AccountBundle> {
  return bundleFor(
    who,
    devices.map(({ certificate }) => ({ device: certificate.device, jws: certificate.jws })),
  );
}

/** A newer bundle of the same account with these device certificates. */
export function bundleFor(
  who: TestPerson,
  devices: readonly { readonly device: DeviceId; readonly jws: string }[],
): Promise<AccountBundle> {
  const { account, sequence, jws } = who.bundle.account;
  return bundleOf(who.identity, jws, account, sequence, devices, who.bundle.list.version + 1);
}

/** Everything that opens what is sealed to a person. */
export function openersOf(who: TestPerson): SealedOpener[] {
  return [...who.devices.map(({ sealing }) => sealing), who.recoverySealing].map(openerOf);
}

export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Something that must be there is not.');
  return value;
}

export function keyPackage(own: OwnDevice): MadeKeyPackage {
  return present(createKeyPackages({ engine, own, count: 1, nowMs, entropy })[0]);
}

export function text(words: string): ContentDraft {
  return { id: id<MessageId>(), sentAtMs: nowMs, delivered: [], body: { kind: 'text', text: words } };
}

export interface Pair {
  readonly alice: TestPerson;
  readonly bob: TestPerson;
  readonly group: GroupId;
  readonly people: readonly AccountBundle[];
  aliceState: GroupState;
  bobState: GroupState;
}

/** Alice's founding of a conversation with Bob, and what Bob needs to join. */
export function founding(alice: TestPerson, bob: TestPerson, changes: Partial<FoundDirectInput> = {}) {
  const made = keyPackage(bob.device);
  const group = changes.group ?? id<GroupId>();
  const founded = foundDirect({
    engine,
    me: alice.device,
    peer: bob.bundle,
    keyPackages: [{ device: bob.device.certificate.device, keyPackage: made.keyPackage }],
    group,
    generation: 1,
    predecessor: undefined,
    nowMs,
    entropy,
    ...changes,
  });
  if (founded.kind === 'refused') throw new Error(`founding refused: ${founded.reason}`);
  return { founded, group, made };
}

export function opening(who: TestPerson, sealed: Uint8Array, group: GroupId): ReturnType<typeof openInvitation> {
  const { account } = who.bundle.account;
  return openInvitation({
    sealed,
    group,
    invitee: account,
    openers: who.devices.map(({ sealing }) => openerOf(sealing)),
    server,
    nowMs,
    entropy,
  });
}

export async function opened(who: TestPerson, sealed: Uint8Array, group: GroupId) {
  const invitation = await opening(who, sealed, group);
  if (invitation.kind === 'refused') throw new Error(`invitation refused: ${invitation.reason}`);
  return invitation;
}

/** `secrets` are copied: joining names them for wiping. */
export async function joining(
  who: TestPerson,
  sealed: Uint8Array,
  group: GroupId,
  made: MadeKeyPackage,
  changes: Partial<JoinDirectInput> = {},
): Promise<ReturnType<typeof joinDirect>> {
  const invitation = changes.invitation ?? (await opened(who, sealed, group));
  const { keyPackage, secrets } = made;
  return joinDirect({
    engine,
    me: who.device,
    invitation,
    inviter: invitation.inviter,
    keyPackage,
    secrets: secrets.slice(),
    nowMs,
    ...changes,
  });
}

/** Alice and Bob in a fresh conversation. */
export async function pair(alice: TestPerson, bob: TestPerson): Promise<Pair> {
  const { founded, group, made } = founding(alice, bob);
  const joined = await joining(bob, founded.founding.invitation, group, made);
  if (joined.kind === 'refused') throw new Error(`joining refused: ${joined.reason}`);
  const people = [alice.bundle, bob.bundle];
  return { alice, bob, group, people, aliceState: founded.state, bobState: joined.state };
}
