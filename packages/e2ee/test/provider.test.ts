/**
 * Goal: our provider and ts-mls's own are the same to each other. Method: groups whose members use one or the other, both
 * ways round, for the suite of conversations and the two of RFC 9420; then HPKE with what must not open.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CiphersuiteImpl, CiphersuiteName, ClientState } from 'ts-mls';
import {
  createApplicationMessage,
  createCommit,
  createGroup,
  defaultCapabilities,
  defaultCryptoProvider,
  defaultLifetime,
  emptyPskIndex,
  generateKeyPackage,
  getCiphersuiteFromName,
  joinGroup,
  mlsExporter,
  processPrivateMessage,
} from 'ts-mls';
import { equal, hpkeOpen, hpkeReceiveExport, hpkeSeal, hpkeSendExport, systemEntropy, xwing } from '@securechat/crypto';
import { SecureChatError } from '@securechat/wire';
import { suiteIsCovered, suiteOf } from '../src/ts-mls/provider.ts';

const suites: readonly CiphersuiteName[] = [
  'MLS_256_XWING_AES256GCM_SHA512_Ed25519',
  'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
  'MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519',
];

for (const name of suites) {
  const suite = getCiphersuiteFromName(name);
  const ours = suiteOf(suite, systemEntropy);
  test(`${name}: a group of our provider and ts-mls's own agrees, whoever founds it`, async () => {
    const theirs = await defaultCryptoProvider.getCiphersuiteImpl(suite);
    await talk(ours, theirs);
    await talk(theirs, ours);
  });
}

async function talk(founder: CiphersuiteImpl, joiner: CiphersuiteImpl): Promise<void> {
  const [a, b] = await Promise.all([member(founder), member(joiner)]);
  const alone = await createGroup(new Uint8Array(16), a.publicPackage, a.privatePackage, [], founder);
  const added = await createCommit(
    { state: alone, cipherSuite: founder },
    {
      extraProposals: [{ proposalType: 'add', add: { keyPackage: b.publicPackage } }],
      ratchetTreeExtension: true,
    },
  );
  assert.ok(added.welcome !== undefined);
  let first = added.newState;
  let second = await joinGroup(added.welcome, b.publicPackage, b.privatePackage, emptyPskIndex, joiner);
  await agree(first, founder, second, joiner);
  // Each commits once, so that path secrets are encrypted by one provider and opened by the other.
  const byFirst = await createCommit({ state: first, cipherSuite: founder });
  second = await process(second, byFirst.commit, joiner);
  first = byFirst.newState;
  await agree(first, founder, second, joiner);
  const bySecond = await createCommit({ state: second, cipherSuite: joiner });
  first = await process(first, bySecond.commit, founder);
  second = bySecond.newState;
  await agree(first, founder, second, joiner);
  await message(first, founder, second, joiner);
  await message(second, joiner, first, founder);
}

function member(cs: CiphersuiteImpl): ReturnType<typeof generateKeyPackage> {
  const identity = cs.rng.randomBytes(8);
  return generateKeyPackage({ credentialType: 'basic', identity }, defaultCapabilities(), defaultLifetime, [], cs);
}

async function agree(a: ClientState, ofA: CiphersuiteImpl, b: ClientState, ofB: CiphersuiteImpl): Promise<void> {
  assert.deepEqual(a.keySchedule.epochAuthenticator, b.keySchedule.epochAuthenticator);
  const exported = (state: ClientState, cs: CiphersuiteImpl): Promise<Uint8Array> =>
    mlsExporter(state.keySchedule.exporterSecret, 'test', new Uint8Array(3), 40, cs);
  assert.deepEqual(await exported(a, ofA), await exported(b, ofB));
}

async function process(
  state: ClientState,
  commit: Awaited<ReturnType<typeof createCommit>>['commit'],
  cs: CiphersuiteImpl,
): Promise<ClientState> {
  assert.ok(commit.wireformat === 'mls_private_message');
  const result = await processPrivateMessage(state, commit.privateMessage, emptyPskIndex, cs);
  assert.equal(result.kind, 'newState');
  return result.newState;
}

async function message(from: ClientState, ofFrom: CiphersuiteImpl, to: ClientState, ofTo: CiphersuiteImpl) {
  const text = Uint8Array.of(1, 2, 3);
  const sent = await createApplicationMessage(from, text, ofFrom, Uint8Array.of(9));
  const read = await processPrivateMessage(to, sent.privateMessage, emptyPskIndex, ofTo);
  assert.ok(read.kind === 'applicationMessage' && equal(read.message, text));
}

test('a suite that the provider does not cover is refused', () => {
  const suite = getCiphersuiteFromName('MLS_128_DHKEMP256_AES128GCM_SHA256_P256');
  assert.equal(suiteIsCovered(suite), false);
  assert.throws(
    () => suiteOf(suite, systemEntropy),
    (error) => error instanceof SecureChatError && error.code === 'NOT_SUPPORTED',
  );
});

const hpke = { kem: 'xwing', kdf: 'sha512', aead: 'aes256gcm' } as const;

test('HPKE over X-Wing opens what was sealed, and nothing that differs in one input', () => {
  const { privateKey, publicKey } = xwing.generate(systemEntropy);
  const info = Uint8Array.of(1);
  const aad = Uint8Array.of(2);
  const plaintext = new Uint8Array(50).fill(7);
  const sealed = hpkeSeal(hpke, { publicKey, info, aad, plaintext, entropy: systemEntropy });
  assert.ok(sealed !== undefined);
  const { encapsulated, ciphertext } = sealed;
  const input = { privateKey, encapsulated, info, aad, ciphertext };
  assert.deepEqual(hpkeOpen(hpke, input), plaintext);
  for (const field of ['privateKey', 'encapsulated', 'info', 'aad', 'ciphertext'] as const) {
    for (const at of [0, input[field].length - 1]) {
      const changed = input[field].slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.equal(hpkeOpen(hpke, { ...input, [field]: changed }), undefined, field);
    }
    assert.equal(hpkeOpen(hpke, { ...input, [field]: input[field].subarray(1) }), undefined, `short ${field}`);
  }
  assert.equal(hpkeOpen({ ...hpke, aead: 'chacha20poly1305' }, input), undefined);
});

test('HPKE exports agree, and a public key that is none is refused', () => {
  const { privateKey, publicKey } = xwing.derive(Uint8Array.of(1, 2, 3));
  const info = new Uint8Array(0);
  const context = Uint8Array.of(4);
  const sent = hpkeSendExport(hpke, { publicKey, info, context, length: 48, entropy: systemEntropy });
  assert.ok(sent !== undefined);
  const { encapsulated, secret } = sent;
  assert.deepEqual(hpkeReceiveExport(hpke, { privateKey, encapsulated, info, context, length: 48 }), secret);
  const short = publicKey.subarray(1);
  const message = { info, aad: info, plaintext: info, entropy: systemEntropy };
  assert.equal(hpkeSeal(hpke, { ...message, publicKey: short }), undefined);
  // A zero X25519 share would make the classical half known to everybody.
  const zeroShare = publicKey.slice();
  zeroShare.fill(0, zeroShare.length - 32);
  assert.equal(hpkeSeal(hpke, { ...message, publicKey: zeroShare }), undefined);
});
