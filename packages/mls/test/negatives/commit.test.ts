/** What a commit and its path may not do, our own included: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { utf8 } from '../../src/codec/bytes.ts';
import { createCommitWith } from '../../src/group/commit.ts';
import { basicCredential } from '../../src/tree/credential.ts';
import { judge, policy } from '../client.ts';
import { crookedPath, first, forge, leafOf, pathFor } from '../forge.ts';
import { refusal, add, remove, trap } from './cast.ts';

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

refusal('our own commit is held against the policy (§12.2)', 'refused-change', ({ alice, bob }) =>
  alice.prepare({ proposals: [remove(bob.leaf)], policy: { ...policy, change: () => false } }),
);
refusal('PSKs of a founding enter the first commit of a group alone (§11.2)', 'bad-argument', ({ alice }) => {
  const { identity, entropy } = alice;
  createCommitWith(alice.state, { ...judge, identity, entropy }, 'founding');
});
