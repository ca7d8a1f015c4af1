/**
 * `!resetkeys` (docs/protocol/accounts.md): a new identity, a new device, a new list; the old private halves go. The new
 * keys are on disk before the server is asked, so that a lost answer or a power cut loses nothing.
 */
import type { Entropy, RsaPrivate } from '@securechat/crypto';
import { generateRsa } from '@securechat/crypto';
import { replaceVaultIdentity } from '@securechat/e2ee';
import { SecureChatError } from '@securechat/wire';
import { newAccountRecord, ownBundle } from './account-record.ts';
import type { DeviceKeys } from './device-keys.ts';
import { certifyAccount, createDeviceKeys } from './device-keys.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { OpenAccount } from '../open-account.ts';
import { linkOf } from '../open-account.ts';
import { isRenewal } from './renew-device.ts';

export interface NewKeys {
  readonly identity: RsaPrivate<'identity'>;
  readonly keys: DeviceKeys;
}

export async function createNewKeys(bits: number, entropy: Entropy): Promise<NewKeys> {
  const [identity, keys] = await Promise.all([generateRsa('identity', bits), createDeviceKeys(bits, entropy)]);
  return { identity, keys };
}

/**
 * The server has it when this resolves with nothing; the caller changes over to the ledger's successor. Resolves with the
 * error where the answer was lost (CONNECTION_LOST …): the next attach decides. A refusal (RATE_LIMITED …) rejects, and
 * there is no successor. BUSY while another one is under way, or nobody knows yet whether a renewal came to be.
 */
export async function resetIdentity(
  account: OpenAccount,
  create: (entropy: Entropy) => Promise<NewKeys>,
): Promise<SecureChatError | undefined> {
  const { ledger, entropy } = account;
  // Two at once: the server would take the keys of one, and this device go on with those of the other.
  if (underWay.has(ledger) || isRenewal(ledger)) throw new SecureChatError('BUSY');
  underWay.add(ledger);
  try {
    return await reset(account, await create(entropy));
  } finally {
    underWay.delete(ledger);
  }
}

const underWay = new WeakSet<Ledger>();

async function reset(account: OpenAccount, { identity, keys }: NewKeys): Promise<SecureChatError | undefined> {
  const { ledger, entropy } = account;
  const link = linkOf(account);
  const record = ledger.account;
  const nowMs = account.nowMs();
  // The old device ends here; its certificate may have ended before.
  const person = await ownBundle(record);
  const sequence = person.account.sequence + 1;
  const { recovery, recoverySealing, server } = person.account;
  const accountJws = await certifyAccount({
    identity,
    account: record.account,
    username: record.username,
    sequence,
    server,
    recovery,
    recoverySealing,
    nowMs,
  });
  const stored = await link.request('getVault', {});
  if (stored.$case !== 'vault') throw new SecureChatError('MALFORMED');
  const { vault: before, version: vaultVersion } = stored.value;
  const owner = { account: record.account, sequence };
  const vault = replaceVaultIdentity({ ...owner, vault: before, identity, recoverySealing, entropy });
  const next = await newAccountRecord({
    ...record,
    vault: new Uint8Array(0),
    stage: 'registered',
    identity,
    sequence,
    keys,
    accountJws,
    listVersion: person.list.version + 1,
    previous: person.list.hash,
    nowMs,
  });
  const { deviceJws, listJws } = next;
  await ledger.commit([{ put: 'successor', value: next }]);
  try {
    await link.request('resetKeys', {
      accountJws,
      deviceJws,
      listJws,
      vault,
      vaultVersion,
      rotationJws: '',
      recoverySignature: new Uint8Array(0),
    });
    return undefined;
  } catch (error) {
    if (error instanceof SecureChatError && unknownOutcome.has(error.code)) return error;
    // Refused: there is nothing to change over to.
    await ledger.commit([{ drop: 'successor', key: undefined }]);
    throw error;
  }
}

const unknownOutcome: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'TIMEOUT',
  'SHUTTING_DOWN',
  'DEVICE_REVOKED',
  'SESSION_REPLACED',
]);
