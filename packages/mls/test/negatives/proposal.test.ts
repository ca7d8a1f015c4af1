/** What a list of proposals may not hold: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { utf8 } from '../../src/codec/bytes.ts';
import type { Policy } from '../../src/group/policy.ts';
import type { Proposal } from '../../src/group/proposal.ts';
import { proposeUpdate } from '../../src/group/send.ts';
import { requiredCapabilities } from '../../src/tree/extension.ts';
import { basicCredential } from '../../src/tree/credential.ts';
import { policy, suite1 as suite } from '../client.ts';
import { forge, leafOf, pathFor } from '../forge.ts';
import { refusal, add, remove } from './cast.ts';

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
