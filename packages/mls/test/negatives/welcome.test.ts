/** Welcomes and GroupInfos that nobody joins by: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { utf8 } from '../../src/codec/bytes.ts';
import { decode } from '../../src/codec/reader.ts';
import { Writer } from '../../src/codec/writer.ts';
import { readGroupInfo, signGroupInfo } from '../../src/group/group-info.ts';
import { validateGroupInfo } from '../../src/group/open-group-info.ts';
import { Client, judge, policy, suite1 as suite, xwingSuite } from '../client.ts';
import { leafOf } from '../forge.ts';
import { refusal, add } from './cast.ts';

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

function validateInfo(client: Client, signatureKey: Uint8Array, signer: number): void {
  const { context, confirmationTag, tree } = client.state;
  const made = signGroupInfo(suite, { context, extensions: [], confirmationTag, signer }, signatureKey);
  const bytes = new Writer().raw(made.unsigned).vector(made.signature).done();
  validateGroupInfo(suite, { info: decode(bytes, readGroupInfo), tree }, judge);
}
