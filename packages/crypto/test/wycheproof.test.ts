/**
 * Goal: our functions agree with Wycheproof. Method: every case of every file runs through the exported function; cases
 * whose parameters are not ours (other key sizes, hashes, salts, nonce sizes) must be refused like invalid ones.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeChacha20poly1305 } from '../src/aead.ts';
import { nodeX25519 } from '../src/x25519-node.ts';
import {
  aes256gcm,
  chacha20poly1305,
  ed25519,
  equal,
  hkdfSha256,
  hmacSha256,
  importRsaPrivate,
  importRsaPublic,
  oaepOpen,
  pssVerify,
  x25519,
} from '@securechat/crypto';
import type { Aead } from '@securechat/crypto';
import { cases, groupsOf, hex, skip } from './vectors.ts';

function runAead(aead: Aead, name: string): { ran: number; foreign: number } {
  const counts = { ran: 0, foreign: 0 };
  for (const { group, one } of cases(name)) {
    const use = { key: hex(one['key']), nonce: hex(one['iv']), aad: hex(one['aad']) };
    const ciphertext = Uint8Array.from([...hex(one['ct']), ...hex(one['tag'])]);
    const plaintext = hex(one['msg']);
    const opened = aead.open({ ...use, ciphertext });
    const ours = group['keySize'] === 256 && group['ivSize'] === 96;
    if (ours && one.result === 'valid') {
      assert.deepEqual(opened, plaintext, `case ${one.tcId}`);
      assert.deepEqual(aead.seal({ ...use, plaintext }), ciphertext, `case ${one.tcId}`);
    } else {
      assert.equal(opened, undefined, `case ${one.tcId}`);
      if (!ours) assert.throws(() => aead.seal({ ...use, plaintext }), { code: 'INTERNAL' });
    }
    counts[ours ? 'ran' : 'foreign'] += 1;
  }
  return counts;
}

test('AES-256-GCM agrees with Wycheproof and refuses other key and nonce sizes', { skip }, () => {
  assert.deepEqual(runAead(aes256gcm, 'aes_gcm'), { ran: 66, foreign: 250 });
});

test('ChaCha20-Poly1305 agrees with Wycheproof, by libsodium and by node:crypto', { skip }, () => {
  for (const aead of [chacha20poly1305, nodeChacha20poly1305])
    assert.deepEqual(runAead(aead, 'chacha20_poly1305'), { ran: 316, foreign: 9 });
});

test('X25519 agrees with Wycheproof and refuses all-zero results', { skip }, () => {
  let ran = 0;
  let zeros = 0;
  for (const { one } of cases('x25519')) {
    const wanted = /^0*$/.test(one['shared'] as string) ? undefined : hex(one['shared']);
    for (const { shared } of [x25519, nodeX25519])
      assert.deepEqual(shared(hex(one['private']), hex(one['public'])), wanted, `case ${one.tcId}`);
    if (wanted === undefined) zeros += 1;
    ran += 1;
  }
  assert.deepEqual({ ran, zeros }, { ran: 518, zeros: 31 });
});

test('Ed25519 agrees with Wycheproof', { skip }, () => {
  let ran = 0;
  for (const { group, one } of cases('ed25519')) {
    const publicKey = hex((group['publicKey'] as { pk: string }).pk);
    const verified = ed25519.verify(publicKey, hex(one['msg']), hex(one['sig']));
    assert.equal(verified, one.result === 'valid', `case ${one.tcId}`);
    ran += 1;
  }
  assert.equal(ran, 151);
});

test('HMAC-SHA256 agrees with Wycheproof, truncated tags included', { skip }, () => {
  let ran = 0;
  for (const { group, one } of cases('hmac_sha256')) {
    const tag = hmacSha256(hex(one['key']), hex(one['msg'])).subarray(0, (group['tagSize'] as number) / 8);
    assert.equal(equal(tag, hex(one['tag'])), one.result === 'valid', `case ${one.tcId}`);
    ran += 1;
  }
  assert.equal(ran, 174);
});

test('HKDF-SHA256 agrees with Wycheproof and refuses more than 255 blocks', { skip }, () => {
  let ran = 0;
  for (const { one } of cases('hkdf_sha256')) {
    const length = one['size'] as number;
    const input = { ikm: hex(one['ikm']), salt: hex(one['salt']), info: hex(one['info']), length };
    if (one.result === 'valid') assert.deepEqual(hkdfSha256(input), hex(one['okm']), `case ${one.tcId}`);
    else assert.throws(() => hkdfSha256(input));
    ran += 1;
  }
  assert.equal(ran, 86);
});

test('RSA-PSS agrees with Wycheproof and refuses every other hash, MGF or salt', { skip }, () => {
  const counts = { ran: 0, foreign: 0 };
  const files = [
    'rsa_pss_2048_sha256_mgf1_32',
    'rsa_pss_3072_sha256_mgf1_32',
    'rsa_pss_2048_sha256_mgf1_0',
    'rsa_pss_2048_sha256_mgf1sha1_20',
    'rsa_pss_misc',
  ];
  for (const name of files)
    for (const group of groupsOf(name)) {
      const key = importRsaPublic('identity', hex(group['publicKeyDer'] ?? group['publicKeyAsn']));
      const ours = group['sha'] === 'SHA-256' && group['mgfSha'] === 'SHA-256' && group['sLen'] === 32;
      for (const one of group.tests) {
        // A salt of 32 is "invalid" where the group asks for none, and right for us.
        const ourSalt = group['mgfSha'] === 'SHA-256' && one.comment === 's_len changed to 32';
        const verified = pssVerify(key, hex(one['msg']), hex(one['sig']));
        assert.equal(verified, ourSalt || (ours && one.result === 'valid'), `${name} case ${one.tcId}`);
        counts[ours ? 'ran' : 'foreign'] += 1;
      }
    }
  assert.deepEqual(counts, { ran: 217, foreign: 360 });
});

test('an SPKI of the RSASSA-PSS kind is refused: keys are plain RSA', { skip }, () => {
  for (const group of groupsOf('rsa_pss_2048_sha256_mgf1_32_params'))
    assert.throws(() => importRsaPublic('identity', hex(group['publicKeyDer'] ?? group['publicKeyAsn'])), {
      code: 'CERTIFICATE_REJECTED',
    });
});

test(
  'RSA-OAEP agrees with Wycheproof; other hashes do not open, other key sizes are not imported',
  { skip },
  async () => {
    const counts = { ran: 0, foreign: 0, notImported: 0 };
    const files = [
      'rsa_oaep_2048_sha256_mgf1sha256',
      'rsa_oaep_3072_sha256_mgf1sha256',
      'rsa_oaep_2048_sha256_mgf1sha1',
      'rsa_oaep_misc',
    ];
    for (const name of files)
      for (const group of groupsOf(name)) {
        const der = hex(group['privateKeyPkcs8']);
        const bits = group['keySize'] as number;
        if (bits < 2048 || bits > 4096) {
          assert.throws(() => importRsaPrivate('sealing', der), { code: 'CERTIFICATE_REJECTED' });
          counts.notImported += group.tests.length;
          continue;
        }
        const key = importRsaPrivate('sealing', der);
        const ours = group['sha'] === 'SHA-256' && group['mgfSha'] === 'SHA-256';
        for (const one of group.tests) {
          const opened = await oaepOpen({ key, label: hex(one['label']), ciphertext: hex(one['ct']) });
          if (!ours || one.result === 'invalid') assert.equal(opened, undefined, `${name} case ${one.tcId}`);
          else if (one.result === 'valid') assert.deepEqual(opened, hex(one['msg']), `${name} case ${one.tcId}`);
          counts[ours ? 'ran' : 'foreign'] += 1;
        }
      }
    assert.ok(counts.ran >= 90 && counts.notImported > 0, JSON.stringify(counts));
    assert.equal(counts.ran + counts.foreign + counts.notImported, 37 + 37 + 31 + 395);
  },
);
