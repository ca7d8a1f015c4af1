/** Messages that are not read: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { EMPTY, utf8 } from '../../src/codec/bytes.ts';
import { encodeMessage } from '../../src/framing/message.ts';
import { protect } from '../../src/framing/private-message.ts';
import { signContent } from '../../src/framing/authenticated-content.ts';
import type { AuthenticatedContent } from '../../src/framing/authenticated-content.ts';
import { mergePending } from '../../src/group/commit.ts';
import { encodeGroupContext } from '../../src/schedule/group-context.ts';
import { takeNext } from '../../src/schedule/secret-tree.ts';
import { externalSenders } from '../../src/tree/extension.ts';
import { basicCredential } from '../../src/tree/credential.ts';
import type { Client } from '../client.ts';
import { groupOf, suite1 as suite } from '../client.ts';
import { forge, pathFor, withSenderData } from '../forge.ts';
import { refusal, add, remove } from './cast.ts';

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
