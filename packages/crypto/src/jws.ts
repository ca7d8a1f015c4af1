/**
 * The door to jose: compact JWS (RFC 7515), PS256 and nothing else, one `typ` per kind of certificate. A certificate has
 * exactly one spelling: header, payload and base64url are compared with their canonical form, so its hash names it.
 */
import { compactVerify, CompactSign } from 'jose';
import { fromBase64url, limits, SecureChatError } from '@securechat/wire';
import type { RsaPrivate, RsaPublic } from './rsa.ts';
import { keyObjectOf } from './rsa.ts';

export const certificateTypes = {
  account: 'securechat-account+jws',
  device: 'securechat-device+jws',
  devices: 'securechat-devices+jws',
  serverSealing: 'securechat-server-sealing+jws',
  serverRotation: 'securechat-server-rotation+jws',
  rotation: 'securechat-rotation+jws',
} as const;
export type CertificateKind = keyof typeof certificateTypes;

/** The payload is `JSON.stringify(claims)`: the order of the fields is part of the format. */
export function signJws(key: RsaPrivate<'identity'>, kind: CertificateKind, claims: object): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'PS256', typ: certificateTypes[kind] })
    .sign(keyObjectOf(key));
}

/** Fields of a payload that nobody has verified yet. */
export type RawClaims = Readonly<Record<string, unknown>>;

/**
 * Reads the claims with `parse` *before* the signature is checked (the key may be inside). `parse` copies field by
 * field and throws for what does not fit; its result must spell the payload again, byte for byte.
 */
export function readJws<Claims extends object>(
  jws: string,
  kind: CertificateKind,
  parse: (raw: RawClaims) => Claims,
): Claims {
  if (jws.length > limits.certificateBytesMax.value) throw rejected('A certificate is too long.');
  const [header = '', payload = '', signature = '', ...more] = jws.split('.');
  if (more.length > 0) throw rejected('A certificate is not a compact JWS.');
  const expected = `{"alg":"PS256","typ":"${certificateTypes[kind]}"}`;
  if (textOf(header) !== expected) throw rejected('A certificate has another algorithm or type.');
  bytesOf(signature);
  const text = textOf(payload);
  const claims = parse(objectOf(text));
  if (JSON.stringify(claims) !== text) throw rejected('A certificate is not in canonical form.');
  return claims;
}

/** CERTIFICATE_REJECTED unless `key` signed it. `readJws` comes first: it holds header and spelling. */
export async function verifyJws(jws: string, key: RsaPublic<'identity'>): Promise<void> {
  try {
    await compactVerify(jws, keyObjectOf(key), { algorithms: ['PS256'] });
  } catch (cause) {
    throw rejected('A certificate has a wrong signature.', cause);
  }
}

export function rejected(text: string, cause?: unknown): SecureChatError {
  return new SecureChatError('CERTIFICATE_REJECTED', { text }, cause === undefined ? {} : { cause });
}

function bytesOf(part: string): Uint8Array {
  try {
    return fromBase64url(part);
  } catch (cause) {
    throw rejected('A certificate is not canonical base64url.', cause);
  }
}

function textOf(part: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(part));
  } catch (cause) {
    throw rejected('A certificate is not UTF-8.', cause);
  }
}

function objectOf(text: string): RawClaims {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw rejected('A certificate is not JSON.', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw rejected('A certificate is no object.');
  return value as RawClaims;
}
