/**
 * Goal: every rule a hostile member, stranger or server could break is checked where RFC 9420 says so, and is refused with
 * its own code. Messages are made by `forge.ts`: rightly signed around wrong content.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, utf8 } from '../src/codec/bytes.ts';
import { decode } from '../src/codec/reader.ts';
import { Writer, encode } from '../src/codec/writer.ts';
import { signWithLabel } from '../src/crypto/labels.ts';
import type { ErrorCode } from '../src/errors.ts';
import { MlsError } from '../src/errors.ts';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { protect } from '../src/framing/private-message.ts';
import { signContent } from '../src/framing/authenticated-content.ts';
import type { AuthenticatedContent } from '../src/framing/authenticated-content.ts';
import { checkKeyPackage } from '../src/group/check-key-package.ts';
import { createCommitWith, mergePending } from '../src/group/commit.ts';
import { exportGroupInfo, exportTree } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { readGroupInfo, signGroupInfo } from '../src/group/group-info.ts';
import type { KeyPackage } from '../src/group/key-package.ts';
import { createKeyPackage, readKeyPackage } from '../src/group/key-package.ts';
import type { Policy } from '../src/group/policy.ts';
import type { Proposal } from '../src/group/proposal.ts';
import { readProposal } from '../src/group/proposal.ts';
import { proposeUpdate } from '../src/group/send.ts';
import { validateGroupInfo } from '../src/group/open-group-info.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { sendExternalInit, externalPair } from '../src/schedule/key-schedule.ts';
import { takeNext } from '../src/schedule/secret-tree.ts';
import { externalSenders, readExtensions, requiredCapabilities, writeExtensions } from '../src/tree/extension.ts';
import { basicCredential } from '../src/tree/credential.ts';
import { decodeTree, encodeTree } from '../src/tree/tree-extension.ts';
import { validateTree } from '../src/tree/tree-validation.ts';
import type { ParentNode } from '../src/tree/parent-node.ts';
import type { RatchetTree } from '../src/tree/ratchet-tree.ts';
import { readLeaf, signLeaf } from '../src/tree/leaf-node.ts';
import { Reader } from '../src/codec/reader.ts';
import {
  Client,
  NOW,
  addAll,
  capabilities,
  groupOf,
  judge,
  lifetime,
  policy,
  refuses,
  suite1 as suite,
  xwingSuite,
} from './client.ts';
import { crookedPath, first, forge, leafOf, pathFor, withSenderData } from './forge.ts';
import { seeded } from './entropy.ts';

interface Cast {
  readonly alice: Client;
  readonly bob: Client;
  readonly carol: Client;
  readonly dave: Client;
}

let count = 0;

/**
 * One rule: a group of alice, bob and carol; dave is a stranger. The deed must be refused with the code, and where the
 * error names a section of the RFC, it is the one of the name: another rule with the same code does not count.
 */
function refusal(name: string, code: ErrorCode, deed: (cast: Cast) => unknown): void {
  const seed = `negative ${count++}`;
  test(name, () => {
    const entropy = seeded(seed);
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
    assert.ok(alice && bob && carol);
    const dave = new Client('dave', suite, entropy);
    const { code: found, message } = failureOf(() => deed({ alice, bob, carol, dave }));
    assert.equal(found, code, message);
    const [, section = ''] = /\((§[\d.]+)\)$/.exec(name) ?? [];
    if (message.includes('§')) assert.ok(message.includes(section), `${message} instead of ${section}`);
  });
}

function failureOf(run: () => unknown): MlsError {
  try {
    run();
  } catch (error) {
    if (error instanceof MlsError) return error;
    throw error;
  }
  return assert.fail('it was not refused');
}

const add = (keyPackage: KeyPackage): Proposal => ({ kind: 'add', keyPackage });
const remove = (removed: number): Proposal => ({ kind: 'remove', removed });
const lax: Policy = { ...policy, credential: () => true };

// ---- commits and their paths ----

refusal('a removal without a path is refused (§12.4)', 'missing-path', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { proposals: [remove(carol.leaf)] })),
);
refusal('one removal among additions needs a path too (§12.4)', 'missing-path', ({ alice, bob, carol, dave }) =>
  alice.receive(forge(bob, { proposals: [add(dave.keyPackage().keyPackage), remove(carol.leaf)] })),
);
refusal('an empty commit without a path is refused (§12.4)', 'missing-path', ({ alice, bob }) =>
  alice.receive(forge(bob)),
);
refusal('a change of extensions without a path is refused (§12.4)', 'missing-path', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [{ kind: 'group-context-extensions', extensions: [] }] })),
);
refusal('the one removed notices a missing path as well (§12.4)', 'missing-path', ({ bob, carol }) =>
  carol.receive(forge(bob, { proposals: [remove(carol.leaf)] })),
);
refusal('a wrong confirmation tag is refused (§12.4.2)', 'bad-confirmation-tag', ({ alice, bob, dave }) =>
  alice.receive(forge(bob, { proposals: [add(dave.keyPackage().keyPackage)] })),
);
refusal('a path of the wrong length is refused (§7.5)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  alice.receive(forge(bob, { path: { ...path, nodes: path.nodes.slice(1) } }));
});
refusal('a path with too few ciphertexts is refused (§7.6)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node, i) => (i === 0 ? { ...node, sealed: [] } : node));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a path with too many ciphertexts is refused (§7.6)', 'invalid-path', ({ carol, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({ ...node, sealed: [...node.sealed, ...node.sealed] }));
  carol.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a path secret that gives another public key is refused (§7.5)', 'invalid-path', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: crookedPath(bob) })),
);
refusal('a path with a damaged ciphertext is refused (§7.6)', 'undecryptable', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({
    ...node,
    sealed: node.sealed.map((one) => ({ ...one, ciphertext: bob.entropy(48) })),
  }));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a ciphertext without room for its tag is refused (§7.6)', 'malformed', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({
    ...node,
    sealed: node.sealed.map((one) => ({ ...one, ciphertext: one.ciphertext.slice(0, 15) })),
  }));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a path key that is in the tree already is refused (§12.4.2)', 'invalid-path', ({ alice, bob, carol }) => {
  const path = pathFor(bob);
  const taken = carol.state.tree.leaf(carol.leaf)?.encryptionKey ?? assert.fail();
  const nodes = path.nodes.map((node, i) => (i === 0 ? { ...node, encryptionKey: taken } : node));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('one key twice in a path is refused (§12.4.2)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({ ...node, encryptionKey: first(path.nodes).encryptionKey }));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a path key of the wrong size is refused (§5.1.1)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({ ...node, encryptionKey: node.encryptionKey.slice(1) }));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
const trap = new Uint8Array(32);
refusal('a path key that nothing can be sealed to is refused (§5.1.1)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  const nodes = path.nodes.map((node) => ({ ...node, encryptionKey: trap }));
  alice.receive(forge(bob, { path: { ...path, nodes } }));
});
refusal('a path leaf that nothing can be sealed to is refused (§5.1.1)', 'invalid-leaf', ({ alice, bob }) => {
  const { source } = pathFor(bob).leaf;
  alice.receive(forge(bob, { path: { ...pathFor(bob), leaf: leafOf(bob, { source, encryptionKey: trap }) } }));
});
refusal('a leaf with a wrong parent hash is refused (§7.9.2)', 'invalid-path', ({ alice, bob }) => {
  const path = pathFor(bob);
  const source = { kind: 'commit', parentHash: bob.entropy(32) } as const;
  const leaf = leafOf(bob, { source, encryptionKey: path.leaf.encryptionKey });
  alice.receive(forge(bob, { path: { ...path, leaf } }));
});
refusal('a path leaf that is no commit leaf is refused (§7.3)', 'invalid-leaf', ({ alice, bob }) => {
  const path = pathFor(bob);
  const leaf = leafOf(bob, { source: { kind: 'update' }, encryptionKey: path.leaf.encryptionKey });
  alice.receive(forge(bob, { path: { ...path, leaf } }));
});
refusal('a path leaf with the old encryption key is refused (§7.3)', 'invalid-leaf', ({ alice, bob }) => {
  const path = pathFor(bob);
  const leaf = leafOf(bob, { source: path.leaf.source });
  alice.receive(forge(bob, { path: { ...path, leaf } }));
});
refusal('a path leaf signed for another group is refused (§7.3)', 'bad-signature', ({ alice, bob }) => {
  const path = pathFor(bob);
  const leaf = leafOf(bob, path.leaf, { groupId: utf8('other') });
  alice.receive(forge(bob, { path: { ...path, leaf } }));
});
refusal('a path leaf signed for another position is refused (§7.3)', 'bad-signature', ({ alice, bob }) => {
  const path = pathFor(bob);
  const leaf = leafOf(bob, path.leaf, { leaf: 0 });
  alice.receive(forge(bob, { path: { ...path, leaf } }));
});
refusal('a path leaf with another’s credential is refused (§5.3.1)', 'refused-credential', ({ alice, bob }) => {
  const path = pathFor(bob, { appearance: { credential: basicCredential(utf8('carol')) } });
  alice.receive(forge(bob, { path }));
});
refusal('a path leaf with another’s signature key is refused (§7.3)', 'bad-signature', ({ alice, bob, carol }) => {
  const signatureKey = carol.state.tree.leaf(carol.leaf)?.signatureKey ?? assert.fail();
  alice.receive(forge(bob, { path: pathFor(bob, { appearance: { signatureKey } }) }));
});
refusal(
  'one’s own commit does not change one’s credential against the policy (§5.3.1)',
  'refused-credential',
  ({ bob }) => {
    const identity = { ...bob.identity, credential: basicCredential(utf8('carol')) };
    bob.prepare({ appearance: { identity } });
  },
);

// ---- proposals ----

refusal('removing the committer is refused (§12.2)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [remove(bob.leaf)], path: pathFor(bob) })),
);
refusal('removing a blank leaf is refused (§12.1.3)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [remove(3)], path: pathFor(bob) })),
);
refusal('removing a leaf beyond the tree is refused (§12.1.3)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [remove(2 ** 32 - 1)], path: pathFor(bob) })),
);
refusal('removing one leaf twice is refused (§12.2)', 'invalid-proposal', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { proposals: [remove(carol.leaf), remove(carol.leaf)], path: pathFor(bob) })),
);
refusal('an update of the committer is refused (§12.2)', 'invalid-proposal', ({ alice, bob }) => {
  const { publicKey } = suite.kem.generate(bob.entropy);
  const leaf = leafOf(bob, { source: { kind: 'update' }, encryptionKey: publicKey });
  alice.receive(forge(bob, { proposals: [{ kind: 'update', leaf }], path: pathFor(bob) }));
});
refusal('an update and a removal of one leaf are refused (§12.2)', 'invalid-proposal', ({ alice, bob, carol }) => {
  const { identity, entropy } = carol;
  const update = proposeUpdate(carol.state, { identity, entropy });
  alice.receive(update.bytes);
  bob.receive(update.bytes);
  bob.prepare({ references: [update.reference], proposals: [remove(carol.leaf)] });
});
refusal('an update that keeps its encryption key is refused (§7.3)', 'invalid-leaf', ({ alice, bob, carol }) => {
  const leaf = leafOf(carol, { source: { kind: 'update' } });
  const bytes = forge(carol, { body: { kind: 'proposal', proposal: { kind: 'update', leaf } } });
  const received = bob.receive(bytes);
  assert.ok(received.kind === 'proposal');
  alice.receive(bytes);
  bob.prepare({ references: [received.reference] });
});
refusal('an update to another credential is refused (§5.3.1)', 'refused-credential', ({ bob, carol }) => {
  const { entropy, identity } = carol;
  const next = { ...identity, credential: basicCredential(utf8('bob')) };
  const update = proposeUpdate(carol.state, { identity, entropy, next });
  bob.receive(update.bytes);
  bob.prepare({ references: [update.reference] });
});
refusal('an update signed for another group is refused (§7.3)', 'bad-signature', ({ bob, carol }) => {
  const { publicKey } = suite.kem.generate(bob.entropy);
  const change = { source: { kind: 'update' }, encryptionKey: publicKey } as const;
  const leaf = leafOf(carol, change, { groupId: utf8('other') });
  const received = bob.receive(forge(carol, { body: { kind: 'proposal', proposal: { kind: 'update', leaf } } }));
  assert.ok(received.kind === 'proposal');
  bob.prepare({ references: [received.reference] });
});
refusal('a reference to a proposal nobody sent is refused (§12.4)', 'missing-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { items: [{ kind: 'reference', reference: bob.entropy(32) }], path: pathFor(bob) })),
);
refusal('two changes of extensions are refused (§12.2)', 'invalid-proposal', ({ alice, bob }) => {
  const change = { kind: 'group-context-extensions', extensions: [] } as const;
  alice.receive(forge(bob, { proposals: [change, change], path: pathFor(bob) }));
});
refusal('a member’s ExternalInit is refused (§12.2)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [{ kind: 'external-init', output: bob.entropy(32) }], path: pathFor(bob) })),
);
const reinit = { groupId: utf8('next'), version: 1, suite: 1, extensions: [] };
refusal('ReInit together with another proposal is refused (§12.2)', 'invalid-proposal', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { proposals: [{ kind: 'reinit', reinit }, remove(carol.leaf)], path: pathFor(bob) })),
);
refusal('ReInit to an older version is refused (§12.1.5)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [{ kind: 'reinit', reinit: { ...reinit, version: 0 } }] })),
);
const external = (nonce: Uint8Array): Proposal => ({ kind: 'psk', psk: { kind: 'external', id: utf8('id'), nonce } });
refusal('a PSK nonce of the wrong size is refused (§12.1.4)', 'invalid-proposal', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [external(bob.entropy(16))] })),
);
refusal('one PSK twice is refused (§12.2)', 'invalid-proposal', ({ alice, bob }) => {
  const psk = external(bob.entropy(32));
  alice.receive(forge(bob, { proposals: [psk, psk] }));
});
refusal('a PSK that is not at hand is refused (§12.4.2)', 'missing-psk', ({ alice, bob }) =>
  alice.receive(forge(bob, { proposals: [external(bob.entropy(32))] })),
);
for (const usage of ['reinit', 'branch'] as const)
  refusal(
    `a resumption PSK of usage ${usage} in an ordinary commit is refused (§12.1.4)`,
    'invalid-proposal',
    (cast) => {
      const { groupId } = cast.bob.state.context;
      const psk = { kind: 'resumption', usage, groupId, epoch: 1n, nonce: cast.bob.entropy(32) } as const;
      cast.alice.receive(forge(cast.bob, { proposals: [{ kind: 'psk', psk }] }));
    },
  );
refusal('what the policy forbids is refused, here additions by others than alice (§12.2)', 'refused-change', (cast) => {
  const { alice, bob, dave } = cast;
  const change: Policy['change'] = ({ committer, proposals }) =>
    proposals.every(({ proposal }) => proposal.kind !== 'add') ||
    (committer.kind === 'member' && committer.member.leaf === alice.leaf);
  const { commit } = bob.prepare({ proposals: [add(dave.keyPackage().keyPackage)] });
  alice.receive(commit, { policy: { ...policy, change } });
});
refusal('extensions that a member does not support are refused (§12.1.7)', 'invalid-proposal', ({ alice, bob }) => {
  const extensions = [requiredCapabilities({ extensions: [0xff77], proposals: [], credentials: [] })];
  alice.receive(forge(bob, { proposals: [{ kind: 'group-context-extensions', extensions }], path: pathFor(bob) }));
});

// ---- key packages and leaves ----

refusal('an expired key package is refused (§7.3)', 'expired', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage({ lifetime: { notBefore: NOW - 100n, notAfter: NOW - 1n } });
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal('a key package of the future is refused (§7.3)', 'expired', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage({ lifetime: { notBefore: NOW + 1n, notAfter: NOW + 100n } });
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal('a key package that lives too long is refused (§7.2)', 'expired', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage({ lifetime: { notBefore: 0n, notAfter: 2n ** 64n - 1n } });
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal('a key package of another suite is refused (§10.1)', 'unsupported', ({ alice, bob }) => {
  const { keyPackage } = new Client('dave', xwingSuite, bob.entropy).keyPackage();
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal('a key package of another protocol version is refused (§10.1)', 'unsupported', ({ alice, bob, dave }) => {
  const { encoded } = dave.keyPackage().keyPackage;
  alice.receive(forge(bob, { proposals: [add(decode(encoded.with(1, 2), readKeyPackage))] }));
});
refusal('a key package of another version than its message is refused (§10)', 'malformed', ({ dave }) => {
  const keyPackage = decode(dave.keyPackage().keyPackage.encoded.with(1, 2), readKeyPackage);
  decodeMessage(encodeMessage({ kind: 'key-package', keyPackage }));
});
refusal('a key package with a wrong signature is refused (§10)', 'bad-signature', ({ alice, bob, dave }) =>
  alice.receive(forge(bob, { proposals: [add(resigned(dave, (bytes) => bytes, dave.entropy(64)))] })),
);
refusal('a key package with a wrong leaf signature is refused (§7.3)', 'bad-signature', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage();
  const leaf = keyPackage.leaf.encoded.slice();
  leaf.set([(leaf.at(-1) ?? 0) ^ 1], leaf.length - 1);
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, keyPackage.initKey, leaf))] }));
});
refusal('one key for init and encryption is refused (§10.1)', 'invalid-key-package', ({ alice, bob, dave }) => {
  const { leaf } = dave.keyPackage().keyPackage;
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, leaf.encryptionKey, leaf.encoded))] }));
});
refusal('a key package around an update leaf is refused (§7.3)', 'invalid-key-package', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage();
  const leaf = signLeaf(suite, {
    content: { ...keyPackage.leaf, source: { kind: 'update' } },
    place: { groupId: EMPTY, leaf: 0 },
    privateKey: dave.identity.signatureKey,
  });
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, keyPackage.initKey, leaf.encoded))] }));
});
refusal('an init key of the wrong size is refused (§5.1.1)', 'invalid-key-package', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage();
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, dave.entropy(31), keyPackage.leaf.encoded))] }));
});
refusal(
  'an init key that nothing can be sealed to is refused (§5.1.1)',
  'invalid-key-package',
  ({ alice, bob, dave }) => {
    const { leaf } = dave.keyPackage().keyPackage;
    alice.receive(forge(bob, { proposals: [add(packageOf(dave, trap, leaf.encoded))] }));
  },
);
refusal('one key package added twice is refused (§7.3)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const proposal = add(dave.keyPackage().keyPackage);
  alice.receive(forge(bob, { proposals: [proposal, proposal] }));
});
refusal('two key packages of one signature key are refused (§7.3)', 'invalid-leaf', ({ alice, bob, dave }) =>
  alice.receive(forge(bob, { proposals: [dave, dave].map((client) => add(client.keyPackage().keyPackage)) })),
);
refusal('adding a member again is refused (§7.3)', 'invalid-leaf', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { proposals: [add(carol.keyPackage().keyPackage)] })),
);
refusal(
  'a leaf with another member’s encryption key is refused (§7.3)',
  'invalid-leaf',
  ({ alice, bob, carol, dave }) => {
    const { keyPackage } = dave.keyPackage();
    const encryptionKey = carol.state.tree.leaf(carol.leaf)?.encryptionKey ?? assert.fail();
    const leaf = signLeaf(suite, {
      content: { ...keyPackage.leaf, encryptionKey },
      privateKey: dave.identity.signatureKey,
    });
    alice.receive(forge(bob, { proposals: [add(packageOf(dave, keyPackage.initKey, leaf.encoded))] }));
  },
);
refusal('an encryption key of the wrong size is refused (§5.1.1)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage();
  const content = { ...keyPackage.leaf, encryptionKey: dave.entropy(33) };
  const leaf = signLeaf(suite, { content, privateKey: dave.identity.signatureKey });
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, keyPackage.initKey, leaf.encoded))] }));
});
const odd = { type: 0xff55, data: EMPTY };
refusal('a leaf extension that its leaf does not list is refused (§7.2)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage();
  const content = { ...keyPackage.leaf, extensions: [odd] };
  const leaf = signLeaf(suite, { content, privateKey: dave.identity.signatureKey });
  alice.receive(forge(bob, { proposals: [add(packageOf(dave, keyPackage.initKey, leaf.encoded))] }));
});
refusal('a leaf that does not support the suite is refused (§7.3)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage({ capabilities: capabilities({ suites: [2] }) });
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal('a leaf that does not support the version is refused (§7.3)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const { keyPackage } = dave.keyPackage({ capabilities: capabilities({ versions: [2] }) });
  alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
});
refusal(
  'a leaf that does not list its own credential type is refused (§7.2)',
  'invalid-leaf',
  ({ alice, bob, dave }) => {
    const { keyPackage } = dave.keyPackage({ capabilities: capabilities({ credentials: [2] }) });
    alice.receive(forge(bob, { proposals: [add(keyPackage)] }));
  },
);
refusal('a credential type that others do not know is refused (§7.3)', 'invalid-leaf', ({ alice, bob, dave }) => {
  const identity = { ...dave.identity, credential: { type: 0xf00d, content: EMPTY } };
  const able = capabilities({ credentials: [1, 0xf00d] });
  const made = createKeyPackage(suite, { identity, capabilities: able, lifetime, entropy: dave.entropy });
  alice.receive(forge(bob, { proposals: [add(made.keyPackage)] }));
});
refusal('a credential the policy does not know is refused (§5.3.1)', 'refused-credential', ({ alice, bob, dave }) => {
  const { commit } = bob.prepare({ proposals: [add(dave.keyPackage().keyPackage)] });
  alice.receive(commit, { policy: { ...policy, credential: () => false } });
});
refusal('a key package looked at by itself must be valid (§10)', 'bad-signature', ({ dave }) => {
  const keyPackage = resigned(dave, (bytes) => bytes, dave.entropy(64));
  checkKeyPackage(suite, encodeMessage({ kind: 'key-package', keyPackage }), judge);
});

// ---- commits of our own ----

refusal('our own commit is held against the policy (§12.2)', 'refused-change', ({ alice, bob }) =>
  alice.prepare({ proposals: [remove(bob.leaf)], policy: { ...policy, change: () => false } }),
);
refusal('PSKs of a founding enter the first commit of a group alone (§11.2)', 'bad-argument', ({ alice }) => {
  const { identity, entropy } = alice;
  createCommitWith(alice.state, { ...judge, identity, entropy }, 'founding');
});

// ---- messages ----

refusal('a forged membership tag is refused (§6.2)', 'bad-membership-tag', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: pathFor(bob), membershipKey: bob.entropy(32) })),
);
refusal('a message signed with another key is refused (§6.1)', 'bad-signature', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { path: pathFor(bob), signatureKey: carol.identity.signatureKey })),
);
refusal('a message in another’s name is refused (§6.1)', 'bad-signature', ({ alice, bob, carol }) =>
  alice.receive(forge(bob, { path: pathFor(bob), sender: { kind: 'member', leaf: carol.leaf } })),
);
refusal('a sender that is a blank leaf is refused (§6.1)', 'unknown-sender', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: pathFor(bob), sender: { kind: 'member', leaf: 3 } })),
);
refusal('sender data of a blank leaf is refused (§6.3.2)', 'unknown-sender', ({ alice, bob }) =>
  alice.receive(withSenderData(bob, { leaf: 3, generation: 0 })),
);
refusal('sender data of a leaf far beyond the tree is refused (§6.3.2)', 'unknown-sender', ({ alice, bob }) =>
  alice.receive(withSenderData(bob, { leaf: 2 ** 31, generation: 0 })),
);
refusal('generation 2^31 costs nothing and is refused (§9.1)', 'too-far-ahead', ({ alice, bob }) =>
  alice.receive(withSenderData(bob, { leaf: bob.leaf, generation: 2 ** 31 })),
);
refusal('the last generation is refused (§9.1)', 'too-far-ahead', ({ alice, bob }) =>
  alice.receive(withSenderData(bob, { leaf: bob.leaf, generation: 2 ** 32 - 1 })),
);
refusal('noise under right sender data is refused (§6.3.1)', 'undecryptable', ({ alice, bob }) =>
  alice.receive(withSenderData(bob, { leaf: bob.leaf, generation: 0 })),
);
refusal('a message of a far epoch is refused (§6)', 'too-new', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: pathFor(bob), epoch: 1_000_000n })),
);
refusal('a commit of an old epoch is refused (§12.4.2)', 'too-old', ({ alice, bob }) => {
  const { commit } = bob.prepare();
  alice.commit();
  alice.receive(commit);
});
refusal('a public commit of an old epoch is refused (§12.4.2)', 'too-old', ({ alice, bob }) => {
  const commit = forge(bob);
  alice.commit();
  alice.receive(commit);
});
refusal('a message of another group is refused (§6)', 'wrong-group', ({ alice, bob }) => {
  const [erin] = groupOf(['erin', 'frank'], bob.entropy);
  alice.receive((erin ?? assert.fail()).send('hello'));
});
refusal('a message of oneself is told apart (§6)', 'own-message', ({ alice }) => alice.receive(alice.send('hello')));
refusal('a public message of oneself is told apart (§6)', 'own-message', ({ alice, bob }) => {
  const body = { kind: 'proposal', proposal: remove(bob.leaf) } as const;
  alice.receive(forge(alice, { body }));
});
refusal('a replayed message is refused (§9.2)', 'replayed', ({ alice, bob }) => {
  const message = bob.send('once');
  alice.read(message);
  alice.read(message);
});
refusal('a damaged ciphertext is refused (§6.3.1)', 'undecryptable', ({ alice, bob }) => {
  const message = bob.send('hello');
  message.set([(message.at(-1) ?? 0) ^ 1], message.length - 1);
  alice.read(message);
});
refusal('padding that is not zero is refused (§6.3.1)', 'bad-padding', ({ alice, bob }) =>
  alice.receive(paddedWithOnes(bob)),
);
refusal('application data in the clear is refused (§6)', 'malformed', ({ alice, bob }) =>
  alice.receive(forge(bob, { body: { kind: 'application', data: utf8('hello') } })),
);
refusal('an unencrypted handshake is refused where it is not asked for (§6)', 'wrong-kind', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: pathFor(bob) }), { publicHandshakes: 'refuse-members' }),
);
refusal('a welcome is no message of a group (§6)', 'wrong-kind', ({ alice, bob, dave }) => {
  const { welcome } = bob.prepare({ proposals: [add(dave.keyPackage().keyPackage)] });
  alice.receive(welcome ?? assert.fail());
});
refusal('a commit of an external sender is refused (§6.1)', 'unknown-sender', ({ alice, bob }) =>
  alice.receive(forge(bob, { path: pathFor(bob), sender: { kind: 'external', index: 0 } })),
);
refusal('a commit in the role of a proposing stranger is refused (§6.1)', 'malformed', ({ alice, dave, bob }) => {
  dave.state = bob.state;
  alice.receive(forge(dave, { path: pathFor(bob), sender: { kind: 'new-member-proposal' } }));
});
refusal('a proposal of an unknown external sender is refused (§12.1.8.1)', 'unknown-sender', ({ alice, bob, carol }) =>
  alice.receive(
    forge(bob, { body: { kind: 'proposal', proposal: remove(carol.leaf) }, sender: { kind: 'external', index: 0 } }),
  ),
);
refusal('an external sender’s ExternalInit is refused (§12.1.8)', 'malformed', ({ alice, bob }) => {
  const signatureKey = alice.entropy(32);
  const sender = { signatureKey: suite.provider.ed25519.publicOf(signatureKey), credential: basicCredential(EMPTY) };
  const change = { kind: 'group-context-extensions', extensions: [externalSenders([sender])] } as const;
  bob.follow(alice.commit({ proposals: [change] }).commit);
  const proposal = { kind: 'external-init', output: bob.entropy(32) } as const;
  const from = { kind: 'external', index: 0 } as const;
  alice.receive(forge(bob, { body: { kind: 'proposal', proposal }, sender: from, signatureKey }));
});
refusal('a stranger proposes nothing but to be added (§6.1)', 'malformed', ({ alice, bob, carol }) =>
  alice.receive(
    forge(bob, {
      body: { kind: 'proposal', proposal: remove(carol.leaf) },
      sender: { kind: 'new-member-proposal' },
    }),
  ),
);
refusal('who was removed sends nothing more (§12.4.2)', 'closed', ({ alice, bob }) => {
  bob.follow(alice.commit({ proposals: [remove(bob.leaf)] }).commit);
  bob.send('hello');
});
refusal('who was removed takes nothing more in the clear (§12.4.2)', 'closed', ({ alice, bob }) => {
  bob.follow(alice.commit({ proposals: [remove(bob.leaf)] }).commit);
  bob.receive(forge(alice));
});
refusal('a group that ended by ReInit takes no proposals (§12.4.2)', 'closed', ({ alice, bob, carol }) => {
  const reinit = { groupId: alice.entropy(16), version: 1, suite: suite.id, extensions: [] };
  const { commit } = alice.commit({ proposals: [{ kind: 'reinit', reinit }] });
  bob.follow(commit);
  bob.receive(forge(alice, { body: { kind: 'proposal', proposal: remove(carol.leaf) } }));
});
refusal('a commit is merged only into the epoch it was made for (§12.4.2)', 'bad-argument', ({ alice, bob }) => {
  const { pending } = alice.prepare();
  alice.follow(bob.commit().commit);
  mergePending(alice.state, pending);
});

// ---- external commits ----

function externally(cast: Cast, replaces: number | undefined, strict: Policy = lax) {
  const { alice, dave } = cast;
  const groupInfo = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
  const { identity, entropy } = dave;
  const input = { policy: strict, now: NOW, groupInfo, identity, capabilities: capabilities(), entropy };
  return joinByExternalCommit(suite, replaces === undefined ? input : { ...input, replaces });
}

/** A valid external commit, its proposals changed; signed again by the joiner. */
function externalWith(cast: Cast, change: (proposals: readonly Proposal[]) => readonly Proposal[], pathless = false) {
  const { commit, state } = externally(cast, undefined);
  const message = decodeMessage(commit);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  assert.ok(body.kind === 'commit');
  const proposals = body.commit.proposals.flatMap((item) => (item.kind === 'proposal' ? [item.proposal] : []));
  cast.dave.state = { ...state, context: cast.alice.state.context };
  const path = pathless ? undefined : body.commit.path;
  return forge(cast.dave, { proposals: change(proposals), path, sender: { kind: 'new-member-commit' } });
}

refusal('an external commit that removes another’s leaf is refused (§12.2)', 'refused-credential', (cast) =>
  cast.alice.receive(externally(cast, cast.carol.leaf).commit),
);
refusal('nor does an honest client make one (§12.2)', 'refused-credential', (cast) =>
  externally(cast, cast.carol.leaf, policy),
);
refusal('an external commit without ExternalInit is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, () => [])),
);
refusal('an external commit with two ExternalInit is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, ...proposals])),
);
refusal('an external commit with two removals is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, remove(1), remove(2)])),
);
refusal('an external commit with an addition is refused (§12.2)', 'invalid-proposal', (cast) => {
  const stranger = new Client('erin', suite, cast.alice.entropy).keyPackage().keyPackage;
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, add(stranger)]));
});
refusal('an external commit without a path is refused (§12.4.3.2)', 'missing-path', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => proposals, true)),
);
refusal('an external commit with a reference is refused (§12.4.3.2)', 'invalid-proposal', (cast) => {
  const { commit, state } = externally(cast, undefined);
  const message = decodeMessage(commit);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  assert.ok(body.kind === 'commit');
  cast.dave.state = { ...state, context: cast.alice.state.context };
  const items = [...body.commit.proposals, { kind: 'reference', reference: EMPTY } as const];
  cast.alice.receive(forge(cast.dave, { items, path: body.commit.path, sender: { kind: 'new-member-commit' } }));
});
refusal('an external commit signed by another than its leaf is refused (§6.1)', 'bad-signature', (cast) => {
  const bytes = externalWith(cast, (proposals) => proposals);
  const message = decodeMessage(bytes);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  const sender = { kind: 'new-member-commit' } as const;
  cast.alice.receive(forge(cast.dave, { body, sender, signatureKey: cast.bob.identity.signatureKey }));
});
refusal('an external commit under a made-up init secret is refused (§12.4.2)', 'bad-confirmation-tag', (cast) => {
  const { publicKey } = externalPair(suite, cast.bob.state.secrets);
  const { output } = sendExternalInit(suite, { publicKey, entropy: cast.dave.entropy });
  cast.alice.receive(externalWith(cast, () => [{ kind: 'external-init', output }]));
});
refusal('a GroupInfo of another suite offers no way in (§12.4.3.2)', 'unsupported', ({ alice, dave }) => {
  const { identity, entropy } = dave;
  const { state } = alice;
  const groupInfo = exportGroupInfo(
    { ...state, context: { ...state.context, suite: 3 } },
    { identity: alice.identity, externalJoin: 'offered' },
  );
  joinByExternalCommit(suite, { ...judge, groupInfo, identity, capabilities: capabilities(), entropy });
});
refusal('a GroupInfo without external_pub offers no way in (§12.4.3.2)', 'malformed', ({ alice, dave }) => {
  const groupInfo = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'not-offered' });
  const { identity, entropy } = dave;
  joinByExternalCommit(suite, { ...judge, groupInfo, identity, capabilities: capabilities(), entropy });
});
refusal('a GroupInfo with the tree of another group is refused (§12.4.3.1)', 'invalid-tree', ({ alice, dave }) => {
  const [erin] = groupOf(['erin', 'frank'], dave.entropy);
  const info = { identity: alice.identity, tree: 'apart', externalJoin: 'offered' } as const;
  const groupInfo = exportGroupInfo(alice.state, info);
  const tree = exportTree((erin ?? assert.fail()).state);
  const { identity, entropy } = dave;
  joinByExternalCommit(suite, { ...judge, groupInfo, tree, identity, capabilities: capabilities(), entropy });
});

// ---- welcomes and GroupInfo ----

refusal('a welcome for others is refused (§12.4.3.1)', 'no-key-package', ({ bob, dave }) => {
  const { welcome } = bob.prepare({ proposals: [add(dave.keyPackage().keyPackage)] });
  dave.join(welcome, dave.keyPackage());
});
refusal('a welcome of another suite is refused (§12.4.3.1)', 'no-key-package', ({ bob, dave }) => {
  const made = dave.keyPackage();
  const { welcome } = bob.prepare({ proposals: [add(made.keyPackage)] });
  const client = new Client('dave', xwingSuite, dave.entropy);
  client.join(welcome, made);
});
refusal('a welcome with a damaged GroupInfo is refused (§12.4.3.1)', 'undecryptable', ({ bob, dave }) => {
  const made = dave.keyPackage();
  const { welcome } = bob.prepare({ proposals: [add(made.keyPackage)] });
  assert.ok(welcome);
  welcome.set([(welcome.at(-1) ?? 0) ^ 1], welcome.length - 1);
  dave.join(welcome, made);
});
refusal('a welcome whose credentials the policy refuses is refused (§5.3.1)', 'refused-credential', ({ bob, dave }) => {
  const made = dave.keyPackage();
  const { welcome } = bob.prepare({ proposals: [add(made.keyPackage)] });
  dave.join(welcome, made, { policy: { ...policy, credential: () => false } });
});
refusal('a group known already is not joined again (§12.4.3)', 'malformed', ({ bob, dave }) => {
  const made = dave.keyPackage();
  const { welcome } = bob.prepare({ proposals: [add(made.keyPackage)] });
  dave.join(welcome, made, { isKnownGroup: () => true });
});
refusal('a GroupInfo signed by another is refused (§12.4.3)', 'bad-signature', ({ alice, bob }) =>
  validateInfo(alice, bob.identity.signatureKey, alice.leaf),
);
refusal('a GroupInfo of a blank signer is refused (§12.4.3.1)', 'invalid-tree', ({ alice }) =>
  validateInfo(alice, alice.identity.signatureKey, 3),
);
refusal('a GroupInfo with another tree hash is refused (§12.4.3.1)', 'invalid-tree', ({ alice }) => {
  const state = { ...alice.state, context: { ...alice.state.context, treeHash: alice.entropy(32) } };
  const { tree, context, confirmationTag } = state;
  const content = { context, extensions: [], confirmationTag, signer: alice.leaf };
  validateGroupInfo(suite, { info: signGroupInfo(suite, content, alice.identity.signatureKey), tree }, judge);
});
refusal('a leaf of the tree with a wrong signature is refused on joining (§7.3)', 'bad-signature', ({ alice }) => {
  const leaf = leafOf(alice, { source: { kind: 'update' } }, { groupId: utf8('other') });
  const tree = alice.state.tree.edit().setLeaf(alice.leaf, leaf).blankPath(alice.leaf).done();
  const context = { ...alice.state.context, treeHash: tree.hash() };
  const { confirmationTag } = alice.state;
  const content = { context, extensions: [], confirmationTag, signer: alice.leaf };
  validateGroupInfo(suite, { info: signGroupInfo(suite, content, alice.identity.signatureKey), tree }, judge);
});

// ---- trees ----

/** Five members, parents with hashes, and a leaf (3) that nodes 3 and 7 list as unmerged. */
function richTree(alice: Client, others: readonly Client[]): RatchetTree {
  const [erin, frank, grace] = ['erin', 'frank', 'grace'].map((name) => new Client(name, suite, alice.entropy));
  assert.ok(erin && frank && grace);
  addAll(alice, [erin, frank], others);
  alice.commit({ proposals: [remove(erin.leaf)] });
  alice.commit({ proposals: [add(grace.keyPackage().keyPackage)], path: 'if-required' });
  const { tree } = alice.state;
  validateTree(tree);
  assert.deepEqual(tree.parentNode(3)?.unmergedLeaves, [3]);
  assert.deepEqual(tree.parentNode(7)?.unmergedLeaves, [3]);
  return tree;
}

function spoil({ alice, bob, carol }: Cast, change: (tree: RatchetTree) => RatchetTree): void {
  validateTree(change(richTree(alice, [bob, carol])));
}

/** The tree with these fields of some parents changed. */
function withParents(tree: RatchetTree, changes: Readonly<Record<number, Partial<ParentNode>>>): RatchetTree {
  const draft = tree.edit();
  for (const [index, change] of Object.entries(changes))
    draft.setParent(Number(index), { ...parentOf(tree, Number(index)), ...change });
  return draft.done();
}

const parentOf = (tree: RatchetTree, index: number) => tree.parentNode(index) ?? assert.fail();

refusal('a parent key put in by nobody is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { encryptionKey: cast.alice.entropy(32) } })),
);
refusal('a parent key that nothing can be sealed to is refused (§5.1.1)', 'invalid-tree', (cast) => {
  const trapped = (tree: RatchetTree): RatchetTree => withParents(tree, { 3: { encryptionKey: trap } });
  const failure = failureOf(() => spoil(cast, trapped));
  assert.match(failure.message, /encryption key/);
  throw failure;
});
refusal('a parent hash that does not chain is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { parentHash: cast.alice.entropy(32) } })),
);
refusal('an unmerged leaf left out everywhere is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { unmergedLeaves: [] }, 7: { unmergedLeaves: [] } })),
);
refusal('an unmerged leaf that a node between does not list is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { unmergedLeaves: [] } })),
);
refusal('a merged leaf listed as unmerged is refused (§7.9.2)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 4] } })),
);
refusal('an unmerged leaf that is blank is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 7] } })),
);
refusal('an unmerged leaf of another subtree is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 1: { unmergedLeaves: [4] } })),
);
refusal('an unmerged leaf far beyond the tree is refused (§12.4.3.1)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 7: { unmergedLeaves: [3, 2 ** 31] } })),
);
refusal('one key at two nodes is refused (§7.3)', 'invalid-tree', (cast) =>
  spoil(cast, (tree) => withParents(tree, { 3: { encryptionKey: tree.leaf(0)?.encryptionKey ?? assert.fail() } })),
);
refusal('unmerged leaves out of order are refused (§7.1)', 'malformed', () => {
  const node = new Writer()
    .vector(seeded('key')(32))
    .vector(EMPTY)
    .list([3, 2], (w, leaf) => w.u32(leaf))
    .done();
  decodeTree(suite, new Writer().vectorOf((w) => w.u8(0).u8(1).u8(2).raw(node)).done());
});
refusal('a tree that ends in a blank node is refused (§12.4.3.3)', 'malformed', ({ alice }) => {
  const nodes = decode(encodeTree(alice.state.tree), (reader) => reader.vector());
  decodeTree(suite, new Writer().vectorOf((w) => w.raw(nodes).u8(0).u8(0)).done());
});
refusal('a leaf where a parent belongs is refused (§12.4.3.3)', 'malformed', ({ alice }) => {
  const leaf = alice.state.tree.leaf(0) ?? assert.fail();
  decodeTree(suite, new Writer().vectorOf((w) => w.u8(0).u8(1).u8(1).raw(leaf.encoded)).done());
});
refusal('an empty tree is refused (§12.4.3.3)', 'malformed', () => decodeTree(suite, Uint8Array.of(0)));

// ---- encodings ----

refusal('two extensions of one type are refused (§13.4)', 'malformed', () => {
  const twice = encode((w) => writeExtensions(w, [odd, odd]));
  decode(twice, readExtensions);
});
refusal('a length that claims a gigabyte is refused at once (§2.1.2)', 'malformed', () =>
  new Reader(Uint8Array.of(0xbf, 0xff, 0xff, 0xff, 1, 2, 3)).vector(),
);
refusal('a list that claims a gigabyte is refused at once (§2.1.2)', 'malformed', () =>
  new Reader(Uint8Array.of(0xbf, 0xff, 0xff, 0xff, 1, 2, 3)).list((r) => r.u8()),
);
refusal('a length with prefix 11 is refused (§2.1.2)', 'malformed', () => new Reader(Uint8Array.of(0xc0, 0)).length());
refusal('a length that is not in its shortest form is refused (§2.1.2)', 'malformed', () =>
  new Reader(Uint8Array.of(0x40, 0x3f)).length(),
);
refusal('four bytes for a short length are refused (§2.1.2)', 'malformed', () =>
  new Reader(Uint8Array.of(0x80, 0, 0x3f, 0xff)).length(),
);
refusal('an optional that is neither there nor not is refused (§2.1.1)', 'malformed', () =>
  new Reader(Uint8Array.of(2, 0)).optional((r) => r.u8()),
);
refusal('a vector inside must not reach beyond its own end (§2.1.2)', 'malformed', () =>
  decode(Uint8Array.of(2, 5, 1, 1, 1, 1, 1), (reader) => reader.list((r) => r.vector())),
);
refusal('a proposal of a type that is not known is refused (§13.1)', 'unsupported', () =>
  decode(Uint8Array.of(0x0a, 0x0a, 0), readProposal),
);
refusal('another protocol version is refused (§6)', 'unsupported', ({ alice }) =>
  decodeMessage(alice.send('hello').with(1, 2)),
);
refusal('an unknown wire format is refused (§6)', 'unsupported', ({ alice }) =>
  decodeMessage(alice.send('hello').with(3, 9)),
);
refusal('a leaf of an unknown source is refused (§7.2)', 'malformed', ({ alice }) => {
  const { encoded, source } = alice.state.tree.leaf(0) ?? assert.fail();
  const number = source.kind === 'commit' ? 3 : 1;
  const at = encoded.indexOf(number, 90);
  readLeaf(new Reader(encoded.with(at, 9)));
});

test('every message cut short, and every message with a byte more, is malformed', () => {
  const entropy = seeded('cut');
  const [alice, bob] = groupOf(['alice', 'bob'], entropy);
  assert.ok(alice && bob);
  const made = new Client('carol', suite, entropy).keyPackage();
  const { commit, welcome } = alice.prepare({ proposals: [add(made.keyPackage)], format: 'public' });
  const messages = [
    commit,
    welcome ?? assert.fail(),
    alice.send('hello'),
    encodeMessage({ kind: 'key-package', keyPackage: made.keyPackage }),
    exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' }),
  ];
  for (const message of messages) {
    decodeMessage(message);
    for (let length = 0; length < message.length; length++)
      refuses(() => decodeMessage(message.subarray(0, length)), 'malformed');
    refuses(() => decodeMessage(Uint8Array.of(...message, 0)), 'malformed');
  }
});

// ---- parts ----

function packageOf(client: Client, initKey: Uint8Array, leaf: Uint8Array): KeyPackage {
  const unsigned = encode((w) => w.u16(1).u16(suite.id).vector(initKey).raw(leaf).vector(EMPTY));
  const privateKey = client.identity.signatureKey;
  const signature = signWithLabel(suite, { privateKey, label: 'KeyPackageTBS', content: unsigned });
  return decode(new Writer().raw(unsigned).vector(signature).done(), readKeyPackage);
}

function resigned(client: Client, change: (bytes: Uint8Array) => Uint8Array, signature: Uint8Array): KeyPackage {
  const { keyPackage } = client.keyPackage();
  return decode(new Writer().raw(change(keyPackage.unsigned)).vector(signature).done(), readKeyPackage);
}

function validateInfo(client: Client, signatureKey: Uint8Array, signer: number): void {
  const { context, confirmationTag, tree } = client.state;
  const made = signGroupInfo(suite, { context, extensions: [], confirmationTag, signer }, signatureKey);
  const bytes = new Writer().raw(made.unsigned).vector(made.signature).done();
  validateGroupInfo(suite, { info: decode(bytes, readGroupInfo), tree }, judge);
}

/** An application message, sealed and signed rightly, with a one at the end of its padding. */
function paddedWithOnes(client: Client): Uint8Array {
  const { suite: cipher, context, secrets, secretTree } = client.state;
  const sender = { kind: 'member', leaf: client.leaf } as const;
  const body = { kind: 'application', data: utf8('hello') } as const;
  const content = { groupId: context.groupId, epoch: context.epoch, sender, authenticatedData: EMPTY, body };
  const part = { format: 'private', content, context: encodeGroupContext(context) } as const;
  const signature = signContent(cipher, part, client.identity.signatureKey);
  const message: AuthenticatedContent = {
    format: 'private',
    content,
    auth: { signature, confirmationTag: undefined },
  };
  const key = takeNext(secretTree, { leaf: client.leaf, kind: 'application' });
  const spoiling = {
    ...cipher,
    provider: {
      ...cipher.provider,
      seal: (...[name, input]: Parameters<typeof cipher.provider.seal>) =>
        cipher.provider.seal(name, {
          ...input,
          plaintext: input.plaintext.length > 40 ? input.plaintext.with(-1, 1) : input.plaintext,
        }),
    },
  };
  const privateMessage = protect(spoiling, {
    message,
    key,
    senderDataSecret: secrets.senderData,
    padding: () => 8,
    entropy: client.entropy,
  });
  return encodeMessage({ kind: 'private-message', privateMessage });
}
