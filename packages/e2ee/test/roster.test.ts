/** Goal: the roster rules themselves, each broken alone. Method: rosters made by hand from verified bundles. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { AccountBundle } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import { credentialOf, decodeCredential, encodeCredential } from '../src/credential.ts';
import type { Leaf } from '../src/engine.ts';
import { decodeDirectContext, encodeDirectContext } from '../src/group-context.ts';
import type { RosterVerdict } from '../src/roster.ts';
import { verifyRoster, verifyRosterChange } from '../src/roster.ts';
import type { TestDevice, TestPerson } from './people.ts';
import { entropy, id, person, present } from './people.ts';

let alice: TestPerson;
let bob: TestPerson;
let mallory: TestPerson;
let people: readonly AccountBundle[];
let context: Uint8Array;

before(async () => {
  [alice, bob, mallory] = await Promise.all([person('alice', { devices: 2 }), person('bob'), person('mallory')]);
  people = [alice.bundle, bob.bundle];
  const accounts = [alice.bundle.account.account, bob.bundle.account.account] as const;
  context = encodeDirectContext({ generation: 1, predecessor: undefined, accounts });
});

function leaf(index: number, device: TestDevice, changes: Partial<Leaf> = {}): Leaf {
  const credential = encodeCredential(credentialOf(device));
  const encryptionKey = new Uint8Array(4).fill(index);
  return { index, credential, signingKey: device.certificate.signing, encryptionKey, ...changes };
}

function says(verdict: RosterVerdict, expected: string): void {
  assert.equal(verdict.kind === 'ok' ? 'ok' : verdict.reason, expected);
}

test('a roster of listed devices of the two accounts is good, one device or several', () => {
  says(verifyRoster([leaf(0, alice.device), leaf(1, bob.device)], context, people), 'ok');
  const second = present(alice.devices[1]);
  says(verifyRoster([leaf(0, alice.device), leaf(1, bob.device), leaf(2, second)], context, people), 'ok');
});

test('a leaf of a third account is refused, also when its certificates are known', () => {
  const roster = [leaf(0, alice.device), leaf(1, bob.device), leaf(2, mallory.device)];
  says(verifyRoster(roster, context, [...people, mallory.bundle]), 'third-account');
});

test('more leaves than listed devices are refused: one device has one leaf', () => {
  const roster = [leaf(0, alice.device), leaf(1, bob.device), leaf(2, bob.device)];
  says(verifyRoster(roster, context, people), 'too-many-leaves');
});

test('a roster without one of the two is refused', () => {
  says(verifyRoster([leaf(0, alice.device)], context, people), 'missing-account');
  says(verifyRoster([leaf(0, alice.device), leaf(1, present(alice.devices[1]))], context, people), 'missing-account');
  says(verifyRoster([], context, people), 'missing-account');
});

test('a leaf with a foreign key, or whose person is not known, is an unknown device', () => {
  const forged = leaf(1, bob.device, { signingKey: mallory.device.certificate.signing });
  says(verifyRoster([leaf(0, alice.device), forged], context, people), 'unknown-device');
  says(verifyRoster([leaf(0, alice.device), leaf(1, bob.device)], context, [alice.bundle]), 'unknown-device');
});

test('credentials and contexts that cannot be read are refused', () => {
  const unreadable = leaf(1, bob.device, { credential: entropy(30) });
  says(verifyRoster([leaf(0, alice.device), unreadable], context, people), 'credential');
  for (const bad of [new Uint8Array(0), context.subarray(1), Uint8Array.of(...context, 0)])
    says(verifyRoster([leaf(0, alice.device), leaf(1, bob.device)], bad, people), 'context');
});

function change(
  after: readonly Leaf[],
  changes: { committer?: number; contextAfter?: Uint8Array } = {},
): RosterVerdict {
  const before = [leaf(0, alice.device), leaf(1, bob.device)];
  return verifyRosterChange({
    before,
    after,
    committer: 0,
    contextBefore: context,
    contextAfter: context,
    people,
    ...changes,
  });
}

test("a commit changes its committer's HPKE key and nothing else", () => {
  const renewed = { encryptionKey: Uint8Array.of(9, 9) };
  const [a, b] = [leaf(0, alice.device, renewed), leaf(1, bob.device)];
  says(change([a, b]), 'ok');
  says(change([leaf(0, alice.device), b]), 'key-kept');
  says(change([a, leaf(1, bob.device, renewed)]), 'foreign-key-changed');
  says(change([a, b, leaf(2, present(alice.devices[1]))]), 'leaf-added');
  says(change([a]), 'leaf-removed');
  says(change([leaf(0, present(alice.devices[1]), renewed), b]), 'credential-changed');
  says(change([leaf(0, alice.device, { ...renewed, signingKey: entropy(32) }), b]), 'credential-changed');
  const accounts = [alice.bundle.account.account, bob.bundle.account.account] as const;
  const contextAfter = encodeDirectContext({ generation: 2, predecessor: undefined, accounts });
  says(change([a, b], { contextAfter }), 'context');
});

test('credentials and contexts survive encoding; non-canonical ones are none', () => {
  const credential = credentialOf(alice.device);
  const bytes = encodeCredential(credential);
  assert.deepEqual(decodeCredential(bytes), credential);
  for (const bad of [bytes.subarray(1), Uint8Array.of(...bytes, 0), Uint8Array.of(2, ...bytes.subarray(1))])
    assert.equal(decodeCredential(bad), undefined);
  const predecessor = id<GroupId>();
  const [x, y] = [mallory.bundle.account.account, bob.bundle.account.account];
  const encoded = encodeDirectContext({ generation: 3, predecessor, accounts: [x, y] });
  assert.deepEqual(encoded, encodeDirectContext({ generation: 3, predecessor, accounts: [y, x] }));
  const decoded = present(decodeDirectContext(encoded));
  assert.deepEqual([decoded.generation, decoded.predecessor], [3, predecessor]);
  const swapped = Uint8Array.of(...encoded.subarray(0, 26), ...encoded.subarray(42), ...encoded.subarray(26, 42));
  assert.equal(decodeDirectContext(swapped), undefined);
  assert.equal(decodeDirectContext(encodeDirectContext({ generation: 0, predecessor, accounts: [x, y] })), undefined);
});
