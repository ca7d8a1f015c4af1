/**
 * Goal: a welcome is refused for each rule of RFC 9420 §12.4.3.1 that it breaks. Method: a member makes it up, whole and
 * consistent, sealed and signed rightly; one thing is wrong.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY } from '../src/codec/bytes.ts';
import { encryptWithLabel } from '../src/crypto/labels.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { encodeMessage } from '../src/framing/message.ts';
import type { GroupInfoContent } from '../src/group/group-info.ts';
import { encodeGroupInfo, ratchetTreeExtension, signGroupInfo } from '../src/group/group-info.ts';
import type { JoinInput } from '../src/group/join.ts';
import { joinGroup } from '../src/group/join.ts';
import type { MadeKeyPackage } from '../src/group/key-package.ts';
import { keyPackageRef } from '../src/group/key-package.ts';
import type { GroupState } from '../src/group/state.ts';
import type { GroupSecrets } from '../src/group/welcome-structure.ts';
import { encodeGroupSecrets } from '../src/group/welcome-structure.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { epochOf, mac, welcomeKey } from '../src/schedule/key-schedule.ts';
import { Client, groupOf, judge, refuses, suite1 as suite, suites } from './client.ts';
import { seeded } from './entropy.ts';

interface Lie {
  readonly suite?: number;
  readonly state?: GroupState;
  readonly info?: Partial<GroupInfoContent>;
  /** Signs the GroupInfo. */
  readonly by?: Client;
  readonly secrets?: Partial<GroupSecrets>;
}

interface Scene {
  /** Made the welcome, in the epoch in which dave is a member. */
  readonly alice: Client;
  readonly before: GroupState;
  readonly dave: Client;
  readonly made: MadeKeyPackage;
  readonly leaf: number;
}

function scene(name: string, keyPackageSuite: Suite = suite): Scene {
  const [alice, bob] = groupOf(['alice', 'bob'], seeded(name));
  assert.ok(alice && bob);
  const before = alice.state;
  const dave = new Client('dave', keyPackageSuite, alice.entropy);
  const made = dave.keyPackage();
  const other = new Client('dave', suite, alice.entropy).keyPackage();
  const { keyPackage } = keyPackageSuite === suite ? made : other;
  const { difference } = alice.commit({ proposals: [{ kind: 'add', keyPackage }] });
  return { alice, before, dave, made, leaf: difference.added[0]?.leaf ?? assert.fail() };
}

/** A welcome of alice's epoch with another joiner secret, so that everything in it can be chosen. */
function welcomed({ alice, made: { keyPackage } }: Scene, lie: Lie = {}): Uint8Array {
  const { context, tree, ownLeaf: signer } = lie.state ?? alice.state;
  const joiner = alice.entropy(suite.hashBytes);
  const member = { joiner, psk: new Uint8Array(suite.hashBytes) };
  const { secrets } = epochOf(suite, { ...member, context: encodeGroupContext(lie.info?.context ?? context) });
  const confirmationTag = mac(suite, secrets.confirmation, context.confirmedTranscriptHash);
  const extensions = [ratchetTreeExtension(tree)];
  const content = { context, extensions, confirmationTag, signer, ...lie.info };
  const info = signGroupInfo(suite, content, (lie.by ?? alice).identity.signatureKey);
  const sealedGroupInfo = suite.provider.seal(suite.aead, {
    ...welcomeKey(suite, member),
    aad: EMPTY,
    plaintext: encodeGroupInfo(info),
  });
  const sealed = encryptWithLabel(suite, {
    publicKey: keyPackage.initKey,
    label: 'Welcome',
    context: sealedGroupInfo,
    plaintext: encodeGroupSecrets({ joiner, pathSecret: undefined, psks: [], ...lie.secrets }),
    entropy: alice.entropy,
  });
  const welcome = {
    suite: lie.suite ?? suite.id,
    secrets: [{ newMember: keyPackageRef(suite, keyPackage), sealed }],
    sealedGroupInfo,
  };
  return encodeMessage({ kind: 'welcome', welcome });
}

const join = ({ made }: Scene, welcome: Uint8Array, extra: Partial<JoinInput> = {}) =>
  joinGroup(suite, { ...judge, welcome, ...made, ...extra });

test('a welcome that is made up and right in all is joined', () => {
  const cast = scene('right');
  assert.equal(join(cast, welcomed(cast)).signer.leaf, cast.alice.leaf);
});

test('a welcome whose suite is not the one of its content is refused', () => {
  const cast = scene('suite');
  refuses(() => join(cast, welcomed(cast, { suite: 3 })), 'no-key-package');
});

test('a welcome for a key package of another suite is refused, though its keys would fit', () => {
  const cast = scene('package', suites[1]);
  refuses(() => join(cast, welcomed(cast)), 'no-key-package');
});

test('a GroupInfo of another suite than its welcome is refused', () => {
  const cast = scene('info suite');
  const context = { ...cast.alice.state.context, suite: 3 };
  refuses(() => join(cast, welcomed(cast, { info: { context } })), 'malformed');
});

test('a GroupInfo with a wrong confirmation tag is refused', () => {
  const cast = scene('tag');
  const confirmationTag = cast.alice.entropy(suite.hashBytes);
  refuses(() => join(cast, welcomed(cast, { info: { confirmationTag } })), 'bad-confirmation-tag');
});

test('a joiner secret of another size is refused', () => {
  for (const size of [0, 31, 33]) {
    const cast = scene(`joiner ${size}`);
    refuses(() => join(cast, welcomed(cast, { secrets: { joiner: cast.alice.entropy(size) } })), 'malformed');
  }
});

test('a tree without our leaf is refused', () => {
  const cast = scene('no leaf');
  refuses(() => join(cast, welcomed(cast, { state: cast.before })), 'invalid-tree');
});

test('a welcome that continues two groups at once is refused', () => {
  const cast = scene('two PSKs');
  const psk = (usage: 'reinit' | 'branch') => ({ kind: 'resumption', usage, groupId: EMPTY, epoch: 1n }) as const;
  const nonce = new Uint8Array(suite.hashBytes);
  const psks = [
    { ...psk('reinit'), nonce },
    { ...psk('branch'), nonce },
  ];
  refuses(() => join(cast, welcomed(cast, { secrets: { psks } }), { psks: () => nonce }), 'malformed');
});

test('a path secret that does not fit the tree is refused, and one of another size', () => {
  const cast = scene('path secret');
  // The nodes above alice and dave got their keys from the path of her commit; this secret is none of it.
  const { alice } = cast;
  alice.commit();
  const wrong = { secrets: { pathSecret: alice.entropy(suite.hashBytes) } };
  refuses(() => join(cast, welcomed(cast, wrong)), 'invalid-path');
  const short = { secrets: { pathSecret: alice.entropy(suite.hashBytes - 1) } };
  refuses(() => join(cast, welcomed(cast, short)), 'malformed');
});

test('a path secret in a welcome that our own leaf signed is refused', () => {
  const cast = scene('own leaf');
  const { alice, dave, leaf } = cast;
  const lie = { info: { signer: leaf }, by: dave, secrets: { pathSecret: alice.entropy(suite.hashBytes) } };
  refuses(() => join(cast, welcomed(cast, lie)), 'invalid-tree');
});
