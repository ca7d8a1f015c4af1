/** Goal: what the vectors do not say of hashes, AEAD, key agreement, entropy, passwords and proof of work. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aes256gcm,
  chacha20poly1305,
  digest,
  ed25519,
  equal,
  hasher,
  hkdf,
  hkdfExpand,
  hkdfExtract,
  mlKem768,
  passwordKey,
  proofOfWork,
  seededEntropy,
  sha256,
  sha3,
  sha512,
  shake256,
  systemEntropy,
  wipe,
  x25519,
} from '@securechat/crypto';
import { nodeChacha20poly1305 } from '../src/aead.ts';
import { nodeEd25519 } from '../src/ed25519-node.ts';
import { exchangesAlike, loadSodiumX25519 } from '../src/sodium-x25519.ts';
import { nodeX25519 } from '../src/x25519-node.ts';
import { agrees, loadSodium, loadSodiumEd25519, signsAlike } from '../src/sodium.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const abc = new TextEncoder().encode('abc');
const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });

test('hashes give the values of FIPS 180-4 and FIPS 202 for "abc"', () => {
  assert.equal(hex(sha256(abc)), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.match(hex(sha512(abc)), /^ddaf35a193617abacc417349ae204131.*a54ca49f$/);
  assert.equal(hex(sha3(abc)), '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532');
  assert.equal(hex(shake256(abc, 32)), '483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739');
});

test('a hash over pieces is the hash of the whole', () => {
  fc.assert(
    fc.property(fc.array(bytes(40), { maxLength: 6 }), (pieces) => {
      const state = hasher('sha256');
      for (const piece of pieces) state.update(piece);
      assert.deepEqual(state.digest(), digest('sha256', Buffer.concat(pieces)));
    }),
  );
});

test('HKDF in two steps is HKDF in one, for both hashes', () => {
  fc.assert(
    fc.property(bytes(80), bytes(80), bytes(80), fc.integer({ min: 1, max: 200 }), (ikm, salt, info, length) => {
      for (const name of ['sha256', 'sha512'] as const) {
        const once = hkdf(name, { ikm, salt, info, length });
        assert.deepEqual(hkdfExpand(name, hkdfExtract(name, salt, ikm), info, length), once);
      }
    }),
    { numRuns: 50 },
  );
  assert.throws(() => hkdfExpand('sha256', new Uint8Array(32), abc, 255 * 32 + 1), RangeError);
});

test('AEAD opens what it sealed, and nothing after one changed bit of key, nonce, data or text', () => {
  const input = fc.record({ plaintext: bytes(300), aad: bytes(40), bit: fc.nat(), seed: bytes(8) });
  fc.assert(
    fc.property(input, ({ plaintext, aad, bit, seed }) => {
      const entropy = seededEntropy(seed);
      const use = { key: entropy(32), nonce: entropy(12), aad };
      for (const aead of [aes256gcm, chacha20poly1305, nodeChacha20poly1305]) {
        const ciphertext = aead.seal({ ...use, plaintext });
        assert.equal(ciphertext.length, plaintext.length + 16);
        assert.deepEqual(aead.open({ ...use, ciphertext }), plaintext);
        const flip = (from: Uint8Array): Uint8Array => {
          const copy = from.slice();
          if (copy.length > 0) copy[bit % copy.length] = (copy[bit % copy.length] ?? 0) ^ (1 << (bit % 8));
          return copy;
        };
        assert.equal(aead.open({ ...use, ciphertext: flip(ciphertext) }), undefined);
        assert.equal(aead.open({ ...use, ciphertext, key: flip(use.key) }), undefined);
        assert.equal(aead.open({ ...use, ciphertext, nonce: flip(use.nonce) }), undefined);
        if (aad.length > 0) assert.equal(aead.open({ ...use, ciphertext, aad: flip(aad) }), undefined);
        assert.equal(aead.open({ ...use, ciphertext: ciphertext.subarray(1) }), undefined);
      }
    }),
    { numRuns: 50 },
  );
});

test('AEAD leaves the asked room in front of the ciphertext', () => {
  const use = { key: new Uint8Array(32), nonce: new Uint8Array(12), aad: abc, plaintext: abc };
  for (const aead of [aes256gcm, chacha20poly1305, nodeChacha20poly1305]) {
    const plainly = aead.seal(use);
    assert.deepEqual(aead.seal({ ...use, headBytes: 3 }), Uint8Array.from([0, 0, 0, ...plainly]));
  }
});

test('the self-test turns away a ChaCha20-Poly1305 that accepts a broken tag or seals otherwise', () => {
  assert.equal(agrees(nodeChacha20poly1305), true);
  const trusting = { ...nodeChacha20poly1305, open: () => new Uint8Array(0) };
  assert.equal(agrees(trusting), false);
  assert.equal(agrees({ ...nodeChacha20poly1305, seal: aes256gcm.seal }), false);
  const sodium = loadSodium();
  if (sodium !== undefined) assert.equal(agrees(sodium), true);
});

test('X25519 and ML-KEM-768 agree on a secret, and refuse keys of a wrong size or kind', () => {
  const [a, b] = [x25519.generate(systemEntropy), x25519.generate(systemEntropy)];
  assert.deepEqual(x25519.shared(a.privateKey, b.publicKey), x25519.shared(b.privateKey, a.publicKey));
  assert.equal(x25519.shared(a.privateKey, new Uint8Array(32)), undefined);
  assert.equal(x25519.shared(a.privateKey, new Uint8Array(31)), undefined);
  assert.equal(x25519.shared(new Uint8Array(31), a.publicKey), undefined);
  const answer = x25519.exchange(systemEntropy, a.publicKey);
  assert.deepEqual(answer?.secret, answer && x25519.shared(a.privateKey, answer.publicKey));
  assert.equal(x25519.exchange(systemEntropy, new Uint8Array(32)), undefined);

  const kem = mlKem768.generate(systemEntropy);
  assert.deepEqual([kem.privateKey.length, kem.publicKey.length], [64, 1184]);
  const sent = mlKem768.encapsulate(kem.publicKey);
  assert.ok(sent);
  assert.equal(sent.ciphertext.length, 1088);
  assert.deepEqual(mlKem768.decapsulate(kem.privateKey, sent.ciphertext), sent.secret);
  assert.equal(mlKem768.encapsulate(kem.publicKey.subarray(1)), undefined);
  // FIPS 203 §7.2, modulus check: coefficients are below 3329.
  assert.equal(mlKem768.encapsulate(new Uint8Array(1184).fill(0xff)), undefined);
  const wrong = sent.ciphertext.slice();
  wrong[5] = (wrong[5] ?? 0) ^ 1;
  const rejected = mlKem768.decapsulate(kem.privateKey, wrong);
  assert.equal(rejected?.length, 32);
  assert.notDeepEqual(rejected, sent.secret);
  assert.equal(mlKem768.decapsulate(kem.privateKey, wrong.subarray(1)), undefined);
});

test('key pairs are functions of the entropy given', () => {
  for (const kind of [x25519, ed25519, mlKem768]) {
    const once = kind.generate(seededEntropy('seed'));
    assert.deepEqual(kind.generate(seededEntropy('seed')), once);
    assert.notDeepEqual(kind.generate(seededEntropy('other')).publicKey, once.publicKey);
    assert.deepEqual(kind.publicOf(once.privateKey), once.publicKey);
  }
});

test('Ed25519 verifies what it signed and nothing of a wrong size', () => {
  const pair = ed25519.generate(systemEntropy);
  const signature = ed25519.sign(pair.privateKey, abc);
  assert.equal(ed25519.verify(pair.publicKey, abc, signature), true);
  assert.equal(ed25519.verify(pair.publicKey, abc.subarray(1), signature), false);
  assert.equal(ed25519.verify(pair.publicKey, abc, signature.subarray(1)), false);
  assert.equal(ed25519.verify(pair.publicKey.subarray(1), abc, signature), false);
});

test('libsodium signs and judges as node:crypto, and the self-test turns away what does not', () => {
  assert.equal(signsAlike(nodeEd25519), true);
  const sodium = loadSodiumEd25519();
  if (sodium !== undefined) assert.equal(signsAlike(sodium), true);
  assert.equal(signsAlike({ ...nodeEd25519, verify: () => true }), false);
  assert.equal(signsAlike({ ...nodeEd25519, verify: () => false }), false);
  assert.equal(signsAlike({ ...nodeEd25519, sign: () => new Uint8Array(64) }), false);
  assert.equal(signsAlike({ ...nodeEd25519, publicOf: (seed) => Uint8Array.from(seed) }), false);
});

test('libsodium exchanges as node:crypto, and the self-test turns away what does not', () => {
  assert.equal(exchangesAlike(nodeX25519), true);
  const sodium = loadSodiumX25519();
  if (sodium !== undefined) assert.equal(exchangesAlike(sodium), true);
  const { publicOf, shared } = nodeX25519;
  assert.equal(exchangesAlike({ publicOf: (key) => publicOf(key).with(0, 0), shared }), false);
  assert.equal(exchangesAlike({ publicOf, shared: () => undefined }), false);
  // Who takes points of small order shares zeros with everybody.
  const trusting = (own: Uint8Array, theirs: Uint8Array) => shared(own, theirs) ?? new Uint8Array(32);
  assert.equal(exchangesAlike({ publicOf, shared: trusting }), false);
});

test('a seed whose bytes are changed in place signs under its own public key, a wiped one under that of zeros', () => {
  for (const signer of [nodeEd25519, loadSodiumEd25519() ?? nodeEd25519]) {
    const seed = systemEntropy(32);
    const first = { publicKey: signer.publicOf(seed), signature: signer.sign(seed, abc) };
    for (const next of [systemEntropy(32), new Uint8Array(32)]) {
      seed.set(next);
      const signature = signer.sign(seed, abc);
      assert.equal(nodeEd25519.verify(nodeEd25519.publicOf(next), abc, signature), true);
      assert.equal(nodeEd25519.verify(first.publicKey, abc, signature), false);
    }
    assert.equal(nodeEd25519.verify(first.publicKey, abc, first.signature), true);
    assert.throws(() => signer.sign(new Uint8Array(31), abc));
  }
});

test('seeded entropy gives one stream, whatever the sizes asked for', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 8 }), (sizes) => {
      const pieces = seededEntropy('s');
      const whole = seededEntropy('s')(sizes.reduce((a, b) => a + b, 0));
      assert.deepEqual(Buffer.concat(sizes.map((size) => pieces(size))), Buffer.from(whole));
    }),
  );
  assert.notDeepEqual(seededEntropy('a')(32), seededEntropy('b')(32));
});

test('equal compares content and length; wipe leaves zeros', () => {
  assert.equal(equal(abc, abc.slice()), true);
  assert.equal(equal(abc, abc.subarray(1)), false);
  assert.equal(equal(abc, Uint8Array.of(1, 2, 3)), false);
  const secret = abc.slice();
  wipe(secret, undefined);
  assert.deepEqual(secret, new Uint8Array(3));
});

test('a password key is Argon2id of the NFKC form, of salt and cost', async () => {
  const cost = { memoryKiB: 64, passes: 1 };
  const salt = new Uint8Array(16);
  const key = await passwordKey({ password: 'caf\u00e9 \u2460', salt, ...cost });
  assert.equal(key.length, 32);
  assert.deepEqual(await passwordKey({ password: 'cafe\u0301 1', salt, ...cost }), key);
  assert.notDeepEqual(await passwordKey({ password: 'cafe 1', salt, ...cost }), key);
  assert.notDeepEqual(await passwordKey({ password: 'caf\u00e9 1', salt: new Uint8Array(16).fill(1), ...cost }), key);
  assert.notDeepEqual(await passwordKey({ password: 'caf\u00e9 1', salt, ...cost, passes: 2 }), key);
});

test('a proof of work is found, checked by one hash, and belongs to its challenge', async () => {
  const challenge = sha256(abc);
  let seen = 0;
  const nonce = await proofOfWork.solve(challenge, 13, { onProgress: (hashes) => (seen = hashes) });
  assert.equal(nonce.length, 8);
  assert.ok(proofOfWork.check(challenge, nonce, 13));
  assert.ok(!proofOfWork.check(challenge, nonce, 60));
  assert.ok(!proofOfWork.check(challenge, nonce.subarray(1), 0));
  assert.ok(!proofOfWork.check(challenge.subarray(1), nonce, 0));
  assert.ok(proofOfWork.check(challenge, new Uint8Array(8), 0));
  // Leading zero bits over a byte border, counted here in another way.
  const bits = Buffer.from(sha256(Buffer.concat([challenge, nonce])));
  assert.match([...bits].map((byte) => byte.toString(2).padStart(8, '0')).join(''), /^0{13}/);
  assert.ok(seen % 4096 === 0);
});

test('solving a proof of work lets others run and can be aborted', async () => {
  const abort = new AbortController();
  const solving = proofOfWork.solve(sha256(abc), 250, { signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  await assert.rejects(solving, { name: 'AbortError' });
});
