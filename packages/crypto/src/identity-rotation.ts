/** A new account identity, vouched for by the old one. It changes only the words shown to contacts, never the rules. */
import type { AccountId, Fingerprint } from '@securechat/wire';
import { fingerprintClaim, idClaim, integerClaim, versionOne } from './claims.ts';
import type { RawClaims } from './jws.ts';
import { readJws, rejected, signJws, verifyJws } from './jws.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';

export interface IdentityRotation {
  readonly account: AccountId;
  /** Identity sequence of the new identity. */
  readonly sequence: number;
  readonly old: Fingerprint;
  readonly new: Fingerprint;
  readonly issuedAtMs: number;
}

export function signIdentityRotation(
  oldIdentity: RsaPrivate<'identity'>,
  claims: Omit<IdentityRotation, 'old'>,
): Promise<string> {
  return signJws(oldIdentity, 'rotation', {
    v: 1,
    account: claims.account,
    sequence: claims.sequence,
    old: oldIdentity.public.fingerprint,
    new: claims.new,
    issuedAtMs: claims.issuedAtMs,
  });
}

/** CERTIFICATE_REJECTED unless `old` signed it for this account and this new identity. */
export async function verifyIdentityRotation(
  jws: string,
  expected: {
    readonly account: AccountId;
    readonly sequence: number;
    readonly old: RsaPublic<'identity'>;
    readonly new: Fingerprint;
  },
): Promise<IdentityRotation> {
  const { v: _, ...claims } = readJws(jws, 'rotation', parse);
  await verifyJws(jws, expected.old);
  if (claims.account !== expected.account || claims.sequence !== expected.sequence)
    throw rejected('The rotation belongs to another account or identity.');
  if (claims.old !== expected.old.fingerprint || claims.new !== expected.new)
    throw rejected('The rotation names other keys.');
  return claims;
}

function parse(raw: RawClaims) {
  return {
    v: versionOne(raw),
    account: idClaim<AccountId>(raw, 'account'),
    sequence: integerClaim(raw, 'sequence', 2),
    old: fingerprintClaim(raw, 'old'),
    new: fingerprintClaim(raw, 'new'),
    issuedAtMs: integerClaim(raw, 'issuedAtMs', 0),
  };
}
