/** Leaves, capabilities and policy of our groups, in the words of the library. */
import type { Capabilities, Identity, Lifetime, Member, Policy, Roster as MlsRoster } from '@securechat/mls';
import { basicCredential, credentialTypes, extensionOf } from '@securechat/mls';
import { defaultLimits } from '@securechat/wire';
import type { CredentialCheck, Leaf, OwnLeaf, Roster, Validity } from '../engine.ts';

/** X-Wing, AES-256-GCM, SHA-512, Ed25519: a private number (docs/protocol/conversations.md). */
export const SUITE = 0x0053;

/** Our extension of the group context (group-context.ts), in the private-use range. */
export const CONTEXT_EXTENSION = 0xf101;

const PROTOCOL_MLS10 = 1;

export const capabilities: Capabilities = {
  versions: [PROTOCOL_MLS10],
  suites: [SUITE],
  extensions: [CONTEXT_EXTENSION],
  proposals: [],
  credentials: [credentialTypes.basic],
};

export function identityOf({ credential, signing }: OwnLeaf): Identity {
  return { credential: basicCredential(credential), signatureKey: signing };
}

/** In seconds, which is what a leaf says. */
export function lifetimeOf({ notBeforeMs, notAfterMs }: Validity): Lifetime {
  return { notBefore: secondsOf(notBeforeMs), notAfter: secondsOf(notAfterMs) };
}

export function validityOf({ notBefore, notAfter }: Lifetime): Validity {
  return { notBeforeMs: Number(notBefore) * 1000, notAfterMs: Number(notAfter) * 1000 };
}

export function secondsOf(ms: number): bigint {
  return BigInt(Math.floor(ms / 1000));
}

const LIFETIME_MAX = BigInt(defaultLimits.keyPackageMsMax / 1000);

/**
 * Credentials are the caller's to judge, leaf by leaf, and a leaf of a key package only lives as long as that. Who stands
 * in the group afterwards is judged by roster.ts before a commit is merged; one with proposals does not come that far.
 */
export function policyOf(check: CredentialCheck, nowMs: number): Policy {
  const now = secondsOf(nowMs);
  return {
    lifetimeMax: LIFETIME_MAX,
    credential: ({ leaf: { credential, signatureKey, source } }) =>
      credential.type === credentialTypes.basic &&
      credential.content.length <= defaultLimits.credentialBytesMax &&
      (source.kind !== 'key-package' || (source.lifetime.notBefore <= now && now <= source.lifetime.notAfter)) &&
      check(credential.content.slice(), signatureKey.slice()),
    change: ({ committer, proposals }) => committer.kind === 'member' && proposals.length === 0,
  };
}

/** The founder's own first commit: others are added, the PSK is injected. */
export function foundingPolicy(check: CredentialCheck, nowMs: number): Policy {
  return {
    ...policyOf(check, nowMs),
    change: ({ proposals }) => proposals.every(({ proposal: { kind } }) => kind === 'add' || kind === 'psk'),
  };
}

export function rosterOf(roster: MlsRoster): Roster {
  return roster.map(leafOf);
}

export function leafOf({ leaf: index, node }: Member): Leaf {
  return {
    index,
    // A credential of another type reads as an empty one, which no check accepts.
    credential: node.credential.type === credentialTypes.basic ? node.credential.content.slice() : new Uint8Array(0),
    signingKey: node.signatureKey.slice(),
    encryptionKey: node.encryptionKey.slice(),
  };
}

type Extensions = Parameters<typeof extensionOf>[0];

export function contextOf(extensions: Extensions): Uint8Array {
  return extensionOf(extensions, CONTEXT_EXTENSION)?.slice() ?? new Uint8Array(0);
}
