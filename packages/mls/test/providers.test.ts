/** Goal: both providers are one set of primitives: equal results, equal refusals, and groups mixed of both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nobleProvider } from '../src/crypto/noble-provider.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { judgesAlike } from '../src/crypto/arguable-signatures.ts';
import type { CryptoProvider } from '../src/crypto/provider.ts';
import { suiteIds, suiteOf } from '../src/crypto/suite.ts';
import { isMlKemKey, isX25519Key } from '../src/crypto/usable-key.ts';
import { Client, addAll, assertAgreement } from './client.ts';
import { seeded } from './entropy.ts';
import { hex, toHex } from './vectors.ts';

const providers: readonly CryptoProvider[] = [nodeProvider, nobleProvider];
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const runs = { numRuns: 20 };

/** What both give; undefined counts. */
function alike<T>(run: (provider: CryptoProvider) => T): T {
  const [one, other] = providers.map(run);
  assert.deepEqual(other, one);
  return one as T;
}

test('hashes, MACs and AEADs are the same', () => {
  const input = fc.record({ key: bytes(32), nonce: bytes(12), aad: fc.uint8Array(), data: fc.uint8Array() });
  fc.assert(
    fc.property(input, ({ key, nonce, aad, data }) => {
      for (const name of ['sha256', 'sha512'] as const) {
        alike((provider) => new Uint8Array(provider.hash(name, data)));
        alike((provider) => new Uint8Array(provider.hmac(name, key, data)));
      }
      alike((provider) => new Uint8Array(provider.sha3(data)));
      alike((provider) => new Uint8Array(provider.shake256(data, 96)));
      for (const name of ['aes128gcm', 'aes256gcm', 'chacha20poly1305'] as const) {
        const use = { key: name === 'aes128gcm' ? key.slice(16) : key, nonce, aad };
        const ciphertext = alike((provider) => new Uint8Array(provider.seal(name, { ...use, plaintext: data })));
        const opened = alike((provider) => plain(provider.open(name, { ...use, ciphertext })));
        assert.deepEqual(opened, new Uint8Array(data));
        const damaged = ciphertext.with(0, (ciphertext[0] ?? 0) ^ 1);
        assert.equal(
          alike((provider) => provider.open(name, { ...use, ciphertext: damaged })),
          undefined,
        );
        assert.equal(
          alike((provider) => provider.open(name, { ...use, ciphertext: damaged.slice(0, 15) })),
          undefined,
        );
      }
    }),
    runs,
  );
});

const plain = (value: Uint8Array | undefined): Uint8Array | undefined => value && new Uint8Array(value);

test('signatures and key agreements are the same, and so is what is refused', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), fc.uint8Array(), (mine, theirs, message) => {
      const key = alike((provider) => plain(provider.ed25519.publicOf(mine))) ?? assert.fail();
      const signature = alike((provider) => plain(provider.ed25519.sign(mine, message))) ?? assert.fail();
      assert.ok(alike((provider) => provider.ed25519.verify(key, message, signature)));
      const damaged = signature.with(40, (signature[40] ?? 0) ^ 1);
      assert.ok(!alike((provider) => provider.ed25519.verify(key, message, damaged)));
      assert.ok(!alike((provider) => provider.ed25519.verify(key.slice(1), message, signature)));
      assert.ok(!alike((provider) => provider.ed25519.verify(key, message, signature.slice(1))));
      const share = alike((provider) => plain(provider.x25519.publicOf(theirs))) ?? assert.fail();
      const secret = alike((provider) => plain(provider.x25519.shared(mine, share)));
      const exchanged = providers.map((provider) => provider.x25519.exchange(mine, share));
      for (const one of exchanged) assert.equal(toHex(one?.shared ?? mine), toHex(secret ?? theirs));
      assert.equal(
        alike((provider) => provider.x25519.shared(mine, new Uint8Array(32))),
        undefined,
      );
      assert.equal(
        alike((provider) => provider.x25519.shared(mine, share.slice(1))),
        undefined,
      );
    }),
    runs,
  );
});

test('signatures that libraries disagree about are judged alike', () => {
  for (const { name, ed25519 } of providers) {
    assert.ok(judgesAlike(ed25519), name);
    assert.ok(!judgesAlike({ ...ed25519, verify: () => true }));
    assert.ok(!judgesAlike({ ...ed25519, verify: () => false }));
    assert.ok(!judgesAlike({ ...ed25519, sign: (key, message) => ed25519.sign(key, message).toReversed() }));
  }
});

test('ML-KEM keys and secrets of one provider are understood by the other', () => {
  const entropy = seeded('ml-kem');
  const seed = entropy(64);
  const publicKey = alike((provider) => plain(provider.mlKem768.publicOf(seed))) ?? assert.fail();
  for (const provider of providers) {
    const made = provider.mlKem768.encapsulate(publicKey, entropy) ?? assert.fail();
    assert.deepEqual(
      alike((other) => plain(other.mlKem768.decapsulate(seed, made.output))),
      plain(made.secret),
    );
    alike((other) => plain(other.mlKem768.decapsulate(seed, made.output.with(3, (made.output[3] ?? 0) ^ 1))));
    assert.equal(provider.mlKem768.decapsulate(seed, made.output.slice(1)), undefined);
    assert.equal(provider.mlKem768.encapsulate(publicKey.slice(1), entropy), undefined);
    assert.equal(provider.mlKem768.encapsulate(hex('ff'.repeat(1184)), entropy), undefined);
  }
});

test('keys that nothing can be sealed to are known before anything is sealed to them', () => {
  const entropy = seeded('traps');
  const scalar = entropy(32);
  const high = (key: Uint8Array): Uint8Array => key.with(31, (key[31] ?? 0) | 0x80);
  const traps = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    ...['ec', 'ed', 'ee'].map((byte) => `${byte}${'ff'.repeat(30)}7f`),
  ].map(hex);
  for (const key of traps.flatMap((trap) => [trap, high(trap)])) {
    for (const { x25519 } of providers) assert.equal(x25519.shared(scalar, key), undefined);
    assert.equal(isX25519Key(key), false);
  }
  const fine = nodeProvider.x25519.publicOf(scalar);
  for (const key of [
    fine,
    high(fine),
    hex(`02${'00'.repeat(31)}`),
    hex(`eb${'ff'.repeat(30)}7f`),
    hex('ff'.repeat(32)),
  ]) {
    for (const { x25519 } of providers) assert.ok(x25519.shared(scalar, key));
    assert.ok(isX25519Key(key));
  }
  const kem = nodeProvider.mlKem768.publicOf(entropy(64));
  // The first and the last coefficient: 3,328 is the greatest, 3,329 none.
  const first = (value: number) => kem.with(0, value & 0xff).with(1, ((kem[1] ?? 0) & 0xf0) | (value >> 8));
  const last = (value: number) => kem.with(1151, value >> 4).with(1150, ((kem[1150] ?? 0) & 15) | ((value & 15) << 4));
  for (const [key, usable] of [
    [kem, true],
    [first(3328), true],
    [last(3328), true],
    [first(3329), false],
    [last(3329), false],
    [kem.slice(1), false],
  ] as const) {
    for (const { mlKem768 } of providers) assert.equal(mlKem768.encapsulate(key, entropy) !== undefined, usable);
    assert.equal(isMlKemKey(key), usable);
  }
});

for (const id of suiteIds)
  test(`a group of members with either provider stays together (suite ${id})`, () => {
    const entropy = seeded(`mixed ${id}`);
    const clients = ['alice', 'bob', 'carol', 'dave'].map(
      (name, i) => new Client(name, suiteOf(providers[i % 2] ?? nodeProvider, id), entropy),
    );
    const [alice, bob, carol, dave] = clients;
    assert.ok(alice && bob && carol && dave);
    alice.create();
    addAll(alice, [bob, carol]);
    addAll(bob, [dave], [alice, carol]);
    for (const committer of clients) {
      const { commit } = committer.commit();
      for (const other of clients) if (other !== committer) other.follow(commit);
      assertAgreement(clients);
      const message = committer.send('hello');
      for (const other of clients) if (other !== committer) assert.equal(other.read(message), 'hello');
    }
  });
