/** Goal: one key, one use; nothing but plain RSA of 2048 to 4096 bits with e = 65537 comes in. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { RsaPrivate, RsaPublic } from '@securechat/crypto';
import {
  fingerprintOf,
  generateRsa,
  importRsaPrivate,
  importRsaPublic,
  oaepOpen,
  oaepSeal,
  pssSign,
  pssVerify,
} from '@securechat/crypto';
import { keys } from './keys.ts';

const text = new TextEncoder().encode('a text');
const none = new Uint8Array(0);

/** A well-formed SPKI with a random odd modulus: quicker than a real key, and import cannot tell. */
function spkiOf(bits: number, exponent = 'AQAB'): Uint8Array {
  const modulus = randomBytes(Math.ceil(bits / 8));
  modulus[0] = bits % 8 === 0 ? 0x80 : 1 << ((bits - 1) % 8);
  modulus[modulus.length - 1] = 0x01;
  const key = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent };
  return createPublicKey({ key, format: 'jwk' }).export({ format: 'der', type: 'spki' });
}

test('a generated key survives export and import and keeps its fingerprint', async () => {
  const { identity } = keys;
  const again = importRsaPrivate('identity', identity.exportPkcs8());
  assert.equal(again.public.fingerprint, identity.public.fingerprint);
  assert.match(identity.public.fingerprint, /^sha256:[A-Za-z0-9_-]{43}$/);
  assert.equal(fingerprintOf(identity.public.spki), identity.public.fingerprint);
  const signature = await pssSign(again, text);
  assert.ok(pssVerify(importRsaPublic('identity', identity.public.spki), text, signature));
  assert.equal(identity.public.bits, 2048);
});

test('sizes other than 2048 to 4096, or no multiple of 8, are not generated', async () => {
  for (const bits of [1024, 2040, 2049, 4104, 8192, Number.NaN])
    await assert.rejects(generateRsa('sealing', bits), { code: 'USAGE' });
});

test('keys outside the bounds are not imported', () => {
  const refuse = (der: Uint8Array, code: string): void =>
    assert.throws(() => importRsaPublic('sealing', der), { code });
  for (const bits of [1024, 2040, 2044, 2050, 4104])
    refuse(spkiOf(bits), bits > 4096 ? 'MALFORMED' : 'CERTIFICATE_REJECTED');
  refuse(spkiOf(2048, 'Aw'), 'CERTIFICATE_REJECTED');
  const foreign = [
    generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).publicKey,
    generateKeyPairSync('ed25519').publicKey,
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  ];
  for (const key of foreign) refuse(key.export({ format: 'der', type: 'spki' }), 'CERTIFICATE_REJECTED');
  refuse(none, 'MALFORMED');
  refuse(new Uint8Array(551), 'MALFORMED');
  refuse(Uint8Array.from([...keys.sealing.public.spki, 0]), 'MALFORMED');
  assert.throws(() => importRsaPrivate('identity', keys.identity.public.spki), { code: 'MALFORMED' });
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'der', type: 'pkcs8' });
  assert.throws(() => importRsaPrivate('identity', small), { code: 'CERTIFICATE_REJECTED' });
});

test('keys at both bounds and of every multiple of 8 between are taken', () => {
  for (const [bits, bytes] of [
    [2048, 294],
    [2056, 295],
    [3072, 422],
    [4096, 550],
  ] as const) {
    const key = importRsaPublic('sealing', spkiOf(bits));
    assert.deepEqual([key.bits, key.spki.length], [bits, bytes]);
  }
});

test('OAEP opens with the same label alone', async () => {
  const key = keys.sealing;
  const ciphertext = oaepSeal({ key: key.public, label: text, plaintext: text });
  assert.deepEqual(await oaepOpen({ key, label: text, ciphertext }), text);
  assert.equal(await oaepOpen({ key, label: none, ciphertext }), undefined);
  assert.equal(await oaepOpen({ key: keys.otherSealing, label: text, ciphertext }), undefined);
  assert.equal(await oaepOpen({ key, label: text, ciphertext: ciphertext.subarray(1) }), undefined);
  assert.equal(await oaepOpen({ key, label: text, ciphertext: none }), undefined);
});

test('a key of one purpose is refused for the other, by type and at run time', async () => {
  const signing = keys.identity as unknown as RsaPrivate<'sealing'>;
  const opening = keys.sealing as unknown as RsaPrivate<'identity'>;
  await assert.rejects(oaepOpen({ key: signing, label: none, ciphertext: none }), { code: 'INTERNAL' });
  await assert.rejects(async () => pssSign(opening, text), { code: 'INTERNAL' });
  assert.throws(() => oaepSeal({ key: signing.public, label: none, plaintext: text }), { code: 'INTERNAL' });
  assert.throws(() => pssVerify(opening.public, text, none), { code: 'INTERNAL' });
  // @ts-expect-error an identity key is no sealing key
  const wrong: RsaPublic<'sealing'> = keys.identity.public;
  // @ts-expect-error a sealing key is no identity key
  const alsoWrong: RsaPrivate<'identity'> = keys.sealing;
  assert.equal(String(wrong.purpose), 'identity');
  assert.equal(String(alsoWrong.purpose), 'sealing');
});

test('a signature belongs to its message and key', async () => {
  const signature = await pssSign(keys.identity, text);
  assert.ok(pssVerify(keys.identity.public, text, signature));
  assert.ok(!pssVerify(keys.identity.public, none, signature));
  assert.ok(!pssVerify(keys.otherIdentity.public, text, signature));
  assert.ok(!pssVerify(keys.identity.public, text, signature.subarray(1)));
});

/** By a key that is used nowhere, over `text`: one of 256 begins with a zero byte. */
const keyWithoutUse =
  'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3d3treYktP5kqFlDutDCufVaLhyYs3YGX4zpa5zFfEbRlwiV87X1MEb_' +
  'flJGNlF1JKakVw-oeaEQSqAp9O4ajt0rkEgBaVb-cH4A6eoqCkTbZASjerVWlQungj2xlD7mMkgBneWt3MBHDHgN_hngw9oUODxP' +
  'e3GiEf_QewFDB3n4cCFMhTXJaNp-TxSCS10I0eBXGZTAozlqx_v5n1NEinWnO4dA3B9hMa5t9TaHfwRynRgwESibBNaJGAGijT0m' +
  '9a2swV0oXpUIPWvwLJCg7NDFVYGurPb_zHR_BODcCo0pPZ5PL7kCW6qobu6pdp1Orckqi75-UTyPYstQPuEIkQIDAQAB';
const signatureWithZero =
  'AMwq4rgNe43IlEXyKyh7cP4fstwMtP-DpSLZZCcHAOiKNjRcXTCHjpb5Fdp3sq1qeIBg3iFHCA1JsfJWh4KhqWkere5atvvXIwVP' +
  'SjiSpRqkpdYFZ9k9qLT6JQCD6B0UoN2QJekrrJmtJI7Xxh1HnDIlADarWlEFpwikdNofusTD_cwVETPcKNn1-P9M4XKxA27MZsoI' +
  'IzDW3yjR0Qu48XgvsCHXnEI7euyHPc9qY4OBF6UwSbxPANHhlJQoTykSLQ1GKdoRgO9Ss8HVnW6dTNDrDjT2TU4LAbQS7IsVEanU' +
  'hWhLMO3hSQGDLxbItljAScHHDFJkUcR9-EyDIV3j-g';

test('a signature has the length of its modulus: neither without its leading zero nor with one more (RFC 8017 §8.1.2)', () => {
  const key = importRsaPublic('identity', Buffer.from(keyWithoutUse, 'base64url'));
  const signature = Buffer.from(signatureWithZero, 'base64url');
  assert.deepEqual([signature.length, signature[0]], [256, 0]);
  assert.ok(pssVerify(key, text, signature));
  assert.ok(!pssVerify(key, text, signature.subarray(1)));
  assert.ok(!pssVerify(key, text, Uint8Array.of(0, ...signature)));
});
