/** Reading the fields of a certificate: each returns its own copy or throws CERTIFICATE_REJECTED. */
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { fromBase64url, idBytes, SecureChatError } from '@securechat/wire';
import { ED25519_KEY_BYTES } from './ed25519-node.ts';
import type { RawClaims } from './jws.ts';
import { rejected } from './jws.ts';
import type { RsaPublic, RsaPurpose } from './rsa.ts';
import { importRsaPublic } from './rsa.ts';

const FINGERPRINT = /^sha256:[A-Za-z0-9_-]{43}$/;
const TEXT_CHARS_MAX = 1024;

export function versionOne(raw: RawClaims): 1 {
  if (raw['v'] !== 1) throw rejected('A certificate is of another version.');
  return 1;
}

export function textClaim(raw: RawClaims, name: string): string {
  const value = raw[name];
  if (typeof value !== 'string' || value.length > TEXT_CHARS_MAX) throw rejected(`The field ${name} does not fit.`);
  return value;
}

/** A safe integer of at least `min`. */
export function integerClaim(raw: RawClaims, name: string, min: number): number {
  const value = raw[name];
  if (!Number.isSafeInteger(value) || (value as number) < min) throw rejected(`The field ${name} does not fit.`);
  return value as number;
}

export function idClaim<Id extends AccountId | DeviceId>(raw: RawClaims, name: string): Id {
  const value = textClaim(raw, name) as Id;
  refusing(name, () => idBytes(value));
  return value;
}

export function fingerprintClaim(raw: RawClaims, name: string): Fingerprint {
  const value = textClaim(raw, name);
  if (!FINGERPRINT.test(value)) throw rejected(`The field ${name} does not fit.`);
  refusing(name, () => fromBase64url(value.slice('sha256:'.length)));
  return value as Fingerprint;
}

/** Base64url of exactly `bytes` bytes. */
export function bytesClaim(raw: RawClaims, name: string, bytes: number): string {
  const value = textClaim(raw, name);
  if (refusing(name, () => fromBase64url(value)).length !== bytes) throw rejected(`The field ${name} does not fit.`);
  return value;
}

export function ed25519Claim(raw: RawClaims, name: string): string {
  return bytesClaim(raw, name, ED25519_KEY_BYTES);
}

/** The key in a field that `textClaim` has read. */
export function rsaFrom<P extends RsaPurpose>(purpose: P, value: string): RsaPublic<P> {
  return refusing(purpose, () => importRsaPublic(purpose, fromBase64url(value)));
}

function refusing<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SecureChatError && cause.code === 'CERTIFICATE_REJECTED') throw cause;
    throw rejected(`The field ${name} does not fit.`, cause);
  }
}
