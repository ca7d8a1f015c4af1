/** Goal: the labelled cryptography and the codec agree with the working group's vectors. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Reader } from '../src/codec/reader.ts';
import { Writer } from '../src/codec/writer.ts';
import {
  decryptWithLabel,
  deriveSecret,
  deriveTreeSecret,
  encryptWithLabel,
  expandWithLabel,
  refHash,
  signWithLabel,
  verifyWithLabel,
} from '../src/crypto/labels.ts';
import { entropy } from './entropy.ts';
import { eachOfOurs, hex, toHex, vectorFilesOf, vectorsOf } from './vectors.ts';

interface CryptoBasics {
  readonly cipher_suite: number;
  readonly ref_hash: { readonly label: string; readonly value: string; readonly out: string };
  readonly expand_with_label: Record<'secret' | 'label' | 'context' | 'out', string> & { readonly length: number };
  readonly derive_secret: Record<'secret' | 'label' | 'out', string>;
  readonly derive_tree_secret: Record<'secret' | 'label' | 'out', string> & {
    readonly generation: number;
    readonly length: number;
  };
  readonly sign_with_label: Record<'priv' | 'pub' | 'content' | 'label' | 'signature', string>;
  readonly encrypt_with_label: Record<
    'priv' | 'pub' | 'label' | 'context' | 'plaintext' | 'kem_output' | 'ciphertext',
    string
  >;
}

test('every labelled operation gives what the working group computed (crypto-basics)', (t) => {
  eachOfOurs<CryptoBasics>(t, 'crypto-basics', 2, (vector, suite) => {
    const { ref_hash: ref, expand_with_label: exp, derive_secret: der, derive_tree_secret: tree } = vector;
    assert.equal(toHex(refHash(suite, ref.label, hex(ref.value))), ref.out);
    const { length } = exp;
    const input = { secret: hex(exp.secret), label: exp.label, context: hex(exp.context), length };
    assert.equal(toHex(expandWithLabel(suite, input)), exp.out);
    assert.equal(toHex(deriveSecret(suite, hex(der.secret), der.label)), der.out);
    assert.equal(toHex(deriveTreeSecret(suite, { ...tree, secret: hex(tree.secret) })), tree.out);
    const { sign_with_label: sign, encrypt_with_label: enc } = vector;
    const signed = { label: sign.label, content: hex(sign.content) };
    const publicKey = hex(sign.pub);
    assert.ok(verifyWithLabel(suite, { ...signed, publicKey, signature: hex(sign.signature) }));
    const signature = signWithLabel(suite, { ...signed, privateKey: hex(sign.priv) });
    assert.ok(verifyWithLabel(suite, { ...signed, publicKey, signature }));
    assert.ok(!verifyWithLabel(suite, { ...signed, label: 'other', publicKey, signature }));
    const pair = { privateKey: hex(enc.priv), publicKey: hex(enc.pub) };
    const labelled = { label: enc.label, context: hex(enc.context) };
    const given = { output: hex(enc.kem_output), ciphertext: hex(enc.ciphertext) };
    assert.equal(toHex(decryptWithLabel(suite, { ...labelled, ...given, pair })), enc.plaintext);
    const plaintext = hex(enc.plaintext);
    const sealed = encryptWithLabel(suite, { ...labelled, publicKey: pair.publicKey, plaintext, entropy });
    assert.equal(toHex(decryptWithLabel(suite, { ...labelled, ...sealed, pair })), enc.plaintext);
  });
});

test('every file of the working group has a test that reads it', (t) => {
  const files = vectorFilesOf(t);
  const tests = readdirSync(import.meta.dirname).filter((name) => /^vectors-.*\.test\.ts$/.test(name));
  const text = tests.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8')).join('');
  for (const file of files ?? []) assert.ok(text.includes(`'${file}'`), file);
});

test('vector lengths are read and written as the working group does (deserialization)', (t) => {
  const vectors = vectorsOf<{ readonly vlbytes_header: string; readonly length: number }>(t, 'deserialization');
  if (vectors === undefined) return;
  assert.equal(vectors.length, 14);
  for (const { vlbytes_header: header, length } of vectors) {
    assert.equal(new Reader(hex(header)).length(), length);
    if (length > 100_000) continue;
    const written = new Writer().vector(new Uint8Array(length)).done();
    assert.equal(toHex(written.subarray(0, header.length / 2)), header);
  }
});
