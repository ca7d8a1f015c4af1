/** Bytes that are no encoding of anything: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, Reader } from '../../src/codec/reader.ts';
import { encode } from '../../src/codec/writer.ts';
import { decodeMessage, encodeMessage } from '../../src/framing/message.ts';
import { exportGroupInfo } from '../../src/group/export.ts';
import { readProposal } from '../../src/group/proposal.ts';
import { readExtensions, writeExtensions } from '../../src/tree/extension.ts';
import { readLeaf } from '../../src/tree/leaf-node.ts';
import { Client, groupOf, refuses, suite1 as suite } from '../client.ts';
import { seeded } from '../entropy.ts';
import { refusal, add, odd } from './cast.ts';

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
