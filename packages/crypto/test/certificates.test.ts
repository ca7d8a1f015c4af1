/** Goal: a certificate holds only as a whole: signer, type, algorithm, spelling, owner, order and time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompactSign } from 'jose';
import type { AccountClaims, CertificateKind, RsaPrivate } from '@securechat/crypto';
import {
  CERTIFICATE_BACKDATE_MS,
  certificateTypes,
  DEVICE_CERTIFICATE_MS,
  deviceFingerprint,
  ed25519,
  seededEntropy,
  SERVER_SEALING_MS_MAX,
  sha256,
  signAccountCertificate,
  signDeviceCertificate,
  signDeviceList,
  signIdentityRotation,
  signServerRotation,
  signServerSealing,
  verifyAccountBundle,
  verifyAccountCertificate,
  verifyDeviceCertificate,
  verifyDeviceList,
  verifyIdentityRotation,
  verifyServerRotation,
  verifyServerSealing,
} from '@securechat/crypto';
import type { AccountId, DeviceId } from '@securechat/wire';
import { fromBase64url, idOf, limits, toBase64url } from '@securechat/wire';
import { keyObjectOf } from '../src/rsa.ts';
import { keys } from './keys.ts';

const entropy = seededEntropy('certificates');
const account = idOf<AccountId>(entropy(16));
const device = idOf<DeviceId>(entropy(16));
const otherDevice = idOf<DeviceId>(entropy(16));
const pair = ed25519.generate(entropy);
const server = keys.otherIdentity.public.fingerprint;
const nowMs = 1_800_000_000_000;
const { identity, otherIdentity, sealing, otherSealing, thirdSealing } = keys;
const rejected = { code: 'CERTIFICATE_REJECTED' };
const empty = new Uint8Array(0);

const accountClaims: AccountClaims = {
  account,
  username: 'zoë',
  sequence: 1,
  recovery: pair.publicKey,
  recoverySealing: otherSealing.public,
  server,
  issuedAtMs: nowMs,
};
const deviceClaims = { account, sequence: 1, device, signing: pair.publicKey, sealing: sealing.public, nowMs };
const deviceExpected = { identity: identity.public, account, sequence: 1, nowMs };
const listExpected = { identity: identity.public, account, sequence: 1 };
const accountJws = await signAccountCertificate(identity, accountClaims);
const deviceJws = await signDeviceCertificate(identity, deviceClaims);
const listed = { device, fingerprint: deviceFingerprint(deviceJws) };
const listClaims = { account, sequence: 1, version: 1, devices: [listed], previous: empty };
const listJws = await signDeviceList(identity, listClaims);

/** Signs any payload under any header, like somebody who holds the key but not the rules. */
function forge(key: RsaPrivate<'identity'>, payload: string, header: { alg: string; typ?: string }): Promise<string> {
  return new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader(header).sign(keyObjectOf(key));
}
const payloadOf = (jws: string): string => new TextDecoder().decode(fromBase64url(jws.split('.')[1] ?? ''));
const headerOf = (kind: CertificateKind): { alg: string; typ: string } => ({
  alg: 'PS256',
  typ: certificateTypes[kind],
});

test('an account certificate gives back what was signed', async () => {
  const certificate = await verifyAccountCertificate(accountJws, { server, account, username: 'zoë' });
  assert.equal(certificate.account, account);
  assert.equal(certificate.username, 'zoë');
  assert.equal(certificate.sequence, 1);
  assert.equal(certificate.identity.fingerprint, identity.public.fingerprint);
  assert.deepEqual(certificate.recovery, pair.publicKey);
  assert.equal(certificate.recoverySealing.fingerprint, otherSealing.public.fingerprint);
  assert.deepEqual(certificate.hash, sha256(new TextEncoder().encode(accountJws)));
});

test('an account certificate is held against everything that is known already', async () => {
  const wrong = [
    { server: identity.public.fingerprint },
    { server, account: idOf<AccountId>(entropy(16)) },
    { server, username: 'zoe' },
    { server, identity: otherIdentity.public.fingerprint },
    { server, sequenceMin: 2 },
  ];
  for (const expected of wrong) await assert.rejects(verifyAccountCertificate(accountJws, expected), rejected);
});

test('a certificate signed with another algorithm, type or key is refused', async () => {
  const payload = payloadOf(accountJws);
  const check = (jws: string): Promise<unknown> => verifyAccountCertificate(jws, { server });
  assert.ok(await check(await forge(identity, payload, headerOf('account'))));
  for (const alg of ['RS256', 'PS384', 'PS512'])
    await assert.rejects(check(await forge(identity, payload, { ...headerOf('account'), alg })), rejected);
  for (const kind of Object.keys(certificateTypes) as CertificateKind[])
    if (kind !== 'account') await assert.rejects(check(await forge(identity, payload, headerOf(kind))), rejected);
  await assert.rejects(check(await forge(identity, payload, { alg: 'PS256' })), rejected);
  await assert.rejects(check(await forge(otherIdentity, payload, headerOf('account'))), rejected);

  const encode = (text: string): string => toBase64url(new TextEncoder().encode(text));
  const [, body, signature] = accountJws.split('.');
  for (const header of [
    '{"alg":"none","typ":"securechat-account+jws"}',
    '{"typ":"securechat-account+jws","alg":"PS256"}',
  ])
    for (const end of ['', signature]) await assert.rejects(check(`${encode(header)}.${body}.${end}`), rejected);
});

test('one character changed anywhere is refused', async () => {
  for (let at = 0; at < deviceJws.length; at += 1) {
    const changed = deviceJws.slice(0, at) + (deviceJws[at] === 'A' ? 'B' : 'A') + deviceJws.slice(at + 1);
    if (changed === deviceJws) continue;
    await assert.rejects(verifyDeviceCertificate(changed, deviceExpected), rejected, `character ${at}`);
  }
});

test('another spelling of the same claims is refused, so that a hash names a certificate', async () => {
  const payload = payloadOf(deviceJws);
  const spellings = [
    ` ${payload}`,
    payload.replace('"v":1', '"v":1.0'),
    payload.replace('"sequence":1', '"sequence":2,"sequence":1'),
    payload.replace('}', ',"extra":1}'),
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(payload) as object).reverse())),
  ];
  for (const spelling of spellings) {
    const jws = await forge(identity, spelling, headerOf('device'));
    await assert.rejects(verifyDeviceCertificate(jws, deviceExpected), rejected, spelling.slice(0, 40));
  }
  // 256 bytes of signature are 342 characters: the last four bits of the last one say nothing.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twin = alphabet[alphabet.indexOf(deviceJws.at(-1) ?? '') ^ 1] ?? '';
  await assert.rejects(verifyDeviceCertificate(deviceJws.slice(0, -1) + twin, deviceExpected), rejected);
  await assert.rejects(verifyDeviceCertificate(`${deviceJws}=`, deviceExpected), rejected);
  await assert.rejects(verifyDeviceCertificate(`${deviceJws}.`, deviceExpected), rejected);
});

test('fields that do not fit are refused although they are signed', async () => {
  const claims = JSON.parse(payloadOf(deviceJws)) as Record<string, unknown>;
  const wrong: Record<string, unknown>[] = [
    { v: 2 },
    { account: 'short' },
    { account: null },
    { sequence: 0 },
    { sequence: 1.5 },
    { sequence: '1' },
    { device: `${device}A` },
    { signing: toBase64url(new Uint8Array(31)) },
    { sealing: toBase64url(new Uint8Array(294)) },
    { sealing: 'A'.repeat(1025) },
    { notBeforeMs: -1 },
    { notAfterMs: 2 ** 53 },
  ];
  for (const change of wrong) {
    const jws = await forge(identity, JSON.stringify({ ...claims, ...change }), headerOf('device'));
    await assert.rejects(verifyDeviceCertificate(jws, deviceExpected), rejected, JSON.stringify(change));
  }
  for (const payload of ['[]', 'null', '1', '{', '', '"text"'])
    await assert.rejects(
      verifyDeviceCertificate(await forge(identity, payload, headerOf('device')), deviceExpected),
      rejected,
    );
});

test('a certificate of certificateBytesMax is read, one byte more is not', async () => {
  const max = limits.certificateBytesMax.value;
  const text = (bytes: number): string => `${'a'.repeat(bytes - 2)}..`;
  await assert.rejects(verifyAccountCertificate(text(max), { server }), /not UTF-8/);
  await assert.rejects(verifyAccountCertificate(text(max + 1), { server }), /too long/);
});

test('a device certificate holds from a week before its making to its end, and for its owner alone', async () => {
  const certificate = await verifyDeviceCertificate(deviceJws, { ...deviceExpected, device });
  assert.deepEqual(certificate.fingerprint, deviceFingerprint(deviceJws));
  assert.deepEqual(certificate.signing, pair.publicKey);
  const firstMs = nowMs - CERTIFICATE_BACKDATE_MS;
  const lastMs = nowMs + DEVICE_CERTIFICATE_MS;
  for (const at of [firstMs, lastMs]) await verifyDeviceCertificate(deviceJws, { ...deviceExpected, nowMs: at });
  const wrong = [
    { nowMs: firstMs - 1 },
    { nowMs: lastMs + 1 },
    { account: idOf<AccountId>(entropy(16)) },
    { sequence: 2 },
    { device: otherDevice },
    { identity: otherIdentity.public },
  ];
  for (const change of wrong)
    await assert.rejects(verifyDeviceCertificate(deviceJws, { ...deviceExpected, ...change }), rejected);
});

test('a device list never goes back, never forks and names its predecessor', async () => {
  const first = await verifyDeviceList(listJws, listExpected);
  const secondJws = await signDeviceList(identity, { ...listClaims, version: 2, previous: first.hash });
  const second = await verifyDeviceList(secondJws, { ...listExpected, previousList: first });
  await verifyDeviceList(secondJws, { ...listExpected, previousList: second });
  await assert.rejects(verifyDeviceList(listJws, { ...listExpected, previousList: second }), /older/);

  const forkJws = await signDeviceList(identity, { ...listClaims, version: 2, devices: [], previous: first.hash });
  await assert.rejects(verifyDeviceList(forkJws, { ...listExpected, previousList: second }), /one version/);
  const strangerJws = await signDeviceList(identity, { ...listClaims, version: 2, previous: sha256(empty) });
  await assert.rejects(verifyDeviceList(strangerJws, { ...listExpected, previousList: first }), /does not follow/);
  // Lists in between may have been missed.
  const laterJws = await signDeviceList(identity, { ...listClaims, version: 9, previous: sha256(empty) });
  await verifyDeviceList(laterJws, { ...listExpected, previousList: second });

  // A key reset goes on counting; an older identity stays refused.
  const resetJws = await signDeviceList(otherIdentity, {
    ...listClaims,
    sequence: 2,
    version: 3,
    previous: second.hash,
  });
  const reset = { identity: otherIdentity.public, account, sequence: 2 };
  const third = await verifyDeviceList(resetJws, { ...reset, previousList: second });
  await assert.rejects(verifyDeviceList(laterJws, { ...listExpected, previousList: third }), /older/);
});

test('a device list has each device once, at most devicesPerAccountMax, and only the first has no predecessor', async () => {
  const max = limits.devicesPerAccountMax.value;
  const many = (count: number): (typeof listed)[] =>
    Array.from({ length: count }, () => ({ ...listed, device: idOf<DeviceId>(entropy(16)) }));
  await verifyDeviceList(await signDeviceList(identity, { ...listClaims, devices: many(max) }), listExpected);
  const wrong = [
    { devices: many(max + 1) },
    { devices: [listed, listed] },
    { previous: sha256(empty) },
    { version: 2, previous: empty },
    { version: 2, previous: new Uint8Array(31) },
    { version: 0 },
  ];
  for (const change of wrong) {
    const jws = await signDeviceList(identity, { ...listClaims, ...change });
    await assert.rejects(verifyDeviceList(jws, listExpected), rejected, JSON.stringify(change).slice(0, 60));
  }
  for (const devices of [null, {}, [null], [[]], [{ device }]]) {
    const claims = { ...(JSON.parse(payloadOf(listJws)) as object), devices };
    const jws = await forge(identity, JSON.stringify(claims), headerOf('devices'));
    await assert.rejects(verifyDeviceList(jws, listExpected), rejected);
  }
});

test('an account bundle holds when each listed device has its one certificate', async () => {
  const input = { accountJws, listJws, deviceJws: [deviceJws], server, nowMs };
  const bundle = await verifyAccountBundle({ ...input, account, username: 'zoë' });
  assert.deepEqual(
    bundle.devices.map((one) => one.device),
    [device],
  );
  const laterJws = await signDeviceCertificate(identity, { ...deviceClaims, nowMs: nowMs + 1 });
  const olderList = { sequence: 1, version: 2, hash: sha256(empty) };
  const wrong = [
    { deviceJws: [] },
    { deviceJws: [deviceJws, deviceJws] },
    { deviceJws: [laterJws] },
    { deviceJws: [deviceJws, laterJws] },
    { server: identity.public.fingerprint },
    { identity: otherIdentity.public.fingerprint },
    { nowMs: nowMs + DEVICE_CERTIFICATE_MS + 1 },
    { previousList: olderList },
    { listJws: accountJws },
  ];
  for (const change of wrong)
    await assert.rejects(verifyAccountBundle({ ...input, ...change }), rejected, Object.keys(change)[0]);
});

test('two devices come in the order of the list, and no key may serve twice', async () => {
  const second = { ...deviceClaims, device: otherDevice };
  const bundleOf = async (secondSealing: RsaPrivate<'sealing'>): Promise<unknown> => {
    const jws = await signDeviceCertificate(identity, { ...second, sealing: secondSealing.public });
    const devices = [{ device: otherDevice, fingerprint: deviceFingerprint(jws) }, listed];
    const list = await signDeviceList(identity, { ...listClaims, devices });
    const input = { accountJws, listJws: list, deviceJws: [deviceJws, jws], server, nowMs };
    return (await verifyAccountBundle(input)).devices.map((one) => one.device);
  };
  assert.deepEqual(await bundleOf(thirdSealing), [otherDevice, device]);
  await assert.rejects(bundleOf(sealing), /two devices/);
  await assert.rejects(bundleOf(otherSealing), /two devices/);

  const asSealing = { public: identity.public } as unknown as RsaPrivate<'sealing'>;
  const oneKeyJws = await signDeviceCertificate(identity, { ...deviceClaims, sealing: asSealing.public });
  await assert.rejects(verifyDeviceCertificate(oneKeyJws, deviceExpected), /two uses/);
  const sameJws = await signAccountCertificate(identity, { ...accountClaims, recoverySealing: asSealing.public });
  await assert.rejects(verifyAccountCertificate(sameJws, { server }), /two uses/);
});

test('a rotation of an account identity names both keys and is signed by the old one', async () => {
  const claims = { account, sequence: 2, new: otherIdentity.public.fingerprint, issuedAtMs: nowMs };
  const jws = await signIdentityRotation(identity, claims);
  const expected = { account, sequence: 2, old: identity.public, new: otherIdentity.public.fingerprint };
  assert.equal((await verifyIdentityRotation(jws, expected)).old, identity.public.fingerprint);
  const wrong = [
    { old: otherIdentity.public },
    { new: identity.public.fingerprint },
    { sequence: 3 },
    { account: idOf<AccountId>(entropy(16)) },
  ];
  for (const change of wrong) await assert.rejects(verifyIdentityRotation(jws, { ...expected, ...change }), rejected);
});

test('a certificate of a server sealing key holds for 45 days at most and never goes back', async () => {
  const claims = { sealing: sealing.public, sequence: 7, nowMs };
  const jws = await signServerSealing(identity, claims);
  const expected = { identity: identity.public, sequenceMin: 7, nowMs };
  const held = await verifyServerSealing(jws, expected);
  assert.deepEqual([held.sequence, held.notAfterMs], [7, nowMs + SERVER_SEALING_MS_MAX]);
  assert.equal(held.sealing.fingerprint, sealing.public.fingerprint);
  const lastMs = nowMs + SERVER_SEALING_MS_MAX;
  await verifyServerSealing(jws, { ...expected, nowMs: lastMs });
  const wrong = [
    { nowMs: lastMs + 1 },
    { nowMs: nowMs - CERTIFICATE_BACKDATE_MS - 1 },
    { sequenceMin: 8 },
    { identity: otherIdentity.public },
  ];
  for (const change of wrong) await assert.rejects(verifyServerSealing(jws, { ...expected, ...change }), rejected);
  const capped = await signServerSealing(identity, { ...claims, lifetimeMs: 2 * SERVER_SEALING_MS_MAX });
  assert.equal((await verifyServerSealing(capped, expected)).notAfterMs, lastMs);
});

test('a rotation of a server identity needs both signatures over the same words', async () => {
  const input = { old: identity, new: otherIdentity, sequence: 1, dateMs: nowMs };
  const link = await signServerRotation(input);
  const rotation = await verifyServerRotation(link, identity.public.fingerprint);
  assert.equal(rotation.new.fingerprint, otherIdentity.public.fingerprint);
  const other = await signServerRotation({ ...input, sequence: 2 });
  const start = identity.public.fingerprint;
  await assert.rejects(verifyServerRotation({ ...link, newJws: other.newJws }, start), rejected);
  await assert.rejects(verifyServerRotation({ oldJws: link.oldJws, newJws: link.oldJws }, start), rejected);
  await assert.rejects(verifyServerRotation({ oldJws: link.newJws, newJws: link.newJws }, start), rejected);
  await assert.rejects(verifyServerRotation(link, otherIdentity.public.fingerprint), rejected);
});
