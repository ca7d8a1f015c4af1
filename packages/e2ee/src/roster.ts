/**
 * Who may be in a direct conversation. Pure: rosters, context and verified certificates in, a verdict out. Called when a
 * group is founded or joined, and before and after every commit. It refuses; there is no "warn".
 */
import type { AccountBundle } from '@securechat/crypto';
import { equal } from '@securechat/crypto';
import { decodeCredential, deviceBehind } from './credential.ts';
import type { Leaf, Roster } from './engine.ts';
import { decodeDirectContext } from './group-context.ts';

export type RosterRefusal =
  /** The group context is missing, unknown or changed. */
  | 'context'
  /** A leaf's credential cannot be read. */
  | 'credential'
  /** A leaf of an account that is not one of the two. */
  | 'third-account'
  /** A leaf whose device or key is not in the newest device list known. */
  | 'unknown-device'
  /** Two leaves of one device, so more leaves than listed devices. */
  | 'too-many-leaves'
  /** One of the two has no leaf. */
  | 'missing-account'
  | 'leaf-added'
  | 'leaf-removed'
  /** A commit changed what a leaf says or signs with. */
  | 'credential-changed'
  /** The HPKE key of somebody else than the committer changed. */
  | 'foreign-key-changed'
  /** The committer's HPKE key did not change. */
  | 'key-kept';

export type RosterVerdict = { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly reason: RosterRefusal };

const ok: RosterVerdict = { kind: 'ok' };

/** The roster of a direct conversation as it stands. `people` are the two accounts' newest verified bundles. */
export function verifyRoster(roster: Roster, context: Uint8Array, people: readonly AccountBundle[]): RosterVerdict {
  const direct = decodeDirectContext(context);
  if (direct === undefined) return refused('context');
  const seenDevices = new Set<string>();
  const seenAccounts = new Set<string>();
  for (const leaf of roster) {
    const credential = decodeCredential(leaf.credential);
    if (credential === undefined) return refused('credential');
    if (!direct.accounts.includes(credential.account)) return refused('third-account');
    if (deviceBehind(people, leaf) === undefined) return refused('unknown-device');
    const device = `${credential.account} ${credential.device}`;
    if (seenDevices.has(device)) return refused('too-many-leaves');
    seenDevices.add(device);
    seenAccounts.add(credential.account);
  }
  return direct.accounts.every((account) => seenAccounts.has(account)) ? ok : refused('missing-account');
}

export interface RosterChange {
  readonly before: Roster;
  readonly after: Roster;
  readonly contextBefore: Uint8Array;
  readonly contextAfter: Uint8Array;
  /** Leaf index. */
  readonly committer: number;
  readonly people: readonly AccountBundle[];
}

/** A commit of a direct conversation: nothing but the committer's own HPKE key changes, and that one does. */
export function verifyRosterChange(change: RosterChange): RosterVerdict {
  const { before, after, committer } = change;
  if (!equal(change.contextBefore, change.contextAfter)) return refused('context');
  if (after.some((leaf) => at(before, leaf.index) === undefined)) return refused('leaf-added');
  for (const old of before) {
    const leaf = at(after, old.index);
    if (leaf === undefined) return refused('leaf-removed');
    if (!equal(leaf.credential, old.credential) || !equal(leaf.signingKey, old.signingKey))
      return refused('credential-changed');
    const keyKept = equal(leaf.encryptionKey, old.encryptionKey);
    if (old.index !== committer && !keyKept) return refused('foreign-key-changed');
    if (old.index === committer && keyKept) return refused('key-kept');
  }
  return verifyRoster(after, change.contextAfter, change.people);
}

function at(roster: Roster, index: number): Leaf | undefined {
  return roster.find((leaf) => leaf.index === index);
}

function refused(reason: RosterRefusal): RosterVerdict {
  return { kind: 'refused', reason };
}
