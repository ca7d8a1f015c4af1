/** Key packages to found a group with, one of each device that the peer's list names. */
import type { AccountBundle } from '@securechat/crypto';
import type { AccountId, DeviceId } from '@securechat/wire';
import { idBytes, idOf, SecureChatError } from '@securechat/wire';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { OpenAccount } from '../open-account.ts';
import { linkOf } from '../open-account.ts';
import { isHalted } from '../people/people.ts';

export interface ClaimedKeys {
  readonly contact: ContactRecord;
  readonly bundle: AccountBundle;
  readonly packages: readonly { readonly device: DeviceId; readonly keyPackage: Uint8Array }[];
}

/** A device is listed a moment before its key packages are there: whoever writes to new keys at once waits for them. */
const LATE_MS = [300, 1200] as const;

/** NO_SUCH_USER, NO_KEYS, BLOCKED, KEY_CHANGED, RATE_LIMITED … A list that is out of date is looked up once more. */
export async function claimKeys(account: OpenAccount, user: string, lookup: boolean): Promise<ClaimedKeys> {
  const known = account.ledger.contacts.get(user);
  const current = known === undefined || lookup ? undefined : await currentBundle(account, known);
  const fresh = known === undefined || current === undefined;
  const contact = fresh ? await account.people.lookup(account, user) : known;
  if (isHalted(contact)) throw new SecureChatError('KEY_CHANGED');
  const bundle = current ?? (await account.people.bundle(contact));
  if (bundle.devices.length === 0) throw new SecureChatError('NO_KEYS');
  for (const waitMs of fresh ? [0, ...LATE_MS] : [0]) {
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const packages = await claimed(account, contact.account);
    const listed = bundle.devices.every(({ device }) => packages.some((one) => one.device === device));
    if (listed && packages.length === bundle.devices.length) return { contact, bundle, packages };
  }
  if (!fresh) return claimKeys(account, user, true);
  throw new SecureChatError('NO_KEYS');
}

async function currentBundle(account: OpenAccount, contact: ContactRecord): Promise<AccountBundle | undefined> {
  try {
    return await account.people.bundle(contact);
  } catch {
    // A certificate has expired: the server has a newer one, or nobody has.
    return undefined;
  }
}

async function claimed(account: OpenAccount, peer: AccountId): Promise<ClaimedKeys['packages']> {
  const answer = await linkOf(account).request('claimKeyPackages', { account: idBytes(peer) });
  if (answer.$case !== 'keyPackages') throw new SecureChatError('MALFORMED');
  return answer.value.packages.map(({ device, keyPackage }) => ({ device: idOf<DeviceId>(device), keyPackage }));
}
