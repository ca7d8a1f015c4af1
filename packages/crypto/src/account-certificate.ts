/** The account certificate: who an account is. Self-signed by the account identity. */
import type { AccountId, Fingerprint } from '@securechat/wire';
import { fromBase64url, toBase64url } from '@securechat/wire';
import { ed25519Claim, fingerprintClaim, idClaim, integerClaim, rsaFrom, textClaim, versionOne } from './claims.ts';
import { digest } from './hash.ts';
import type { RawClaims } from './jws.ts';
import { readJws, rejected, signJws, verifyJws } from './jws.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';

export interface AccountCertificate {
  readonly jws: string;
  /** SHA-256 of the JWS, 32 bytes. */
  readonly hash: Uint8Array;
  readonly account: AccountId;
  readonly username: string;
  /** Identity sequence, 1..; +1 at every key reset. */
  readonly sequence: number;
  readonly identity: RsaPublic<'identity'>;
  /** Ed25519, 32 bytes. */
  readonly recovery: Uint8Array;
  readonly recoverySealing: RsaPublic<'sealing'>;
  /** The server the account lives on. */
  readonly server: Fingerprint;
  /** Unix ms by the client's clock; for people, nothing is decided by it. */
  readonly issuedAtMs: number;
}

export interface AccountClaims {
  readonly account: AccountId;
  readonly username: string;
  readonly sequence: number;
  readonly recovery: Uint8Array;
  readonly recoverySealing: RsaPublic<'sealing'>;
  readonly server: Fingerprint;
  readonly issuedAtMs: number;
}

export function signAccountCertificate(identity: RsaPrivate<'identity'>, claims: AccountClaims): Promise<string> {
  return signJws(identity, 'account', {
    v: 1,
    account: claims.account,
    username: claims.username,
    sequence: claims.sequence,
    identity: toBase64url(identity.public.spki),
    recovery: toBase64url(claims.recovery),
    recoverySealing: toBase64url(claims.recoverySealing.spki),
    server: claims.server,
    issuedAtMs: claims.issuedAtMs,
  });
}

/** What the verifier knows already; each field given must be equal. */
export interface AccountExpectation {
  readonly server: Fingerprint;
  readonly account?: AccountId;
  readonly username?: string;
  readonly identity?: Fingerprint;
  readonly sequenceMin?: number;
}

/** CERTIFICATE_REJECTED for anything that does not hold. */
export async function verifyAccountCertificate(jws: string, expected: AccountExpectation): Promise<AccountCertificate> {
  const claims = readJws(jws, 'account', parse);
  const identity = rsaFrom('identity', claims.identity);
  await verifyJws(jws, identity);
  const recoverySealing = rsaFrom('sealing', claims.recoverySealing);
  if (identity.fingerprint === recoverySealing.fingerprint) throw rejected('One key serves two uses.');
  if (claims.server !== expected.server) throw rejected('The account belongs to another server.');
  if (expected.account !== undefined && claims.account !== expected.account) throw rejected('It is another account.');
  if (expected.username !== undefined && claims.username !== expected.username) throw rejected('It is another user.');
  if (expected.identity !== undefined && identity.fingerprint !== expected.identity)
    throw rejected('It is another identity.');
  if (claims.sequence < (expected.sequenceMin ?? 1)) throw rejected('The identity is older than one seen before.');
  return {
    jws,
    hash: digest('sha256', Buffer.from(jws)),
    account: claims.account,
    username: claims.username,
    sequence: claims.sequence,
    identity,
    recovery: fromBase64url(claims.recovery),
    recoverySealing,
    server: claims.server,
    issuedAtMs: claims.issuedAtMs,
  };
}

function parse(raw: RawClaims) {
  return {
    v: versionOne(raw),
    account: idClaim<AccountId>(raw, 'account'),
    username: textClaim(raw, 'username'),
    sequence: integerClaim(raw, 'sequence', 1),
    identity: textClaim(raw, 'identity'),
    recovery: ed25519Claim(raw, 'recovery'),
    recoverySealing: textClaim(raw, 'recoverySealing'),
    server: fingerprintClaim(raw, 'server'),
    issuedAtMs: integerClaim(raw, 'issuedAtMs', 0),
  };
}
