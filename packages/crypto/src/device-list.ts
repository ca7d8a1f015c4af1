/** The device list: which certificates count now. Signed by the account identity; a version is never taken back. */
import type { AccountId, DeviceId } from '@securechat/wire';
import { fromBase64url, limits, toBase64url } from '@securechat/wire';
import { bytesClaim, idClaim, integerClaim, textClaim, versionOne } from './claims.ts';
import { digest } from './hash.ts';
import type { RawClaims } from './jws.ts';
import { readJws, rejected, signJws, verifyJws } from './jws.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';
import { equal } from './secret.ts';

export interface ListedDevice {
  readonly device: DeviceId;
  /** `deviceFingerprint` of its certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
}

export interface DeviceList {
  readonly jws: string;
  /** SHA-256 of the JWS, 32 bytes. */
  readonly hash: Uint8Array;
  readonly account: AccountId;
  /** Identity sequence of the account. */
  readonly sequence: number;
  /** 1..; grows by one with every list, over key resets as well. */
  readonly version: number;
  readonly devices: readonly ListedDevice[];
  /** Hash of the list before it; empty for the first. */
  readonly previous: Uint8Array;
}

/** What to remember of a list to recognise an older or another one later. */
export type KnownList = Pick<DeviceList, 'sequence' | 'version' | 'hash'>;

export type DeviceListClaims = Omit<DeviceList, 'jws' | 'hash'>;

export function signDeviceList(identity: RsaPrivate<'identity'>, claims: DeviceListClaims): Promise<string> {
  return signJws(identity, 'devices', {
    v: 1,
    account: claims.account,
    sequence: claims.sequence,
    version: claims.version,
    devices: claims.devices.map(({ device, fingerprint }) => ({ device, fingerprint: toBase64url(fingerprint) })),
    previous: toBase64url(claims.previous),
  });
}

export interface DeviceListExpectation {
  readonly identity: RsaPublic<'identity'>;
  readonly account: AccountId;
  readonly sequence: number;
  /** The newest list seen before. */
  readonly previousList?: KnownList;
}

/**
 * CERTIFICATE_REJECTED for anything that does not hold: also a lower version than one seen before, the same version with
 * other contents, and a direct successor that does not name its predecessor.
 */
export async function verifyDeviceList(jws: string, expected: DeviceListExpectation): Promise<DeviceList> {
  const claims = readJws(jws, 'devices', parse);
  await verifyJws(jws, expected.identity);
  if (claims.account !== expected.account || claims.sequence !== expected.sequence)
    throw rejected('The device list belongs to another account or identity.');
  if (new Set(claims.devices.map(({ device }) => device)).size !== claims.devices.length)
    throw rejected('A device is listed twice.');
  const list: DeviceList = {
    jws,
    hash: digest('sha256', Buffer.from(jws)),
    account: claims.account,
    sequence: claims.sequence,
    version: claims.version,
    devices: claims.devices.map(({ device, fingerprint }) => ({ device, fingerprint: fromBase64url(fingerprint) })),
    previous: fromBase64url(claims.previous),
  };
  if (expected.previousList !== undefined) insistOnSuccession(list, expected.previousList);
  return list;
}

function insistOnSuccession(list: DeviceList, known: KnownList): void {
  const same = list.version === known.version;
  if (list.sequence < known.sequence || list.version < known.version)
    throw rejected('The device list is older than one seen before.');
  if (same && !equal(list.hash, known.hash)) throw rejected('There are two device lists of one version.');
  const follows = list.sequence === known.sequence && list.version === known.version + 1;
  if (follows && !equal(list.previous, known.hash))
    throw rejected('The device list does not follow the one before it.');
}

function parse(raw: RawClaims) {
  const version = integerClaim(raw, 'version', 1);
  const previous = textClaim(raw, 'previous');
  return {
    v: versionOne(raw),
    account: idClaim<AccountId>(raw, 'account'),
    sequence: integerClaim(raw, 'sequence', 1),
    version,
    devices: devicesOf(raw['devices']),
    // Only the first list has no predecessor.
    previous: version === 1 || previous === '' ? emptyClaim(previous, version) : bytesClaim(raw, 'previous', 32),
  };
}

function emptyClaim(previous: string, version: number): string {
  if (previous !== '' || version !== 1) throw rejected('The field previous does not fit.');
  return previous;
}

function devicesOf(value: unknown): { device: DeviceId; fingerprint: string }[] {
  if (!Array.isArray(value) || value.length > limits.devicesPerAccountMax.value)
    throw rejected('The field devices does not fit.');
  return value.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw rejected('The field devices does not fit.');
    const raw = entry as RawClaims;
    return { device: idClaim<DeviceId>(raw, 'device'), fingerprint: bytesClaim(raw, 'fingerprint', 32) };
  });
}
