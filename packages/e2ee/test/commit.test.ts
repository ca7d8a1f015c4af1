/**
 * Goal: once in a conversation, nobody changes who is in it or what it is, and a row is what it says. Method: a member that
 * works with ts-mls directly on its own state, and sends what the honest client would not.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ClientState, Proposal } from 'ts-mls';
import {
  createApplicationMessage,
  createCommit,
  createProposal,
  decodeMlsMessage,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  joinGroupExternal,
} from 'ts-mls';
import { ed25519, signDeviceCertificate } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import { ByteWriter, defaultLimits, idBytes } from '@securechat/wire';
import { sealCapsule } from '../src/capsule.ts';
import { encodeContent } from '../src/content.ts';
import { credentialOf, encodeCredential } from '../src/credential.ts';
import { encodeDirectContext } from '../src/group-context.ts';
import { decryptRow, encryptContent, openCapsule, ownDevice, renewLeaf } from '../src/index.ts';
import { createInviteSecret, sealInvitation } from '../src/invitation.ts';
import { pad } from '../src/padding.ts';
import { suiteOf } from '../src/ts-mls/provider.ts';
import { configOf, CONTEXT_EXTENSION, openState } from '../src/ts-mls/state.ts';
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

const suite = suiteOf(getCiphersuiteFromName('MLS_256_XWING_AES256GCM_SHA512_Ed25519'), entropy);
const everybody = (): boolean => true;

/** Alice's state, as her own copy of the library has it. */
function inside(): ClientState {
  return openState(talk.aliceState, alice.device.signing, configOf(everybody)).state;
}

function read(ciphertext: Uint8Array, row: 'message' | 'commit', people = talk.people) {
  const { group, bobState: state } = talk;
  return decryptRow({ engine, me: bob.device, group, state, entropy, people, row, ciphertext, nowMs });
}

async function refusedAs(reason: string, ciphertext: Uint8Array, row: 'message' | 'commit', people = talk.people) {
  const before = talk.bobState.slice();
  const result = await read(ciphertext, row, people);
  assert.equal(result.kind === 'refused' ? result.reason : result.kind, reason);
  assert.deepEqual(talk.bobState, before);
}

async function committed(proposals: Proposal[], state = inside()): Promise<Uint8Array> {
  const made = await createCommit({ state, cipherSuite: suite }, { extraProposals: proposals });
  return encodeMlsMessage(made.commit);
}

test('a commit that adds a leaf of a third account is refused', async () => {
  const { keyPackage: bytes } = await keyPackage(mallory.device);
  const added = decodeMlsMessage(bytes, 0)?.[0];
  assert.ok(added?.wireformat === 'mls_key_package');
  const commit = await committed([{ proposalType: 'add', add: { keyPackage: added.keyPackage } }]);
  await refusedAs('credential', commit, 'commit');
  await refusedAs('policy', commit, 'commit', [...talk.people, mallory.bundle]);
});

test('a commit that adds a listed device of a member is refused as well', async () => {
  const { keyPackage: bytes } = await keyPackage(present(alice.devices[1]));
  const added = decodeMlsMessage(bytes, 0)?.[0];
  assert.ok(added?.wireformat === 'mls_key_package');
  const commit = await committed([{ proposalType: 'add', add: { keyPackage: added.keyPackage } }]);
  await refusedAs('policy', commit, 'commit');
});

test('a commit that removes the other side is refused, and the other side stays', async () => {
  await refusedAs('policy', await committed([{ proposalType: 'remove', remove: { removed: 1 } }]), 'commit');
});

test('a commit that changes what kind of conversation it is is refused', async () => {
  const accounts = [alice.bundle.account.account, mallory.bundle.account.account] as const;
  const extensionData = encodeDirectContext({ generation: 9, predecessor: undefined, accounts });
  const extensions = [{ extensionType: CONTEXT_EXTENSION, extensionData }];
  const proposal: Proposal = { proposalType: 'group_context_extensions', groupContextExtensions: { extensions } };
  await refusedAs('policy', await committed([proposal]), 'commit');
});

test('a commit that restarts the group is refused', async () => {
  const reinit = { groupId: entropy(16), version: 'mls10', cipherSuite: suite.name, extensions: [] } as const;
  await refusedAs(
    'policy',
    await committed([{ proposalType: 'reinit', reinit: { ...reinit, extensions: [] } }]),
    'commit',
  );
});

test('a proposal on its own is refused, and does not stop us from sending', async () => {
  const remove: Proposal = { proposalType: 'remove', remove: { removed: 1 } };
  const { message } = await createProposal(inside(), false, remove, suite);
  const bytes = encodeMlsMessage(message);
  await refusedAs('policy', bytes, 'commit');
  await refusedAs('policy', bytes, 'message');
  const input = { engine, me: bob.device, group: talk.group, state: talk.bobState, entropy };
  await encryptContent({ ...input, chainNumber: 1, content: text('still here') });
});

/** Alice's state with another credential or key on her own leaf, from which an ordinary self-update is made. */
function disguised(change: { identity?: Uint8Array; signing?: { publicKey: Uint8Array; privateKey: Uint8Array } }) {
  const state = inside();
  const node = state.ratchetTree[0];
  assert.ok(node?.nodeType === 'leaf');
  const identity = change.identity ?? encodeCredential(credentialOf(alice.device));
  const signaturePublicKey = change.signing?.publicKey ?? node.leaf.signaturePublicKey;
  const leaf = { ...node.leaf, credential: { credentialType: 'basic' as const, identity }, signaturePublicKey };
  const ratchetTree = [{ nodeType: 'leaf' as const, leaf }, ...state.ratchetTree.slice(1)];
  return { ...state, ratchetTree };
}

test('a self-update to the credential of another account is refused', async () => {
  const identity = encodeCredential(credentialOf(mallory.device));
  await refusedAs('credential', await committed([], disguised({ identity })), 'commit');
});

test('a self-update to the credential of another device of the same account is refused', async () => {
  const identity = encodeCredential(credentialOf(present(alice.devices[1])));
  await refusedAs('credential', await committed([], disguised({ identity })), 'commit');
});

test('a self-update to a new certificate of the same device and key is refused: only the HPKE key may change', async () => {
  const { certificate } = alice.device;
  const { account, sequence, device, signing, sealing } = certificate;
  const claims = { account, sequence, device, signing, sealing, nowMs: nowMs + 1000 };
  const jws = await signDeviceCertificate(alice.identity, claims);
  const newest = await bundleFor(alice, [{ device, jws }]);
  const identity = encodeCredential(credentialOf(ownDevice(newest, device, alice.device.signing)));
  const commit = await committed([], disguised({ identity }));
  await refusedAs('credential-changed', commit, 'commit', [newest, bob.bundle]);
});

test('a self-update to another signature key is refused', async () => {
  const signing = ed25519.generate(entropy);
  const state = disguised({ signing });
  const commit = await committed([], { ...state, signaturePrivateKey: signing.privateKey });
  await refusedAs('bad-signature', commit, 'commit');
});

test('a self-update is refused once the device is no longer listed; its messages are marked', async () => {
  const newest = await relist(alice, [present(alice.devices[1])]);
  const people = [newest, bob.bundle];
  await refusedAs('credential', await committed([]), 'commit', people);
  const input = { engine, me: alice.device, group: talk.group, state: talk.aliceState, entropy };
  const sent = await encryptContent({ ...input, chainNumber: 1, content: text('from before') });
  const result = await read(sent.ciphertext, 'message', people);
  assert.ok(result.kind === 'content');
  assert.equal(result.author.listed, false);
});

test('a commit with a wrong confirmation tag is refused', async () => {
  const state = inside();
  const confirmationTag = state.confirmationTag.map((byte) => byte ^ 1);
  await refusedAs('bad-signature', await committed([], { ...state, confirmationTag }), 'commit');
});

test('an external commit of a stranger who got hold of GroupInfo is refused', async () => {
  const { aliceState: state } = talk;
  const bytes = await engine.exportGroupInfo({ state, signing: alice.device.signing, entropy });
  const info = decodeMlsMessage(bytes, 0)?.[0];
  assert.ok(info?.wireformat === 'mls_group_info');
  const { signing, certificate } = mallory.device;
  const { publicPackage, privatePackage } = await generateKeyPackageWithKey(
    { credentialType: 'basic', identity: encodeCredential(credentialOf(mallory.device)) },
    {
      versions: ['mls10'],
      ciphersuites: [suite.name],
      extensions: [CONTEXT_EXTENSION],
      proposals: [],
      credentials: ['basic'],
    },
    { notBefore: 0n, notAfter: BigInt(nowMs) },
    [],
    { signKey: signing, publicKey: certificate.signing },
    suite,
  );
  const config = configOf(everybody);
  const { groupInfo } = info;
  const joined = await joinGroupExternal(groupInfo, publicPackage, privatePackage, false, suite, undefined, config);
  const { publicMessage } = joined;
  const commit = encodeMlsMessage({ version: 'mls10', wireformat: 'mls_public_message', publicMessage });
  await refusedAs('malformed', commit, 'commit');
});

// ---- rows ----

test('a generation a million ahead is refused at once', async () => {
  const state = inside();
  const secretTree = state.secretTree.map((node) => ({
    ...node,
    application: { ...node.application, generation: 1_000_000 },
  }));
  const made = await createApplicationMessage({ ...state, secretTree }, new Uint8Array(256), suite, new Uint8Array(24));
  const { privateMessage } = made;
  const bytes = encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage });
  const start = performance.now();
  await refusedAs('too-far-ahead', bytes, 'message');
  assert.ok(performance.now() - start < 50);
});

async function sent(plaintext: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
  const made = await createApplicationMessage(inside(), plaintext, suite, aad);
  return encodeMlsMessage({
    version: 'mls10',
    wireformat: 'mls_private_message',
    privateMessage: made.privateMessage,
  });
}

function chain(group: GroupId, chainNumber: number): Uint8Array {
  return new ByteWriter(24).raw(idBytes(group)).u64(chainNumber).done();
}

test('a chain number inside that differs from the one outside is refused', async () => {
  const plaintext = encodeContent({ ...text('x'), chainNumber: 4 });
  assert.equal((await read(await sent(plaintext, chain(talk.group, 4)), 'message')).kind, 'content');
  await refusedAs('chain', await sent(plaintext, chain(talk.group, 5)), 'message');
  await refusedAs('chain', await sent(plaintext, chain(id<GroupId>(), 4)), 'message');
  await refusedAs('chain', await sent(plaintext, new Uint8Array(0)), 'message');
  await refusedAs('chain', await sent(plaintext, new Uint8Array(24).fill(0xff)), 'message');
});

test('a content that no client writes is refused', async () => {
  await refusedAs('content', await sent(entropy(256), chain(talk.group, 1)), 'message');
  await refusedAs('content', await sent(pad(entropy(100)), chain(talk.group, 1)), 'message');
  await refusedAs('content', await sent(new Uint8Array(0), chain(talk.group, 1)), 'message');
});

test('a commit in a message row and a message in a commit row are refused', async () => {
  await refusedAs('other-kind', await committed([]), 'message');
  const plaintext = encodeContent({ ...text('x'), chainNumber: 1 });
  await refusedAs('other-kind', await sent(plaintext, chain(talk.group, 1)), 'commit');
});

test('rows over messageBytesMax and commitBytesMax are refused unread', async () => {
  await refusedAs('malformed', new Uint8Array(defaultLimits.messageBytesMax + 1), 'message');
  await refusedAs('malformed', new Uint8Array(defaultLimits.commitBytesMax + 1), 'commit');
});

test('only what is of a later epoch is to be parked', async () => {
  const renewal = await renewLeaf({
    engine,
    me: alice.device,
    group: talk.group,
    state: talk.aliceState,
    entropy,
    people: talk.people,
  });
  const { state } = engine.mergeOwn({ state: talk.aliceState.slice(), pending: renewal.pending });
  const input = { engine, me: alice.device, group: talk.group, state, entropy };
  const later = await encryptContent({ ...input, chainNumber: 1, content: text('later') });
  assert.deepEqual(await read(later.ciphertext, 'message'), { kind: 'refused', reason: 'too-new', park: true });
  const noise = await read(entropy(50), 'message');
  assert.ok(noise.kind === 'refused' && !noise.park);
});

test('the capsule of a renewal opens for every member device and recovery key, for that group and epoch alone', async () => {
  const { group, people } = talk;
  const renewal = await renewLeaf({ engine, me: bob.device, group, state: talk.bobState, entropy, people });
  const { capsule: sealed } = renewal.commit;
  assert.ok(sealed.length <= defaultLimits.capsuleBytesMax);
  const { epoch } = renewal;
  for (const openers of [...openersOf(alice), ...openersOf(bob)].map((opener) => [opener])) {
    const opened = await openCapsule({ sealed, group, epoch, openers, entropy });
    assert.equal(decodeMlsMessage(present(opened), 0)?.[0].wireformat, 'mls_group_info');
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
  const { ciphertext } = await encryptContent({ ...input, chainNumber: 1, content });
  assert.ok(ciphertext.length <= defaultLimits.messageBytesMax);
  const heard = await read(ciphertext, 'message');
  assert.ok(heard.kind === 'content' && heard.content.body.kind === 'text');
  assert.equal(heard.content.body.text.length, defaultLimits.textBytesMax);
});
