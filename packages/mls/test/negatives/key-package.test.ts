/** Key packages and leaves that are not taken: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { EMPTY } from '../../src/codec/bytes.ts';
import { decode } from '../../src/codec/reader.ts';
import { Writer, encode } from '../../src/codec/writer.ts';
import { signWithLabel } from '../../src/crypto/labels.ts';
import { decodeMessage, encodeMessage } from '../../src/framing/message.ts';
import { checkKeyPackage } from '../../src/group/check-key-package.ts';
import type { KeyPackage } from '../../src/group/key-package.ts';
import { createKeyPackage, readKeyPackage } from '../../src/group/key-package.ts';
import { signLeaf } from '../../src/tree/leaf-node.ts';
import { Client, NOW, capabilities, judge, lifetime, policy, suite1 as suite, xwingSuite } from '../client.ts';
import { forge } from '../forge.ts';
import { refusal, add, trap, odd } from './cast.ts';

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
