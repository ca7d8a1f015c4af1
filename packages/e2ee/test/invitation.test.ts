/**
 * Goal: nobody gets into a direct conversation, or draws somebody into one, but by the rules. Method: honest people, and a
 * founder who breaks one rule at a time (the engine's own functions with a check that accepts everything).
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ed25519, fingerprintOf, openerOf, openSealed, sealTo, verifyAccountBundle } from '@securechat/crypto';
import { basicCredential, createCommit, createGroup, decodeMessage, suiteOf } from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';
import type { DeviceId, GroupId } from '@securechat/wire';
import { ByteReader, defaultLimits, idBytes } from '@securechat/wire';
import { groupAndEpoch } from '../src/capsule.ts';
import { credentialOf, encodeCredential, ownLeaf } from '../src/credential.ts';
import type { MadeKeyPackage, OwnLeaf } from '../src/engine.ts';
import { checkKeyPackage, createKeyPackages, foundDirect, openInvitation } from '../src/index.ts';
import type { JoinDirectInput, OpenedInvitation } from '../src/index.ts';
import { encodeDirectContext } from '../src/group-context.ts';
import { createInviteSecret, FOUNDING_EPOCH, sealInvitation } from '../src/invitation.ts';
import { validityFrom } from '../src/key-package.ts';
import { capabilities, CONTEXT_EXTENSION, lifetimeOf, SUITE } from '../src/mls/members.ts';
import type { TestDevice, TestPerson } from './people.ts';
import {
  DAY_MS,
  engine,
  entropy,
  founding,
  id,
  joining,
  keyPackage,
  nowMs,
  opened,
  opening,
  person,
  present,
  relist,
  server,
} from './people.ts';

let alice: TestPerson;
let bob: TestPerson;
let mallory: TestPerson;

before(async () => {
  [alice, bob, mallory] = await Promise.all([person('alice', { devices: 2 }), person('bob'), person('mallory')]);
});

const everybody = (): boolean => true;

interface Forgery {
  /** The leaf that founds. */
  readonly leaf?: OwnLeaf;
  /** Whose device signs the invitation. */
  readonly signer?: TestDevice;
  readonly inviter?: TestPerson;
  readonly invitee?: TestPerson;
  /** More leaves than the invitee's. */
  readonly others?: readonly TestDevice[];
  readonly generationInside?: number;
  readonly groupInside?: GroupId;
  readonly contextAccounts?: readonly [TestPerson, TestPerson];
  /** The invitee's key package. */
  readonly made?: MadeKeyPackage;
}

/** A founding by `alice` for `bob` that breaks the rules asked for, and what bob needs to try to join. */
function forged(forgery: Forgery) {
  const signer = forgery.signer ?? alice.device;
  const invitee = forgery.invitee ?? bob;
  const group = id<GroupId>();
  const secret = createInviteSecret(group, entropy);
  const made = forgery.made ?? keyPackage(bob.device);
  const others = (forgery.others ?? []).map(keyPackage);
  const [one, other] = forgery.contextAccounts ?? [alice, bob];
  const founded = engine.found({
    group: idBytes(forgery.groupInside ?? group),
    context: encodeDirectContext({
      generation: forgery.generationInside ?? 1,
      predecessor: undefined,
      accounts: [one.bundle.account.account, other.bundle.account.account],
    }),
    own: forgery.leaf ?? ownLeaf(alice.device),
    validity: validityFrom(alice.device.certificate, nowMs),
    keyPackages: [made, ...others].map(({ keyPackage }) => keyPackage),
    psk: secret.psk,
    check: everybody,
    nowMs,
    entropy,
  });
  assert.ok(founded.kind === 'founded');
  const { welcome } = founded;
  const me = signer;
  const sealed = sealInvitation({
    me,
    invitee: invitee.bundle,
    group,
    generation: 1,
    predecessor: undefined,
    secret,
    welcome,
    entropy,
  });
  return { sealed, group, made };
}

async function joinRefused(reason: string, forgery: Forgery, changes: Partial<JoinDirectInput> = {}): Promise<void> {
  const { sealed, group, made } = forged(forgery);
  const joined = await joining(bob, sealed, group, made, changes);
  assert.equal(joined.kind === 'refused' ? joined.reason : joined.kind, reason);
}

test('the forger of these tests, breaking no rule, is let in', () => joinRefused('joined', {}));

test('a leaf with the credential of another account is refused', () =>
  joinRefused('credential', { leaf: ownLeaf(mallory.device) }));

test('a leaf whose key is not the one in its certificate is refused', () => {
  const { privateKey, publicKey } = ed25519.generate(entropy);
  return joinRefused('credential', {
    leaf: { ...ownLeaf(alice.device), signing: privateKey, signingPublic: publicKey },
  });
});

test('a leaf made under another certificate of its device and key is let in: certificates are renewed', () => {
  const credential = { ...credentialOf(alice.device), deviceCertificate: entropy(32) };
  return joinRefused('joined', { leaf: { ...ownLeaf(alice.device), credential: encodeCredential(credential) } });
});

test('a leaf that names a device that is not listed, with the key of one that is, is refused', () => {
  const credential = { ...credentialOf(alice.device), device: id<DeviceId>() };
  return joinRefused('credential', { leaf: { ...ownLeaf(alice.device), credential: encodeCredential(credential) } });
});

test('a leaf that names an older account certificate is refused', () => {
  const credential = { ...credentialOf(alice.device), accountCertificate: entropy(32) };
  return joinRefused('credential', { leaf: { ...ownLeaf(alice.device), credential: encodeCredential(credential) } });
});

test('a leaf whose credential cannot be read is refused', () =>
  joinRefused('credential', { leaf: { ...ownLeaf(alice.device), credential: entropy(113) } }));

test('a leaf of a third account is refused', () => joinRefused('credential', { others: [mallory.device] }));

test('a second leaf of the inviter is let in only with a device of their list', async () => {
  await joinRefused('joined', { others: [present(alice.devices[1])] });
  const inviter = await relist(alice, [alice.device]);
  await joinRefused('credential', { others: [present(alice.devices[1])] }, { inviter });
});

test('an inviter whose device is no longer listed is refused', async () =>
  joinRefused('credential', {}, { inviter: await relist(alice, [present(alice.devices[1])]) }));

test('a leaf whose device certificate is over, or not valid yet, is refused', async () => {
  await joinRefused('credential', {}, { nowMs: nowMs + 800 * DAY_MS });
  await joinRefused('credential', {}, { nowMs: nowMs - 8 * DAY_MS });
});

test('an invitation signed by another device than the signer of GroupInfo is refused', () =>
  joinRefused('not-the-signer', { signer: present(alice.devices[1]), others: [present(alice.devices[1])] }));

test('a group whose context names other accounts is refused', () =>
  joinRefused('third-account', { contextAccounts: [alice, mallory] }));

test('a generation in the group other than in the invitation is refused', () =>
  joinRefused('other-context', { generationInside: 2 }));

test('a welcome into another group than the invitation names is refused', () =>
  joinRefused('other-context', { groupInside: id<GroupId>() }));

test('an invitation for somebody else, sealed to our keys, is refused', async () => {
  const { sealed, group } = forged({ invitee: mallory });
  assert.deepEqual(await opening(bob, sealed, group), { kind: 'refused', reason: 'unopened' });
  const passedOn = await resealed(mallory, bob, sealed, group);
  assert.deepEqual(await opening(bob, passedOn, group), { kind: 'refused', reason: 'not-for-me' });
});

/** What a recipient can do with an invitation: open it and seal the same body to somebody else. */
async function resealed(from: TestPerson, to: TestPerson, sealed: Uint8Array, group: GroupId): Promise<Uint8Array> {
  const context = groupAndEpoch(group, FOUNDING_EPOCH);
  const openers = [openerOf(from.device.sealing)];
  const body = await openSealed({ sealed, openers, purpose: 'invite', context, entropy });
  const recipients = [to.device.sealing.public];
  return sealTo({ recipients, purpose: 'invite', context, plaintext: present(body), entropy });
}

test('an invitation of another group than the mailbox row says is refused', async () => {
  const { sealed } = forged({});
  assert.deepEqual(await opening(bob, sealed, id<GroupId>()), { kind: 'refused', reason: 'unopened' });
});

test('an invitation that claims to come from its invitee is refused', async () => {
  const { sealed, group } = forged({ signer: bob.device });
  assert.deepEqual(await opening(bob, sealed, group), { kind: 'refused', reason: 'from-self' });
});

test('an invitation signed with a key that is not that of the device is refused', async () => {
  const { privateKey } = ed25519.generate(entropy);
  const { sealed, group } = forged({ signer: { ...alice.device, signing: privateKey } });
  assert.deepEqual(await opening(bob, sealed, group), { kind: 'refused', reason: 'bad-signature' });
});

test('an inviter of another server, and one whose certificates are over, are refused', async () => {
  const { sealed, group } = forged({});
  const input = {
    sealed,
    group,
    invitee: bob.bundle.account.account,
    openers: [openerOf(bob.device.sealing)],
    server,
    nowMs,
    entropy,
  };
  const other = fingerprintOf(Uint8Array.of(1));
  const refusal = { kind: 'refused', reason: 'certificate' };
  assert.deepEqual(await openInvitation({ ...input, server: other }), refusal);
  assert.deepEqual(await openInvitation({ ...input, nowMs: nowMs + 800 * DAY_MS }), refusal);
});

test('an invitation opens with the recovery key as well', async () => {
  const { founded, group } = founding(alice, bob, {
    me: alice.device,
    peer: bob.bundle,
  });
  const openers = [openerOf(bob.recoverySealing)];
  const invitee = bob.bundle.account.account;
  const input = { sealed: founded.founding.invitation, group, invitee, openers, server, nowMs, entropy };
  assert.equal((await openInvitation(input)).kind, 'opened');
});

test('every seventh byte of an invitation counts', async () => {
  const { sealed, group } = forged({});
  for (let at = 0; at < sealed.length; at += 7) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    assert.equal((await opening(bob, changed, group)).kind, 'refused', `byte ${at}`);
  }
});

test('every field of the body is under the signature', async () => {
  const { sealed, group } = forged({});
  const context = groupAndEpoch(group, FOUNDING_EPOCH);
  const openers = [openerOf(bob.device.sealing)];
  const body = present(await openSealed({ sealed, openers, purpose: 'invite', context, entropy }));
  const signedBytes = new ByteReader(body.subarray(1)).u32();
  const recipients = [bob.device.sealing.public];
  for (let at = 0; at < body.length; at += at < 300 || at > signedBytes ? 3 : 101) {
    const plaintext = body.slice();
    plaintext[at] = (plaintext[at] ?? 0) ^ 0x04;
    const again = sealTo({ recipients, purpose: 'invite', context, plaintext, entropy });
    assert.equal((await opening(bob, again, group)).kind, 'refused', `byte ${at}`);
  }
});

test('an invitation over invitationBytesMax is refused unread', async () => {
  const sealed = new Uint8Array(defaultLimits.invitationBytesMax + 1);
  assert.deepEqual(await opening(bob, sealed, id<GroupId>()), { kind: 'refused', reason: 'malformed' });
  const atLimit = new Uint8Array(defaultLimits.invitationBytesMax);
  assert.deepEqual(await opening(bob, atLimit, id<GroupId>()), { kind: 'refused', reason: 'unopened' });
});

test('a welcome with another invite secret than the invitation brings is refused', async () => {
  const { sealed, group, made } = forged({});
  const invitation = await opened(bob, sealed, group);
  const psk = { ...invitation.psk, secret: entropy(32) };
  const other: OpenedInvitation = { ...invitation, psk };
  const joined = await joining(bob, sealed, group, made, { invitation: other });
  assert.deepEqual(joined, { kind: 'refused', reason: 'undecryptable' });
});

test('a welcome without the PSK is refused', async () => {
  const group = id<GroupId>();
  const made = keyPackage(bob.device);
  const { credential, signing: signatureKey } = ownLeaf(alice.device);
  const identity = { credential: basicCredential(credential), signatureKey };
  const policy = { lifetimeMax: 2n ** 62n, credential: everybody, change: everybody };
  const judge = { policy, now: BigInt(Math.floor(nowMs / 1000)) };
  const accounts = [alice.bundle.account.account, bob.bundle.account.account] as const;
  const data = encodeDirectContext({ generation: 1, predecessor: undefined, accounts });
  const alone = createGroup(suiteOf(nodeProvider, SUITE), {
    ...judge,
    groupId: idBytes(group),
    extensions: [{ type: CONTEXT_EXTENSION, data }],
    identity,
    capabilities,
    lifetime: lifetimeOf(validityFrom(alice.device.certificate, nowMs)),
    entropy,
  });
  const added = decodeMessage(made.keyPackage);
  assert.ok(added.kind === 'key-package');
  const proposals = [{ kind: 'add', keyPackage: added.keyPackage }] as const;
  const { welcome } = createCommit(alone, { ...judge, identity, proposals, entropy });
  const secret = createInviteSecret(group, entropy);
  const sealed = sealInvitation({
    me: alice.device,
    invitee: bob.bundle,
    group,
    generation: 1,
    predecessor: undefined,
    secret,
    welcome: present(welcome),
    entropy,
  });
  assert.deepEqual(await joining(bob, sealed, group, made), { kind: 'refused', reason: 'no-psk' });
});

test('a one-time key package joins once: its secrets are named for wiping, and no other package opens the welcome', async () => {
  const { sealed, group, made } = forged({});
  const secrets = made.secrets.slice();
  const joined = await joining(bob, sealed, group, made, { secrets });
  assert.ok(joined.kind === 'joined');
  for (const secret of joined.wipe) secret.fill(0);
  await assert.rejects(() => joining(bob, sealed, group, made, { secrets }), { code: 'PROFILE_DAMAGED' });
  const other = keyPackage(bob.device);
  assert.deepEqual(await joining(bob, sealed, group, other), { kind: 'refused', reason: 'no-key-package' });
  const { welcome } = await opened(bob, sealed, group);
  assert.deepEqual(engine.welcomedReferences(welcome), [made.reference]);
});

// ---- what a founder refuses ----

function foundingRefused(reason: string, changes: object): void {
  const made = keyPackage(bob.device);
  const founded = foundDirect({
    engine,
    me: alice.device,
    peer: bob.bundle,
    keyPackages: [{ device: bob.device.certificate.device, keyPackage: made.keyPackage }],
    group: id<GroupId>(),
    generation: 1,
    predecessor: undefined,
    nowMs,
    entropy,
    ...changes,
  });
  assert.equal(founded.kind === 'refused' ? founded.reason : founded.kind, reason);
}

const claimed = (made: { keyPackage: Uint8Array }) => ({
  keyPackages: [{ device: bob.device.certificate.device, keyPackage: made.keyPackage }],
});

test('a founder without a key package for each device of the peer has no keys', async () => {
  foundingRefused('no-keys', { keyPackages: [] });
  const two = await relist(alice, alice.devices);
  const made = keyPackage(alice.device);
  const keyPackages = [{ device: alice.device.certificate.device, keyPackage: made.keyPackage }];
  foundingRefused('no-keys', { me: bob.device, peer: two, keyPackages });
});

test('a founder refuses the key package of another person or device', async () =>
  foundingRefused('foreign', claimed(keyPackage(mallory.device))));

test('a founder refuses a key package more than devices, which would be a ghost', async () => {
  const [mine, ghost] = [keyPackage(bob.device), keyPackage(mallory.device)];
  const ghosts = [{ device: mallory.device.certificate.device, keyPackage: ghost.keyPackage }];
  foundingRefused('foreign', { keyPackages: [...claimed(mine).keyPackages, ...ghosts] });
});

test('a founder refuses a damaged key package, whatever byte it is', async () => {
  const made = keyPackage(bob.device);
  const device = { person: bob.bundle, certificate: bob.device.certificate };
  for (let at = 0; at < made.keyPackage.length; at += 5) {
    const changed = made.keyPackage.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x02;
    const verdict = checkKeyPackage({ engine, keyPackage: changed, device, nowMs });
    assert.equal(verdict.kind, 'refused', `byte ${at}`);
  }
});

test('a key package counts from its first second to its last', async () => {
  const second = Math.floor(nowMs / 1000) * 1000;
  const validity = { notBeforeMs: second - DAY_MS, notAfterMs: second + DAY_MS };
  const { keyPackage } = engine.keyPackage({ own: ownLeaf(bob.device), validity, entropy });
  const device = { person: bob.bundle, certificate: bob.device.certificate };
  const at = (ms: number): string => {
    const verdict = checkKeyPackage({ engine, keyPackage, device, nowMs: ms });
    return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
  };
  assert.equal(at(validity.notBeforeMs), 'usable');
  assert.equal(at(validity.notBeforeMs - 1), 'not-yet-valid');
  assert.equal(at(validity.notAfterMs), 'usable');
  assert.equal(at(validity.notAfterMs + 1), 'expired');
  assert.equal(at(bob.device.certificate.notAfterMs + 1), 'certificate-expired');
});

test('a founder refuses an expired key package', async () => {
  const validity = { notBeforeMs: nowMs - 10 * DAY_MS, notAfterMs: nowMs - DAY_MS };
  foundingRefused('expired', claimed(engine.keyPackage({ own: ownLeaf(bob.device), validity, entropy })));
});

test('a joiner refuses a leaf whose lifetime is over for longer than an invitation can have waited', async () => {
  const validity = { notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + DAY_MS };
  const made = engine.keyPackage({ own: ownLeaf(bob.device), validity, entropy });
  await joinRefused('joined', { made });
  await joinRefused('joined', { made }, { nowMs: nowMs + 30 * DAY_MS });
  await joinRefused('credential', { made }, { nowMs: nowMs + 31 * DAY_MS + 1000 });
});

test('a key package that lives longer than keyPackageMsMax is refused', async () => {
  const device = { person: bob.bundle, certificate: bob.device.certificate };
  const notBeforeMs = Math.floor(nowMs / 1000) * 1000 - DAY_MS;
  for (const [extra, kind] of [
    [0, 'usable'],
    [1000, 'lives-too-long'],
  ] as const) {
    const validity = { notBeforeMs, notAfterMs: notBeforeMs + defaultLimits.keyPackageMsMax + extra };
    const { keyPackage } = engine.keyPackage({ own: ownLeaf(bob.device), validity, entropy });
    const verdict = checkKeyPackage({ engine, keyPackage, device, nowMs });
    assert.equal(verdict.kind === 'refused' ? verdict.reason : verdict.kind, kind);
  }
});

test('a key package outlives neither the device certificate nor its removal from the list', async () => {
  const short = await person('short', { lifetimeMs: 3 * DAY_MS });
  const { keyPackage } = present(createKeyPackages({ engine, own: short.device, count: 1, nowMs, entropy })[0]);
  const facts = present(engine.readKeyPackage(keyPackage));
  assert.ok(facts.validity.notAfterMs <= short.device.certificate.notAfterMs);
  const removed = await relist(alice, [present(alice.devices[1])]);
  const certificate = present(removed.devices[0]);
  const gone = createKeyPackages({ engine, own: alice.device, count: 1, nowMs, entropy });
  const keyPackageOfGone = present(gone[0]).keyPackage;
  const verdict = checkKeyPackage({
    engine,
    keyPackage: keyPackageOfGone,
    device: { person: removed, certificate },
    nowMs,
  });
  assert.deepEqual(verdict, { kind: 'refused', reason: 'foreign' });
});

test('key packages fit keyPackageBytesMax, invitations and credentials their limits', async () => {
  const { founded, made } = founding(alice, bob);
  assert.ok(made.keyPackage.length <= defaultLimits.keyPackageBytesMax);
  assert.equal(engine.readKeyPackage(new Uint8Array(defaultLimits.keyPackageBytesMax + 1)), undefined);
  assert.ok(founded.founding.invitation.length <= defaultLimits.invitationBytesMax);
  assert.ok(founded.founding.capsule.length <= defaultLimits.capsuleBytesMax);
  assert.ok(ownLeaf(alice.device).credential.length <= defaultLimits.credentialBytesMax);
});

test('a conversation with oneself is SELF', () =>
  assert.throws(() => foundingRefused('', { peer: alice.bundle }), { code: 'SELF' }));

test('an older list than one seen before does not verify, so it never becomes one of the people', async () => {
  const newest = await relist(alice, [alice.device]);
  const { account, list, devices } = alice.bundle;
  const deviceJws = devices.map(({ jws }) => jws);
  const input = { accountJws: account.jws, listJws: list.jws, deviceJws, server, nowMs };
  await assert.rejects(() => verifyAccountBundle({ ...input, previousList: newest.list }), {
    code: 'CERTIFICATE_REJECTED',
  });
});
