/**
 * Goal: once in a conversation, nobody changes who is in it or what it is, and a row is what it says. Method: a member that
 * works with the library directly on its own state, lets itself do anything, and sends what the honest client would not.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ed25519, signDeviceCertificate } from '@securechat/crypto';
import type { CommitInput, GroupState as MlsState, Identity, Policy, Proposal } from '@securechat/mls';
import {
  basicCredential,
  createCommit,
  decodeMessage,
  encrypt,
  joinByExternalCommit,
  propose,
  suiteOf,
} from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';
import type { GroupId } from '@securechat/wire';
import { ByteWriter, defaultLimits, idBytes } from '@securechat/wire';
import { sealCapsule } from '../src/capsule.ts';
import { encodeContent } from '../src/content.ts';
import { credentialOf, encodeCredential } from '../src/credential.ts';
import { encodeDirectContext } from '../src/group-context.ts';
import { decryptRow, encryptContent, openCapsule, ownDevice, renewLeaf } from '../src/index.ts';
import { createInviteSecret, sealInvitation } from '../src/invitation.ts';
import { pad } from '../src/padding.ts';
import { mlsOf } from '../src/mls/held-state.ts';
import { capabilities, CONTEXT_EXTENSION, SUITE } from '../src/mls/members.ts';
import type { Pair, TestPerson } from './people.ts';
import {
  bundleFor,
  engine,
  entropy,
  id,
  keyPackage,
  nowMs,
  openersOf,
  pair,
  person,
  present,
  relist,
  text,
} from './people.ts';

let alice: TestPerson;
let bob: TestPerson;
let mallory: TestPerson;
let talk: Pair;

before(async () => {
  [alice, bob, mallory] = await Promise.all([person('alice', { devices: 2 }), person('bob'), person('mallory')]);
  talk = await pair(alice, bob);
});

const suite = suiteOf(nodeProvider, SUITE);
/** Alice's own copy of the library refuses her nothing. */
const anything: Policy = { lifetimeMax: 2n ** 62n, credential: () => true, change: () => true };
const judge = { policy: anything, now: BigInt(Math.floor(nowMs / 1000)) };

/** Alice's state, as her own copy of the library has it. */
function inside(): MlsState {
  return mlsOf(talk.aliceState);
}

function read(ciphertext: Uint8Array, row: 'message' | 'commit', people = talk.people) {
  const { group, bobState: state } = talk;
  return decryptRow({ engine, group, state, people, row, ciphertext, nowMs });
}

function refusedAs(reason: string, ciphertext: Uint8Array, row: 'message' | 'commit', people = talk.people): void {
  const before = engine.pack(talk.bobState);
  const result = read(ciphertext, row, people);
  assert.equal(result.kind === 'refused' ? result.reason : result.kind, reason);
  assert.deepEqual(engine.pack(talk.bobState), before);
}

function committed(proposals: Proposal[], state = inside(), appearance: CommitInput['appearance'] = {}): Uint8Array {
  const identity = { signatureKey: alice.device.signing };
  return createCommit(state, { ...judge, identity, proposals, appearance, entropy }).commit;
}

function addition(device: TestPerson['device']): Proposal {
  const added = decodeMessage(keyPackage(device).keyPackage);
  assert.ok(added.kind === 'key-package');
  return { kind: 'add', keyPackage: added.keyPackage };
}

test('a commit that adds a leaf of a third account is refused', () => {
  const commit = committed([addition(mallory.device)]);
  refusedAs('credential', commit, 'commit');
  refusedAs('policy', commit, 'commit', [...talk.people, mallory.bundle]);
});

test('a commit that adds a listed device of a member is refused as well', () => {
  refusedAs('policy', committed([addition(present(alice.devices[1]))]), 'commit');
});

test('a commit that removes the other side is refused, and the other side stays', () => {
  refusedAs('policy', committed([{ kind: 'remove', removed: 1 }]), 'commit');
});

test('a commit that changes what kind of conversation it is is refused', () => {
  const accounts = [alice.bundle.account.account, mallory.bundle.account.account] as const;
  const data = encodeDirectContext({ generation: 9, predecessor: undefined, accounts });
  const extensions = [{ type: CONTEXT_EXTENSION, data }];
  refusedAs('policy', committed([{ kind: 'group-context-extensions', extensions }]), 'commit');
});

test('a commit that restarts the group is refused', () => {
  const reinit = { groupId: entropy(16), version: 1, suite: SUITE, extensions: [] };
  refusedAs('policy', committed([{ kind: 'reinit', reinit }]), 'commit');
});

test('a proposal on its own is refused, and does not stop us from sending', () => {
  const identity = { signatureKey: alice.device.signing };
  const { bytes } = propose(inside(), { identity, proposal: { kind: 'remove', removed: 1 }, entropy });
  refusedAs('policy', bytes, 'commit');
  refusedAs('policy', bytes, 'message');
  const input = { engine, me: bob.device, group: talk.group, state: talk.bobState, entropy };
  encryptContent({ ...input, chainNumber: 1, content: text('still here') });
});

/** A self-update of Alice's with another credential or key on her own leaf. */
function disguised(change: { credential?: Uint8Array; signing?: Uint8Array }): Uint8Array {
  const identity: Identity = {
    credential: basicCredential(change.credential ?? encodeCredential(credentialOf(alice.device))),
    signatureKey: change.signing ?? alice.device.signing,
  };
  return committed([], inside(), { identity });
}

test('a self-update to the credential of another account is refused', () => {
  refusedAs('credential', disguised({ credential: encodeCredential(credentialOf(mallory.device)) }), 'commit');
});

test('a self-update to the credential of another device of the same account is refused', () => {
  const credential = encodeCredential(credentialOf(present(alice.devices[1])));
  refusedAs('credential', disguised({ credential }), 'commit');
});

test('a self-update to a new certificate of the same device and key is refused: only the HPKE key may change', async () => {
  const { certificate } = alice.device;
  const { account, sequence, device, signing, sealing } = certificate;
  const claims = { account, sequence, device, signing, sealing, nowMs: nowMs + 1000 };
  const jws = await signDeviceCertificate(alice.identity, claims);
  const newest = await bundleFor(alice, [{ device, jws }]);
  const credential = encodeCredential(credentialOf(ownDevice(newest, device, alice.device.signing)));
  refusedAs('credential-changed', disguised({ credential }), 'commit', [newest, bob.bundle]);
});

test('a self-update to another signature key is refused', () => {
  refusedAs('credential', disguised({ signing: ed25519.generate(entropy).privateKey }), 'commit');
});

test('a self-update is refused once the device is no longer listed; its messages are marked', async () => {
  const newest = await relist(alice, [present(alice.devices[1])]);
  const people = [newest, bob.bundle];
  refusedAs('credential', committed([]), 'commit', people);
  const input = { engine, me: alice.device, group: talk.group, state: talk.aliceState, entropy };
  const sent = encryptContent({ ...input, chainNumber: 1, content: text('from before') });
  const result = read(sent.ciphertext, 'message', people);
  assert.ok(result.kind === 'content');
  assert.equal(result.author.listed, false);
});

test('a commit with a wrong confirmation tag is refused', () => {
  const state = inside();
  const interimTranscriptHash = state.interimTranscriptHash.map((byte) => byte ^ 1);
  refusedAs('bad-signature', committed([], { ...state, interimTranscriptHash }), 'commit');
});

test('an external commit of a stranger who got hold of GroupInfo is refused', () => {
  const { aliceState: state } = talk;
  const groupInfo = engine.exportGroupInfo({ state, signing: alice.device.signing });
  const { signing } = mallory.device;
  const { commit } = joinByExternalCommit(suite, {
    ...judge,
    groupInfo,
    identity: { credential: basicCredential(encodeCredential(credentialOf(mallory.device))), signatureKey: signing },
    capabilities,
    entropy,
  });
  refusedAs('malformed', commit, 'commit', [...talk.people, mallory.bundle]);
});

// ---- rows ----

test('a generation a million ahead is refused at once', () => {
  const identity = { signatureKey: alice.device.signing };
  const opened = encrypt(inside(), { identity, plaintext: new Uint8Array(256), entropy }).state;
  const { secretTree } = opened;
  const own = present(secretTree.ratchets[0]);
  const ratchets = [{ ...own, application: { ...own.application, generation: 1_000_000 } }];
  const ahead = { ...opened, secretTree: { ...secretTree, ratchets } };
  const { bytes } = encrypt(ahead, { identity, plaintext: new Uint8Array(256), entropy });
  const start = process.cpuUsage();
  refusedAs('too-far-ahead', bytes, 'message');
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 200_000);
});

function sent(plaintext: Uint8Array, authenticatedData: Uint8Array): Uint8Array {
  const identity = { signatureKey: alice.device.signing };
  return encrypt(inside(), { identity, plaintext, authenticatedData, entropy }).bytes;
}

function chain(group: GroupId, chainNumber: number): Uint8Array {
  return new ByteWriter(24).raw(idBytes(group)).u64(chainNumber).done();
}

test('a chain number inside that differs from the one outside is refused', async () => {
  const plaintext = encodeContent({ ...text('x'), chainNumber: 4 });
  assert.equal(read(sent(plaintext, chain(talk.group, 4)), 'message').kind, 'content');
  refusedAs('chain', sent(plaintext, chain(talk.group, 5)), 'message');
  refusedAs('chain', sent(plaintext, chain(id<GroupId>(), 4)), 'message');
  refusedAs('chain', sent(plaintext, new Uint8Array(0)), 'message');
  refusedAs('chain', sent(plaintext, new Uint8Array(24).fill(0xff)), 'message');
});

test('a content that no client writes is refused', async () => {
  refusedAs('content', sent(entropy(256), chain(talk.group, 1)), 'message');
  refusedAs('content', sent(pad(entropy(100)), chain(talk.group, 1)), 'message');
  refusedAs('content', sent(new Uint8Array(0), chain(talk.group, 1)), 'message');
});

test('a commit in a message row and a message in a commit row are refused', async () => {
  refusedAs('other-kind', committed([]), 'message');
  const plaintext = encodeContent({ ...text('x'), chainNumber: 1 });
  refusedAs('other-kind', sent(plaintext, chain(talk.group, 1)), 'commit');
});

test('rows over messageBytesMax and commitBytesMax are refused unread', async () => {
  refusedAs('malformed', new Uint8Array(defaultLimits.messageBytesMax + 1), 'message');
  refusedAs('malformed', new Uint8Array(defaultLimits.commitBytesMax + 1), 'commit');
});

test('only what is of a later epoch is to be parked', async () => {
  const renewal = renewLeaf({
    engine,
    nowMs,
    me: alice.device,
    group: talk.group,
    state: talk.aliceState,
    entropy,
    people: talk.people,
  });
  const { state } = engine.mergeOwn({ state: renewal.state, pending: renewal.pending });
  const input = { engine, me: alice.device, group: talk.group, state, entropy };
  const later = encryptContent({ ...input, chainNumber: 1, content: text('later') });
  assert.deepEqual(read(later.ciphertext, 'message'), { kind: 'refused', reason: 'too-new', park: true });
  const noise = read(entropy(50), 'message');
  assert.ok(noise.kind === 'refused' && !noise.park);
});

test('the capsule of a renewal opens for every member device and recovery key, for that group and epoch alone', async () => {
  const { group, people } = talk;
  const renewal = renewLeaf({ engine, me: bob.device, group, state: talk.bobState, nowMs, entropy, people });
  const { capsule: sealed } = renewal.commit;
  assert.ok(sealed.length <= defaultLimits.capsuleBytesMax);
  const { epochAfter: epoch } = renewal;
  for (const openers of [...openersOf(alice), ...openersOf(bob)].map((opener) => [opener])) {
    const opened = await openCapsule({ sealed, group, epoch, openers, entropy });
    assert.equal(decodeMessage(present(opened)).kind, 'group-info');
  }
  const openers = openersOf(alice);
  assert.equal(await openCapsule({ sealed, group, epoch: epoch + 1, openers, entropy }), undefined);
  assert.equal(await openCapsule({ sealed, group: id<GroupId>(), epoch, openers, entropy }), undefined);
  assert.equal(await openCapsule({ sealed, group, epoch, openers: openersOf(mallory), entropy }), undefined);
});

test('a capsule of capsuleBytesMax is sealed, one byte more is TOO_LARGE', () => {
  const { group, people } = talk;
  const seal = (bytes: number) => sealCapsule({ groupInfo: new Uint8Array(bytes), group, epoch: 1, people, entropy });
  const around = defaultLimits.capsuleBytesMax - seal(0).length;
  assert.equal(seal(around).length, defaultLimits.capsuleBytesMax);
  assert.throws(() => seal(around + 1), { code: 'TOO_LARGE' });
});

test('an invitation of invitationBytesMax is sealed, one byte more is TOO_LARGE', () => {
  const { group } = talk;
  const secret = createInviteSecret(group, entropy);
  const me = alice.device;
  const invitee = bob.bundle;
  const seal = (bytes: number) => {
    const welcome = new Uint8Array(bytes);
    return sealInvitation({ me, invitee, group, generation: 1, predecessor: undefined, secret, welcome, entropy });
  };
  const around = defaultLimits.invitationBytesMax - seal(0).length;
  assert.equal(seal(around).length, defaultLimits.invitationBytesMax);
  assert.throws(() => seal(around + 1), { code: 'TOO_LARGE' });
});

test('the longest text is a message within messageBytesMax', async () => {
  const input = { engine, me: alice.device, group: talk.group, state: talk.aliceState, entropy };
  const content = text('x'.repeat(defaultLimits.textBytesMax));
  const { ciphertext } = encryptContent({ ...input, chainNumber: 1, content });
  assert.ok(ciphertext.length <= defaultLimits.messageBytesMax);
  const heard = read(ciphertext, 'message');
  assert.ok(heard.kind === 'content' && heard.content.body.kind === 'text');
  assert.equal(heard.content.body.text.length, defaultLimits.textBytesMax);
});
