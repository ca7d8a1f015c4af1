/** Goal: what a messenger does with a group works, in every suite, with all members at one authenticator after each step. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../src/codec/bytes.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { exportFrom, exportGroupInfo, exportTree, factsOf } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { createGroup } from '../src/group/create.ts';
import type { CreatedCommit } from '../src/group/commit.ts';
import { createCommitWith, mergePending } from '../src/group/commit.ts';
import { joinGroup, welcomedReferences } from '../src/group/join.ts';
import { isLastResort, keyPackageRef } from '../src/group/key-package.ts';
import { encrypt, propose, proposeUpdate } from '../src/group/send.ts';
import { resumptionSecretOf } from '../src/group/state.ts';
import type { FoundSuccessorInput } from '../src/group/successor.ts';
import { foundBranch, foundReinitialised } from '../src/group/successor.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import { checkKeyPackage, readVerifiedKeyPackage } from '../src/group/check-key-package.ts';
import { encodeMessage } from '../src/framing/message.ts';
import { extensionTypes, externalSenders, requiredCapabilities } from '../src/tree/extension.ts';
import { sameCredential } from '../src/tree/credential.ts';
import type { LeafNode } from '../src/tree/leaf-node.ts';
import { Client, addAll, assertAgreement, capabilities, groupOf, judge, lifetime, refuses, suites } from './client.ts';
import { forge } from './forge.ts';
import { seeded } from './entropy.ts';
import { toHex } from './vectors.ts';

const sameClient = (before: LeafNode, after: LeafNode): boolean => sameCredential(before.credential, after.credential);

/** What `foundReinitialised` and `foundBranch` make, by a founder that does not care for the rules. */
function foundedAnyhow(
  suite: Suite,
  input: FoundSuccessorInput & { readonly groupId: Uint8Array },
  usage: 'reinit' | 'branch',
): CreatedCommit {
  const { state } = input.predecessor;
  const { groupId, epoch } = state.context;
  const psk = { kind: 'resumption', usage, groupId, epoch, nonce: input.entropy(suite.hashBytes) } as const;
  const { identity, policy, now, entropy } = input;
  const proposals = [...input.proposals, { kind: 'psk', psk } as const];
  const psks = (): Uint8Array | undefined => resumptionSecretOf(state, epoch);
  const commit = { identity, policy, now, entropy, proposals, psks };
  return createCommitWith(createGroup(suite, input), commit, 'founding');
}

for (const suite of suites) {
  const label = `suite ${suite.id}`;

  test(`two members talk both ways and past a commit (${label})`, () => {
    const [alice, bob] = groupOf(['alice', 'bob'], seeded('two'), suite);
    assert.ok(alice && bob);
    assertAgreement([alice, bob]);
    assert.equal(bob.read(alice.send('hello')), 'hello');
    assert.equal(alice.read(bob.send('hello back')), 'hello back');
    const late = bob.send('late');
    const { commit } = alice.commit();
    assert.equal(alice.read(late), 'late');
    bob.follow(commit);
    assertAgreement([alice, bob]);
    assert.equal(alice.read(bob.send('again')), 'again');
    assert.equal(factsOf(bob.state).epoch, 2n);
  });

  test(`members come, go and come back into a freed slot; who was removed reads nothing more (${label})`, () => {
    const entropy = seeded('come and go');
    const [alice, bob, carol, dave] = groupOf(['alice', 'bob', 'carol', 'dave'], entropy, suite);
    assert.ok(alice && bob && carol && dave);
    const { commit } = bob.commit({ proposals: [{ kind: 'remove', removed: carol.leaf }] });
    const before = carol.state;
    const staged = carol.receive(commit);
    assert.ok(staged.kind === 'commit' && staged.outcome.kind === 'removed');
    carol.state = mergeCommit(carol.state, staged).state;
    assert.equal(carol.state.status.kind, 'removed');
    for (const member of [alice, dave]) member.follow(commit);
    assertAgreement([alice, bob, dave]);
    const eve = new Client('eve', suite, entropy);
    addAll(alice, [eve], [bob, dave]);
    assert.equal(eve.leaf, 2);
    assertAgreement([alice, bob, dave, eve]);
    const secret = alice.send('not for carol');
    refuses(() => carol.read(secret), 'closed');
    carol.state = before;
    refuses(() => carol.read(secret), 'too-new');
    for (const member of [bob, dave, eve]) assert.equal(member.read(secret), 'not for carol');
  });

  test(`who lost a state comes back by an external commit that removes the old leaf (${label})`, () => {
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], seeded('resync'), suite);
    assert.ok(alice && bob && carol);
    const groupInfo = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
    const { identity, entropy } = carol;
    const joined = joinByExternalCommit(suite, {
      ...judge,
      groupInfo,
      identity,
      capabilities: capabilities(),
      replaces: carol.leaf,
      entropy,
    });
    const seen = alice.receive(joined.commit);
    assert.ok(seen.kind === 'commit');
    assert.deepEqual(
      seen.difference.removed.map(({ leaf }) => leaf),
      [2],
    );
    assert.deepEqual(
      seen.difference.added.map(({ leaf }) => leaf),
      [2],
    );
    for (const member of [alice, bob]) member.follow(joined.commit);
    carol.state = joined.state;
    assertAgreement([alice, bob, carol]);
    assert.equal(alice.read(carol.send('back')), 'back');
  });

  test(`a stranger joins by an external commit, with the tree given apart (${label})`, () => {
    const entropy = seeded('external');
    const [alice, bob] = groupOf(['alice', 'bob'], entropy, suite);
    assert.ok(alice && bob);
    const identity = { identity: alice.identity, tree: 'apart', externalJoin: 'offered' } as const;
    const groupInfo = exportGroupInfo(alice.state, identity);
    const carol = new Client('carol', suite, entropy);
    const input = { ...judge, groupInfo, identity: carol.identity, capabilities: capabilities(), entropy };
    refuses(() => joinByExternalCommit(suite, input), 'missing-tree');
    const joined = joinByExternalCommit(suite, { ...input, tree: exportTree(alice.state) });
    carol.state = joined.state;
    for (const member of [alice, bob]) member.follow(joined.commit);
    assertAgreement([alice, bob, carol]);
  });

  test(`a group re-initialised with other parameters goes on with the same members (${label})`, () => {
    const entropy = seeded('reinit');
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy, suite);
    assert.ok(alice && bob && carol);
    const [target = suite] = suites.filter(({ id }) => id !== suite.id);
    const reinit = { groupId: entropy(16), version: 1, suite: target.id, extensions: [] };
    const { commit } = alice.commit({ proposals: [{ kind: 'reinit', reinit }] });
    bob.follow(commit);
    carol.follow(commit);
    refuses(() => bob.send('too late'), 'closed');
    const fresh = [alice, carol].map(({ name }) => new Client(name, target, entropy));
    const packages = fresh.map((client) => client.keyPackage());
    const founder = new Client('bob', target, entropy);
    const input = {
      ...judge,
      identity: founder.identity,
      capabilities: capabilities(),
      lifetime,
      entropy,
      predecessor: { state: bob.state, sameClient },
      proposals: packages.map(({ keyPackage }) => ({ kind: 'add', keyPackage }) as const),
    };
    const founded = foundReinitialised(target, input);
    founder.state = mergePending(founded.state, founded.pending).state;
    const [freshAlice, freshCarol] = fresh;
    const [forAlice, forCarol] = packages;
    assert.ok(freshAlice && freshCarol && forAlice && forCarol);
    refuses(() => freshAlice.join(founded.welcome, forAlice), 'missing-psk');
    freshAlice.join(founded.welcome, forAlice, { predecessor: { state: alice.state, sameClient } });
    freshCarol.join(founded.welcome, forCarol, { predecessor: { state: carol.state, sameClient } });
    assertAgreement([founder, freshAlice, freshCarol]);
    const proposals = input.proposals.slice(0, 1);
    refuses(() => foundReinitialised(target, { ...input, proposals }), 'invalid-proposal');
    const short = foundedAnyhow(target, { ...input, ...reinit, proposals }, 'reinit');
    const left = { predecessor: { state: alice.state, sameClient } };
    refuses(() => freshAlice.join(short.welcome, forAlice, left), 'invalid-proposal');
  });

  test(`a branch takes some members along and no stranger (${label})`, () => {
    const entropy = seeded('branch');
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy, suite);
    assert.ok(alice && bob && carol);
    const common = { ...judge, identity: alice.identity, capabilities: capabilities(), lifetime, entropy };
    const branch = (member: Client) => {
      const made = member.keyPackage();
      const proposals = [{ kind: 'add', keyPackage: made.keyPackage } as const];
      const predecessor = { state: alice.state, sameClient };
      return { made, input: { ...common, predecessor, proposals, groupId: entropy(16) } };
    };
    const { made, input } = branch(bob);
    const founded = foundBranch(suite, input);
    const predecessor = { state: bob.state, sameClient };
    const { state } = joinGroup(suite, { ...judge, welcome: founded.welcome ?? assert.fail(), ...made, predecessor });
    assert.deepEqual(state.secrets.authenticator, founded.pending.epoch.secrets.authenticator);
    const mallory = new Client('mallory', suite, entropy);
    const strange = branch(mallory);
    refuses(() => foundBranch(suite, strange.input), 'invalid-proposal');
    const welcome = foundedAnyhow(suite, strange.input, 'branch').welcome ?? assert.fail();
    refuses(() => joinGroup(suite, { ...judge, welcome, ...strange.made, predecessor }), 'invalid-proposal');
  });
}

test('padding makes messages of different lengths alike, and readers do not see it', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('padding'));
  assert.ok(alice && bob);
  const { identity, entropy } = alice;
  const padding = (bytes: number): number => 512 - bytes;
  const sizes = [0, 1, 63, 64, 200].map((length) => {
    const text = 'x'.repeat(length);
    const sent = encrypt(alice.state, { identity, entropy, padding, plaintext: utf8(text) });
    alice.state = sent.state;
    assert.equal(bob.read(sent.bytes), text);
    return sent.bytes.length;
  });
  assert.equal(new Set(sizes).size, 1);
  const { commit } = alice.commit({ padding: (bytes) => 4096 - bytes });
  assert.ok(commit.length > 4096);
  bob.follow(commit);
  for (const wrong of [-1, 0.5, 2 ** 24 + 1])
    refuses(
      () => encrypt(alice.state, { identity, entropy, padding: () => wrong, plaintext: utf8('x') }),
      'bad-argument',
    );
});

test('a joiner insists on a pre-shared key, and all who know it agree', () => {
  const entropy = seeded('psk');
  const [suite] = suites;
  assert.ok(suite);
  const alice = new Client('alice', suite, entropy).create();
  const bob = new Client('bob', suite, entropy);
  const made = bob.keyPackage();
  const id = utf8('invite');
  const secret = entropy(32);
  const psks = () => secret;
  const insistOn = (ids: readonly { readonly kind: string }[]): boolean => ids.some(({ kind }) => kind === 'external');
  const add = { kind: 'add', keyPackage: made.keyPackage } as const;
  const psk = { kind: 'external', id, nonce: entropy(32) } as const;
  const without = alice.prepare({ proposals: [add] });
  refuses(() => bob.join(without.welcome, made, { insistOn, psks }), 'missing-psk');
  const { welcome } = alice.commit({ proposals: [add, { kind: 'psk', psk }], psks });
  refuses(() => bob.join(welcome, made), 'missing-psk');
  refuses(() => bob.join(welcome, made, { psks: () => entropy(32) }), 'undecryptable');
  bob.join(welcome, made, { insistOn, psks });
  assertAgreement([alice, bob]);
  const { commit } = bob.commit({
    proposals: [
      {
        kind: 'psk',
        psk: {
          kind: 'resumption',
          usage: 'application',
          groupId: bob.state.context.groupId,
          epoch: 1n,
          nonce: entropy(32),
        },
      },
    ],
  });
  alice.follow(commit);
  assertAgreement([alice, bob]);
});

test('proposals sent before are committed by reference, by others and by public message', () => {
  const entropy = seeded('by reference');
  const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
  assert.ok(alice && bob && carol);
  const { identity } = bob;
  const update = proposeUpdate(bob.state, { identity, entropy, format: 'public' });
  bob.state = update.state;
  const removal = propose(bob.state, { identity, entropy, proposal: { kind: 'remove', removed: carol.leaf } });
  bob.state = removal.state;
  for (const member of [alice, carol])
    for (const { bytes } of [update, removal]) assert.equal(member.receive(bytes).kind, 'proposal');
  const references = [update.reference, removal.reference];
  const { commit, difference } = alice.commit({ references, format: 'public' });
  assert.deepEqual(
    difference.changed.map(({ after }) => after.leaf),
    [1, 0],
  );
  bob.follow(commit);
  assertAgreement([alice, bob]);
  assert.equal(bob.read(alice.send('after')), 'after');
  assert.equal(alice.read(bob.send('after')), 'after');
});

test('a welcome without its tree takes the tree from the caller', () => {
  const entropy = seeded('apart');
  const [suite] = suites;
  assert.ok(suite);
  const alice = new Client('alice', suite, entropy).create();
  const bob = new Client('bob', suite, entropy);
  const made = bob.keyPackage();
  const { welcome } = alice.commit({
    proposals: [{ kind: 'add', keyPackage: made.keyPackage }],
    welcomeTree: 'apart',
  });
  assert.ok(welcome);
  assert.deepEqual(welcomedReferences(welcome).map(toHex), [toHex(keyPackageRef(suite, made.keyPackage))]);
  refuses(() => bob.join(welcome, made), 'missing-tree');
  bob.join(welcome, made, { tree: exportTree(alice.state) });
  assertAgreement([alice, bob]);
});

test('messages are read in any order within the window, once', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('order'));
  assert.ok(alice && bob);
  const messages = Array.from({ length: 300 }, (_, i) => alice.send(`${i}`));
  const at = (i: number): Uint8Array => messages[i] ?? assert.fail();
  assert.equal(bob.read(at(299)), '299');
  for (let i = 298; i >= 44; i--) assert.equal(bob.read(at(i)), `${i}`);
  refuses(() => bob.read(at(200)), 'replayed');
  refuses(() => bob.read(at(299)), 'replayed');
  refuses(() => bob.read(at(42)), 'too-old');
  refuses(() => alice.read(at(0)), 'own-message');
});

test('exported secrets agree and depend on label, context and epoch', () => {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded('exporter'));
  assert.ok(alice && bob);
  const exported = (client: Client, label: string, context = ''): string =>
    toHex(exportFrom(client.state, { label, context: utf8(context), length: 48 }));
  assert.equal(exported(alice, 'a'), exported(bob, 'a'));
  assert.notEqual(exported(alice, 'a'), exported(alice, 'b'));
  assert.notEqual(exported(alice, 'a'), exported(alice, 'a', 'c'));
  const before = exported(alice, 'a');
  alice.commit();
  assert.notEqual(exported(alice, 'a'), before);
});

test('extensions of the group change for all, and everybody must support them', () => {
  const entropy = seeded('extensions');
  const [suite] = suites;
  assert.ok(suite);
  const extensions = [{ type: 0xff01, data: utf8('direct') }];
  const able = capabilities({ extensions: [0xff01, 0xff02] });
  const alice = new Client('alice', suite, entropy).create({ extensions, capabilities: able });
  const bob = new Client('bob', suite, entropy);
  const unable = bob.keyPackage();
  refuses(() => alice.prepare({ proposals: [{ kind: 'add', keyPackage: unable.keyPackage }] }), 'invalid-leaf');
  const made = bob.keyPackage({ capabilities: able });
  const { welcome } = alice.commit({ proposals: [{ kind: 'add', keyPackage: made.keyPackage }] });
  bob.join(welcome, made);
  const next = [
    { type: 0xff02, data: utf8('other') },
    requiredCapabilities({ extensions: [0xff01], proposals: [], credentials: [1] }),
  ];
  const { commit } = bob.commit({ proposals: [{ kind: 'group-context-extensions', extensions: next }] });
  const seen = alice.receive(commit);
  assert.ok(seen.kind === 'commit');
  assert.deepEqual(seen.contextAfter.extensions, next);
  alice.follow(commit);
  assertAgreement([alice, bob]);
  const more = [{ type: 0xff03, data: utf8('') }];
  const change = { kind: 'group-context-extensions', extensions: more } as const;
  refuses(() => alice.prepare({ proposals: [change] }), 'invalid-proposal');
});

test('a member changes its signature key with a commit, where policy lets it', () => {
  const entropy = seeded('rotate');
  const [alice, bob] = groupOf(['alice', 'bob'], entropy);
  assert.ok(alice && bob);
  const identity = { ...alice.identity, signatureKey: entropy(32) };
  const { commit } = alice.commit({ appearance: { identity } });
  bob.follow(commit);
  assertAgreement([alice, bob]);
  refuses(() => bob.read(alice.send('old key')), 'bad-signature');
});

test('a group of one can be created and commits alone', () => {
  const [suite] = suites;
  assert.ok(suite);
  const alice = new Client('alice', suite, seeded('alone')).create();
  alice.commit();
  alice.commit();
  assert.equal(alice.state.context.epoch, 2n);
  const input = { ...judge, identity: alice.identity, capabilities: capabilities(), lifetime, entropy: alice.entropy };
  refuses(() => createGroup(suite, { ...input, groupId: utf8('x'), now: lifetime.notAfter + 1n }), 'expired');
});

test('a service outside of the group proposes a removal, and a stranger asks to be added', () => {
  const entropy = seeded('outside');
  const [suite] = suites;
  assert.ok(suite);
  const service = new Client('service', suite, entropy);
  const { signatureKey, credential } = service.identity;
  const sender = { signatureKey: suite.provider.ed25519.publicOf(signatureKey), credential };
  const alice = new Client('alice', suite, entropy).create({ extensions: [externalSenders([sender])] });
  const [bob, carol, dave] = ['bob', 'carol', 'dave'].map((name) => new Client(name, suite, entropy));
  assert.ok(bob && carol && dave);
  addAll(alice, [bob, carol]);
  const made = dave.keyPackage();
  const removal = { kind: 'remove', removed: carol.leaf } as const;
  const addition = { kind: 'add', keyPackage: made.keyPackage } as const;
  const messages = [
    forge(alice, {
      body: { kind: 'proposal', proposal: removal },
      sender: { kind: 'external', index: 0 },
      signatureKey,
    }),
    forge(alice, {
      body: { kind: 'proposal', proposal: addition },
      sender: { kind: 'new-member-proposal' },
      signatureKey: dave.identity.signatureKey,
    }),
  ];
  const references = messages.map((message) => {
    bob.receive(message);
    const received = alice.receive(message, { publicHandshakes: 'refuse-members' });
    assert.ok(received.kind === 'proposal');
    return received.reference;
  });
  const { commit, welcome } = alice.commit({ references });
  const seen = bob.receive(commit);
  assert.ok(seen.kind === 'commit');
  assert.deepEqual(
    seen.proposals.map(({ actor }) => actor.kind),
    ['external', 'new-member'],
  );
  bob.follow(commit);
  dave.join(welcome, made);
  assertAgreement([alice, bob, dave]);
});

test('a key package is verified by itself, and held against time and policy where asked', () => {
  const [suite] = suites;
  assert.ok(suite);
  const { keyPackage } = new Client('alice', suite, seeded('check')).keyPackage();
  const message = encodeMessage({ kind: 'key-package', keyPackage });
  assert.deepEqual(readVerifiedKeyPackage(suite, message).encoded, keyPackage.encoded);
  assert.deepEqual(checkKeyPackage(suite, message, judge).encoded, keyPackage.encoded);
  refuses(() => checkKeyPackage(suite, message, { ...judge, now: 0n }), 'expired');
  const nobody = { ...judge.policy, credential: () => false };
  refuses(() => checkKeyPackage(suite, message, { ...judge, policy: nobody }), 'refused-credential');
});

test('a package of last resort says so, and required proposal types must be supported', () => {
  const entropy = seeded('last resort');
  const [suite] = suites;
  assert.ok(suite);
  const extensions = [requiredCapabilities({ extensions: [], proposals: [3, 0xf000], credentials: [1] })];
  const able = capabilities({ proposals: [0xf000] });
  const alice = new Client('alice', suite, entropy).create({ extensions, capabilities: able });
  const bob = new Client('bob', suite, entropy);
  const last = bob.keyPackage({
    capabilities: capabilities({ proposals: [0xf000], extensions: [extensionTypes.lastResort] }),
    extensions: [{ type: extensionTypes.lastResort, data: utf8('') }],
  });
  const plain = bob.keyPackage();
  assert.ok(isLastResort(last.keyPackage) && !isLastResort(plain.keyPackage));
  refuses(() => alice.prepare({ proposals: [{ kind: 'add', keyPackage: plain.keyPackage }] }), 'invalid-leaf');
  const { welcome } = alice.commit({ proposals: [{ kind: 'add', keyPackage: last.keyPackage }] });
  bob.join(welcome, last);
  assertAgreement([alice, bob]);
});

test('values nobody knows are carried along and mean nothing', () => {
  const entropy = seeded('grease');
  const [suite] = suites;
  assert.ok(suite);
  // RFC 9420 §13.5, in every field where they may stand.
  const grease = { type: 0x3a3a, data: entropy(7) };
  const greased = capabilities({
    versions: [0x5a5a, 1],
    suites: [suite.id, 0x1a1a],
    extensions: [0x3a3a, 0xaaaa],
    proposals: [0xbaba],
    credentials: [1, 0xcaca],
  });
  const alice = new Client('alice', suite, entropy).create({ capabilities: greased, leafExtensions: [grease] });
  const bob = new Client('bob', suite, entropy);
  const made = bob.keyPackage({ capabilities: greased, extensions: [grease], leafExtensions: [grease] });
  const add = { kind: 'add', keyPackage: made.keyPackage } as const;
  const { welcome } = alice.commit({ proposals: [add], groupInfoExtensions: [grease] });
  bob.join(welcome, made);
  const plain = new Client('carol', suite, entropy);
  addAll(bob, [plain], [alice]);
  assertAgreement([alice, bob, plain]);
  const info = exportGroupInfo(bob.state, { identity: bob.identity, externalJoin: 'offered', extensions: [grease] });
  const dave = new Client('dave', suite, entropy);
  const join = { ...judge, groupInfo: info, identity: dave.identity, capabilities: greased, entropy };
  const { commit, state } = joinByExternalCommit(suite, { ...join, leafExtensions: [grease] });
  dave.state = state;
  [alice, bob, plain].forEach((client) => client.follow(commit));
  assertAgreement([alice, bob, plain, dave]);
});

test('no extension stands twice in what a client of ours makes', () => {
  const entropy = seeded('twice');
  const [suite] = suites;
  assert.ok(suite);
  const able = capabilities({ extensions: [0xff01] });
  const once = { type: 0xff01, data: entropy(1) };
  const twice = [once, { ...once, data: entropy(2) }];
  const alice = new Client('alice', suite, entropy).create({ capabilities: able });
  refuses(() => new Client('bob', suite, entropy).create({ capabilities: able, extensions: twice }), 'malformed');
  refuses(() => alice.keyPackage({ capabilities: able, extensions: twice }), 'malformed');
  const change = { kind: 'group-context-extensions', extensions: twice } as const;
  refuses(() => alice.prepare({ proposals: [change] }), 'malformed');
  const reinit = { groupId: entropy(16), version: 1, suite: suite.id, extensions: twice };
  refuses(() => alice.prepare({ proposals: [{ kind: 'reinit', reinit }] }), 'malformed');
  const { identity } = alice;
  refuses(() => exportGroupInfo(alice.state, { identity, externalJoin: 'offered', extensions: twice }), 'malformed');
});

test('a client of ours lists what it carries, and nothing that every client knows', () => {
  const entropy = seeded('honest');
  const [suite] = suites;
  assert.ok(suite);
  const alice = new Client('alice', suite, entropy);
  const carried = { type: 0xff01, data: entropy(2) };
  refuses(() => alice.keyPackage({ extensions: [carried] }), 'bad-argument');
  refuses(() => alice.keyPackage({ leafExtensions: [carried] }), 'bad-argument');
  for (const needless of [capabilities({ extensions: [3] }), capabilities({ proposals: [1] })]) {
    refuses(() => alice.keyPackage({ capabilities: needless }), 'bad-argument');
    refuses(() => alice.create({ capabilities: needless }), 'bad-argument');
    alice.create();
    const { identity } = alice;
    refuses(() => alice.prepare({ path: 'always', appearance: { capabilities: needless } }), 'bad-argument');
    const groupInfo = exportGroupInfo(alice.state, { identity, externalJoin: 'offered' });
    const join = { ...judge, groupInfo, identity: new Client('bob', suite, entropy).identity, entropy };
    refuses(() => joinByExternalCommit(suite, { ...join, capabilities: needless }), 'bad-argument');
  }
  alice.keyPackage({ capabilities: capabilities({ extensions: [0xff01] }), extensions: [carried] });
});
