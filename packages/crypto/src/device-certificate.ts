/** The device certificate: the keys of one device. Signed by the account identity. */
import type { AccountId, DeviceId } from '@securechat/wire';
import { fromBase64url, toBase64url } from '@securechat/wire';
import { ed25519Claim, idClaim, integerClaim, rsaFrom, textClaim, versionOne } from './claims.ts';
import { digest } from './hash.ts';
import type { RawClaims } from './jws.ts';
import { readJws, rejected, signJws, verifyJws } from './jws.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** How far a certificate is backdated: the clocks of two devices may differ by that much. */
export const CERTIFICATE_BACKDATE_MS = 7 * DAY_MS;
export const DEVICE_CERTIFICATE_MS = 2 * 365 * DAY_MS;

export interface DeviceCertificate {
  readonly jws: string;
  /** SHA-256 of the JWS, 32 bytes: what lists and credentials name the device by. */
  readonly fingerprint: Uint8Array;
  readonly account: AccountId;
  /** Identity sequence of the account. */
  readonly sequence: number;
  readonly device: DeviceId;
  /** Ed25519, 32 bytes. */
  readonly signing: Uint8Array;
  readonly sealing: RsaPublic<'sealing'>;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface DeviceClaims {
  readonly account: AccountId;
  readonly sequence: number;
  readonly device: DeviceId;
  readonly signing: Uint8Array;
  readonly sealing: RsaPublic<'sealing'>;
  readonly nowMs: number;
  /** Default: two years. */
  readonly lifetimeMs?: number;
}

export function signDeviceCertificate(identity: RsaPrivate<'identity'>, claims: DeviceClaims): Promise<string> {
  return signJws(identity, 'device', {
    v: 1,
    account: claims.account,
    sequence: claims.sequence,
    device: claims.device,
    signing: toBase64url(claims.signing),
    sealing: toBase64url(claims.sealing.spki),
    notBeforeMs: Math.max(0, claims.nowMs - CERTIFICATE_BACKDATE_MS),
    notAfterMs: claims.nowMs + (claims.lifetimeMs ?? DEVICE_CERTIFICATE_MS),
  });
}

export interface DeviceExpectation {
  readonly identity: RsaPublic<'identity'>;
  readonly account: AccountId;
  readonly sequence: number;
  readonly device?: DeviceId;
  /** `any-time`: the lifetime is not asked. For whoever replaces the device: an account must not end with it. */
  readonly nowMs: number | 'any-time';
}

/** CERTIFICATE_REJECTED for anything that does not hold, a lifetime that is over or to come included. */
export async function verifyDeviceCertificate(jws: string, expected: DeviceExpectation): Promise<DeviceCertificate> {
  const claims = readJws(jws, 'device', parse);
  await verifyJws(jws, expected.identity);
  if (claims.account !== expected.account || claims.sequence !== expected.sequence)
    throw rejected('The device belongs to another account or identity.');
  if (expected.device !== undefined && claims.device !== expected.device) throw rejected('It is another device.');
  const { nowMs } = expected;
  if (nowMs !== 'any-time') {
    if (nowMs < claims.notBeforeMs) throw rejected('The certificate of a device is not valid yet.');
    if (nowMs > claims.notAfterMs) throw rejected('The certificate of a device has expired.');
  }
  const sealing = rsaFrom('sealing', claims.sealing);
  if (sealing.fingerprint === expected.identity.fingerprint) throw rejected('One key serves two uses.');
  return {
    jws,
    fingerprint: deviceFingerprint(jws),
    account: claims.account,
    sequence: claims.sequence,
    device: claims.device,
    signing: fromBase64url(claims.signing),
    sealing,
    notBeforeMs: claims.notBeforeMs,
    notAfterMs: claims.notAfterMs,
  };
}

/** SHA-256 of the JWS, 32 bytes. */
export function deviceFingerprint(jws: string): Uint8Array<ArrayBuffer> {
  return digest('sha256', Buffer.from(jws));
}

function parse(raw: RawClaims) {
  return {
    v: versionOne(raw),
    account: idClaim<AccountId>(raw, 'account'),
    sequence: integerClaim(raw, 'sequence', 1),
    device: idClaim<DeviceId>(raw, 'device'),
    signing: ed25519Claim(raw, 'signing'),
    sealing: textClaim(raw, 'sealing'),
    notBeforeMs: integerClaim(raw, 'notBeforeMs', 0),
    notAfterMs: integerClaim(raw, 'notAfterMs', 0),
  };
}
