/** Key-change rules (docs/protocol/accounts.md, "Key reset"): what a newly seen account certificate means for a contact. */
import type { AccountId, Fingerprint } from '@securechat/wire';
import type { ContactRecord } from './record-contact.ts';

/** What was just verified (signatures, names, list against list); whether it is to be believed is decided here. */
export interface SeenAccount {
  readonly user: string;
  readonly account: AccountId;
  readonly identity: Fingerprint;
  readonly sequence: number;
  readonly listVersion: number;
  /** Account ids of the devices listed, to tell a new device from a new certificate of an old one. */
  readonly devices: readonly string[];
}

export type TrustVerdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'same' }
  /** Same identity, other devices: a quiet line. */
  | { readonly kind: 'new-device' }
  /** `halts`: it was verified, so nothing is sent until a person looked at it. */
  | { readonly kind: 'new-identity'; readonly halts: boolean }
  /** Older than what is known, or somebody else under this name. */
  | { readonly kind: 'refused'; readonly why: 'another-account' | 'older' | 'sequence-kept' };

export function judge(
  known: (ContactRecord & { readonly devices: readonly string[] }) | undefined,
  seen: SeenAccount,
): TrustVerdict {
  if (known === undefined) return { kind: 'new' };
  if (known.account !== seen.account || known.user !== seen.user) return { kind: 'refused', why: 'another-account' };
  if (seen.sequence < known.sequence) return { kind: 'refused', why: 'older' };
  // List versions grow over key resets as well: an older one is never the truth again.
  if (seen.listVersion < known.listVersion) return { kind: 'refused', why: 'older' };
  if (seen.identity !== known.identity) {
    // A new identity has a new sequence; two identities of one sequence are two truths.
    if (seen.sequence === known.sequence) return { kind: 'refused', why: 'sequence-kept' };
    return { kind: 'new-identity', halts: known.verified };
  }
  const added = seen.devices.some((device) => !known.devices.includes(device));
  return { kind: added ? 'new-device' : 'same' };
}
