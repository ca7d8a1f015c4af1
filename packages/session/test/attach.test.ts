/** Goal: attaching takes both keys of a device, in this session, at this server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RsaPrivate } from '@securechat/crypto';
import { ed25519, openerOf, openSealed, sealTo } from '@securechat/crypto';
import type { AttachClaim, Session } from '@securechat/session';
import { attachTranscript, bindAttach, openAttachSecret, sealAttachSecret } from '@securechat/session';
import type { AccountId, DeviceId } from '@securechat/wire';
import { ByteWriter, idOf, limits } from '@securechat/wire';
import { entropy, handshake, keys, nowMs, only, utf8 } from './parties.ts';
import type { Pair } from './parties.ts';

const account = idOf<AccountId>(entropy(16));
const device = idOf<DeviceId>(entropy(16));
const signing = ed25519.generate(entropy);
const text = utf8('confirm');

function claimOf(session: Session): AttachClaim {
  return { server: keys.identity.public.fingerprint, account, device, transcript: session.transcript };
}

/** What the holder of the device's RSA key does with a sealed secret. */
function opening(
  key: RsaPrivate<'sealing'>,
): (sealed: Uint8Array, context: Uint8Array) => Promise<Uint8Array | undefined> {
  return (sealed, context) => openSealed({ openers: [openerOf(key)], purpose: 'attach', context, sealed, entropy });
}

/** The whole exchange; false where the server does not accept the signature or the first record. */
async function attach(
  { client, server }: Pair,
  held: { readonly signing: Uint8Array; readonly sealing: RsaPrivate<'sealing'> },
): Promise<boolean> {
  const signature = ed25519.sign(held.signing, attachTranscript(claimOf(client)));
  if (!ed25519.verify(signing.publicKey, attachTranscript(claimOf(server)), signature)) return false;
  const { sealed, secret } = sealAttachSecret(claimOf(server), keys.deviceSealing.public, entropy);
  const answer = only(server.seal(sealed, nowMs));
  bindAttach(server, { signature, sealed, secret }, nowMs);
  const received = client.open(answer);
  assert.ok(received);
  const opened = await openAttachSecret(claimOf(client), received, opening(held.sealing));
  bindAttach(client, { signature, sealed: received, secret: opened ?? entropy(32) }, nowMs);
  return server.open(only(client.seal(text, nowMs))) !== undefined;
}

test('the holder of both keys attaches, and both sides go on', async () => {
  const pair = await handshake();
  const before = pair.client.transcript;
  assert.equal(await attach(pair, { signing: signing.privateKey, sealing: keys.deviceSealing }), true);
  assert.deepEqual(pair.client.transcript, pair.server.transcript);
  assert.notDeepEqual(pair.client.transcript, before);
  // The frame limit is that of an attached device now.
  const long = new Uint8Array(limits.frameBytesMax.value - 17);
  assert.deepEqual(pair.client.open(only(pair.server.seal(long, nowMs))), long);
});

test('the signing key alone does not attach: the secret stays sealed', async () => {
  const thief = { signing: signing.privateKey, sealing: keys.otherSealing };
  assert.equal(await attach(await handshake(), thief), false);
});

test('the RSA key alone does not attach: the signature is missing', async () => {
  const thief = { signing: ed25519.generate(entropy).privateKey, sealing: keys.deviceSealing };
  assert.equal(await attach(await handshake(), thief), false);
});

test('an attach belongs to its session, server, account and device', async () => {
  const [here, there] = [await handshake(), await handshake()];
  const claim = claimOf(here.client);
  const signature = ed25519.sign(signing.privateKey, attachTranscript(claim));
  const others: AttachClaim[] = [
    claimOf(there.server),
    { ...claim, server: keys.otherIdentity.public.fingerprint },
    { ...claim, account: idOf<AccountId>(entropy(16)) },
    { ...claim, device: idOf<DeviceId>(entropy(16)) },
  ];
  assert.ok(ed25519.verify(signing.publicKey, attachTranscript(claim), signature));
  const { sealed } = sealAttachSecret(claim, keys.deviceSealing.public, entropy);
  assert.equal((await openAttachSecret(claim, sealed, opening(keys.deviceSealing)))?.length, 32);
  for (const other of others) {
    assert.ok(!ed25519.verify(signing.publicKey, attachTranscript(other), signature));
    assert.equal(await openAttachSecret(other, sealed, opening(keys.deviceSealing)), undefined);
  }
});

test('a sealed object of another purpose or of another length is no attach secret', async () => {
  const claim = claimOf((await handshake()).client);
  const context = attachTranscript(claim);
  const recipients = [keys.deviceSealing.public];
  const seal = (purpose: 'attach' | 'invite' | 'flight', bytes: number): Uint8Array =>
    sealTo({ recipients, purpose, context, plaintext: new Uint8Array(bytes), entropy });
  const open = (sealed: Uint8Array): Promise<unknown> => openAttachSecret(claim, sealed, opening(keys.deviceSealing));
  assert.ok(await open(seal('attach', 32)));
  for (const sealed of [seal('invite', 32), seal('flight', 32), seal('attach', 31), seal('attach', 33)])
    assert.equal(await open(sealed), undefined);
});

test('what a device signs to attach can never be what it signs for MLS', () => {
  const claim = { server: keys.identity.public.fingerprint, account, device, transcript: new Uint8Array(32).fill(7) };
  const signed = attachTranscript(claim);
  assert.equal(signed.length, 20 + 32 + 16 + 16 + 32);
  assert.equal(new TextDecoder().decode(signed.subarray(0, 20)), 'SecureChat attach v1');
  // RFC 9420 §5.1.2: SignContent = opaque label<V> | opaque content<V>, every label starting "MLS 1.0 ". A variable-size
  // length is 1, 2 or 4 bytes (RFC 9000 §16), so "MLS 1.0 " stands at offset 1, 2 or 4 of all that MLS signs.
  for (const offset of [0, 1, 2, 4])
    assert.notEqual(new TextDecoder('latin1').decode(signed.subarray(offset, offset + 8)), 'MLS 1.0 ');
  const label = utf8('MLS 1.0 LeafNodeTBS');
  const mls = new ByteWriter().u8(label.length).raw(label).u8(4).raw(new Uint8Array(4)).done();
  assert.equal(new TextDecoder('latin1').decode(mls.subarray(1, 9)), 'MLS 1.0 ');
});
