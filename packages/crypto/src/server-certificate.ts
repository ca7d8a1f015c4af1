/** What the server identity signs: its sealing key, and its own replacement. */
import type { Fingerprint } from '@securechat/wire';
import { toBase64url } from '@securechat/wire';
import { integerClaim, rsaFrom, textClaim, versionOne } from './claims.ts';
import { CERTIFICATE_BACKDATE_MS } from './device-certificate.ts';
import type { RawClaims } from './jws.ts';
import { readJws, rejected, signJws, verifyJws } from './jws.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Longest life of a certificate of a server's sealing key. */
export const SERVER_SEALING_MS_MAX = 45 * DAY_MS;

export interface ServerSealing {
  readonly sealing: RsaPublic<'sealing'>;
  /** 1.., +1 with every sealing key; clients refuse a lower one than they have seen. */
  readonly sequence: number;
  readonly notAfterMs: number;
}

/** Life: 45 days, or `lifetimeMs` if shorter. */
export function signServerSealing(
  identity: RsaPrivate<'identity'>,
  claims: {
    readonly sealing: RsaPublic<'sealing'>;
    readonly sequence: number;
    readonly nowMs: number;
    readonly lifetimeMs?: number;
  },
): Promise<string> {
  return signJws(identity, 'serverSealing', {
    v: 1,
    sealing: toBase64url(claims.sealing.spki),
    sequence: claims.sequence,
    notAfterMs: claims.nowMs + Math.min(claims.lifetimeMs ?? SERVER_SEALING_MS_MAX, SERVER_SEALING_MS_MAX),
  });
}

/**
 * CERTIFICATE_REJECTED for anything that does not hold: a lower sequence, an expired certificate, and one that is valid
 * for more than 45 days from now (7 more are allowed for a slow clock here).
 */
export async function verifyServerSealing(
  jws: string,
  expected: { readonly identity: RsaPublic<'identity'>; readonly sequenceMin: number; readonly nowMs: number },
): Promise<ServerSealing> {
  const claims = readJws(jws, 'serverSealing', parseSealing);
  await verifyJws(jws, expected.identity);
  if (claims.sequence < expected.sequenceMin) throw rejected('The sealing key is older than one seen before.');
  if (expected.nowMs > claims.notAfterMs) throw rejected('The certificate of the sealing key has expired.');
  if (claims.notAfterMs > expected.nowMs + SERVER_SEALING_MS_MAX + CERTIFICATE_BACKDATE_MS)
    throw rejected('The certificate of the sealing key is valid for too long.');
  const sealing = rsaFrom('sealing', claims.sealing);
  if (sealing.fingerprint === expected.identity.fingerprint) throw rejected('One key serves two uses.');
  return { sealing, sequence: claims.sequence, notAfterMs: claims.notAfterMs };
}

function parseSealing(raw: RawClaims) {
  return {
    v: versionOne(raw),
    sealing: textClaim(raw, 'sealing'),
    sequence: integerClaim(raw, 'sequence', 1),
    notAfterMs: integerClaim(raw, 'notAfterMs', 0),
  };
}

/** One payload, signed by both keys. After a compromise there is no rotation: clients re-pin by hand. */
export interface ServerRotationLink {
  readonly oldJws: string;
  readonly newJws: string;
}

export interface ServerRotation {
  readonly old: RsaPublic<'identity'>;
  readonly new: RsaPublic<'identity'>;
  /** 1.., +1 with every rotation of this server. */
  readonly sequence: number;
  readonly dateMs: number;
}

export async function signServerRotation(input: {
  readonly old: RsaPrivate<'identity'>;
  readonly new: RsaPrivate<'identity'>;
  readonly sequence: number;
  readonly dateMs: number;
}): Promise<ServerRotationLink> {
  const claims = {
    v: 1,
    old: toBase64url(input.old.public.spki),
    new: toBase64url(input.new.public.spki),
    sequence: input.sequence,
    dateMs: input.dateMs,
  };
  const [oldJws, newJws] = await Promise.all([
    signJws(input.old, 'serverRotation', claims),
    signJws(input.new, 'serverRotation', claims),
  ]);
  return { oldJws, newJws };
}

/** CERTIFICATE_REJECTED unless both keys signed the same words and the old one is the key expected. */
export async function verifyServerRotation(
  link: ServerRotationLink,
  expectedOld: Fingerprint,
): Promise<ServerRotation> {
  const claims = readJws(link.oldJws, 'serverRotation', parseRotation);
  const again = readJws(link.newJws, 'serverRotation', parseRotation);
  if (JSON.stringify(claims) !== JSON.stringify(again)) throw rejected('The halves of a rotation differ.');
  const old = rsaFrom('identity', claims.old);
  if (old.fingerprint !== expectedOld) throw rejected('The rotation starts from another key.');
  const next = rsaFrom('identity', claims.new);
  await verifyJws(link.oldJws, old);
  await verifyJws(link.newJws, next);
  return { old, new: next, sequence: claims.sequence, dateMs: claims.dateMs };
}

function parseRotation(raw: RawClaims) {
  return {
    v: versionOne(raw),
    old: textClaim(raw, 'old'),
    new: textClaim(raw, 'new'),
    sequence: integerClaim(raw, 'sequence', 1),
    dateMs: integerClaim(raw, 'dateMs', 0),
  };
}
