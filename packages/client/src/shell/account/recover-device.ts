/**
 * A new device of an account (docs/protocol/accounts.md): the recovery words open the vault, its identity certifies the
 * device, and a list that names it alone ends every other one.
 */
import type { Entropy } from '@securechat/crypto';
import { verifyAccountBundle } from '@securechat/crypto';
import { createPasswordSlot, openVault } from '@securechat/e2ee';
import type { AccountId, control } from '@securechat/wire';
import { idOf, SecureChatError } from '@securechat/wire';
import type { AccountRecord } from '../../core/record-account.ts';
import { newAccountRecord } from './account-record.ts';
import type { DeviceKeys } from './device-keys.ts';
import type { Link } from '../link/link-port.ts';

/** The password was right; the words are a choice of the list. */
interface Proven {
  readonly link: Pick<Link, 'request' | 'serverFingerprint'>;
  readonly done: control.LoginDone;
  readonly username: string;
  readonly recoveryEntropy: Uint8Array;
  /** Of the login, 64 bytes: from now on the password opens the vault here as well. Absent: the words alone. */
  readonly exportKey?: Uint8Array;
  /** Under way since before the login: wrong words are told without waiting for it. */
  readonly device: Promise<DeviceKeys>;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

/**
 * The account as this device is to store it before it is published. CERTIFICATE_REJECTED when the server shows another
 * account, or its vault another identity; RECOVERY_WORDS_WRONG.
 */
export async function recoverDevice(proven: Proven): Promise<AccountRecord> {
  const { link, done, username, recoveryEntropy, exportKey, device, nowMs, entropy } = proven;
  const { accountJws, listJws: lastJws, deviceJws: devicesJws } = done;
  const server = link.serverFingerprint;
  const bundle = await verifyAccountBundle({
    accountJws,
    listJws: lastJws,
    deviceJws: devicesJws,
    server,
    account: idOf<AccountId>(done.account),
    username,
    // The old devices end here; their certificates may have ended before.
    nowMs: 'any-time',
  });
  const { account, sequence } = bundle.account;
  const answer = await link.request('getVault', {});
  if (answer.$case !== 'vault') throw new SecureChatError('MALFORMED');
  const stored = { vault: answer.value.vault, account, sequence, entropy };
  const { identity, recoverySealing } = await openVault({ ...stored, recoveryEntropy });
  if (identity.public.fingerprint !== bundle.account.identity.fingerprint)
    throw new SecureChatError('CERTIFICATE_REJECTED', { text: 'The vault holds another identity.' });
  const { version, hash: previous } = bundle.list;
  return newAccountRecord({
    identity,
    account,
    sequence,
    keys: await device,
    listVersion: version + 1,
    previous,
    nowMs,
    stage: 'registered',
    server: bundle.account.server,
    username,
    accountJws,
    ...(exportKey !== undefined && {
      passwordSlot: createPasswordSlot({ account, recoverySealing, exportKey, entropy }),
    }),
  });
}

/** From here on the devices of its list are the account's only ones. */
export async function publishDevice(link: Pick<Link, 'request'>, account: AccountRecord): Promise<void> {
  const { deviceJws, listJws } = account;
  await link.request('publishDevices', { deviceJws, listJws });
}
