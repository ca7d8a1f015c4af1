/**
 * A device certificate ends after two years. Long before that the account identity makes the next one, for the same
 * device and the same keys, so that nobody has to look at anything (docs/protocol/accounts.md). The identity is in the
 * vault: it is opened at a login with the password, and not kept.
 */
import type { DeviceCertificate, Entropy } from '@securechat/crypto';
import { equal, verifyAccountBundle } from '@securechat/crypto';
import { openVaultByPassword } from '@securechat/e2ee';
import type { Code, control } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { AccountRecord } from '../../core/record-account.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Link } from '../link/link-port.ts';
import { ownBundle } from './account-record.ts';
import { certifyDevice } from './device-keys.ts';
import { publishDevice } from './recover-device.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Renewed from so long before the end on: whoever logs in twice a year never meets it. */
export const RENEWAL_MS = 180 * DAY_MS;
/** From so long before the end on a person is told, once a day: no login has renewed it. */
export const WARNING_MS = 60 * DAY_MS;

/** The certificate of this device, whether or not it has ended. */
export async function ownCertificate(record: AccountRecord): Promise<DeviceCertificate> {
  const { devices } = await ownBundle(record);
  const own = devices.find(({ device }) => device === record.device);
  if (own === undefined) throw new SecureChatError('PROFILE_DAMAGED');
  return own;
}

/** Whether a login should renew: the end is near, nothing is under way, and the password opens the vault. */
export async function isRenewalDue({ account, successor }: Ledger, nowMs: number): Promise<boolean> {
  if (successor !== undefined || account.passwordSlot.length === 0) return false;
  return (await ownCertificate(account)).notAfterMs - nowMs < RENEWAL_MS;
}

/**
 * The next certificate goes to the disk; the next attach publishes it. `done` and `exportKey` are of a login just now.
 * CERTIFICATE_REJECTED when the server shows another account, an older list or the vault of another identity.
 */
export async function renewDevice(input: {
  readonly ledger: Ledger;
  readonly link: Pick<Link, 'request'>;
  readonly done: control.LoginDone;
  readonly exportKey: Uint8Array;
  readonly nowMs: number;
  readonly entropy: Entropy;
}): Promise<void> {
  const { ledger, link, done, exportKey, nowMs, entropy } = input;
  const record = ledger.account;
  const { server, account, username, device, passwordSlot: slot } = record;
  const own = await ownCertificate(record);
  const known = await ownBundle(record);
  const identityKnown = known.account.identity.fingerprint;
  const { accountJws, listJws: lastJws, deviceJws: devicesJws } = done;
  const { account: person, ...shown } = await verifyAccountBundle({
    accountJws,
    listJws: lastJws,
    deviceJws: devicesJws,
    server,
    account,
    username,
    identity: identityKnown,
    previousList: known.list,
    nowMs: 'any-time',
  });
  const listed = shown.devices.find((one) => one.device === device);
  // Ended elsewhere: the attach will say so.
  if (listed === undefined || !hasKeysOf(listed, own)) return;
  if (listed.notAfterMs - nowMs >= RENEWAL_MS)
    // Renewed in a life that this copy of the profile does not know.
    return ledger.commit([{ put: 'account', value: { ...record, listJws: lastJws, deviceJws: listed.jws } }]);

  const answer = await link.request('getVault', {});
  if (answer.$case !== 'vault') throw new SecureChatError('MALFORMED');
  const { sequence } = person;
  const { identity } = await openVaultByPassword({
    vault: answer.value.vault,
    account,
    sequence,
    slot,
    exportKey,
    entropy,
  });
  if (identity.public.fingerprint !== identityKnown)
    throw new SecureChatError('CERTIFICATE_REJECTED', { text: 'The vault holds another identity.' });
  const { deviceJws, listJws } = await certifyDevice({
    identity,
    account,
    sequence,
    keys: { device, signing: { publicKey: own.signing }, sealing: { public: own.sealing } },
    others: shown.list.devices.filter((one) => one.device !== device),
    listVersion: shown.list.version + 1,
    previous: shown.list.hash,
    nowMs,
  });
  await ledger.commit([{ put: 'successor', value: { ...record, listJws, deviceJws } }]);
}

function hasKeysOf(listed: DeviceCertificate, own: DeviceCertificate): boolean {
  return equal(listed.signing, own.signing) && listed.sealing.fingerprint === own.sealing.fingerprint;
}

/** The same device under its next certificate, not a new one of a reset. */
export function isRenewal({ account, successor }: Ledger): boolean {
  return successor?.device === account.device;
}

/**
 * Right after an attach. The server may have the list already, because its answer was lost: the same one twice is one.
 * What it refuses is given up, and made again by the next login; for what is unknown the next attach asks again.
 */
export async function publishRenewal(ledger: Ledger, link: Pick<Link, 'request'>): Promise<void> {
  const { successor } = ledger;
  if (successor === undefined) return;
  try {
    await publishDevice(link, successor);
  } catch (error) {
    if (!(error instanceof SecureChatError)) throw error;
    if (refusals.has(error.code)) await ledger.commit([{ drop: 'successor', key: undefined }]);
    return;
  }
  const { listJws, deviceJws } = successor;
  await ledger.commit([
    { put: 'account', value: { ...ledger.account, listJws, deviceJws } },
    { drop: 'successor', key: undefined },
  ]);
}

const refusals: ReadonlySet<Code> = new Set<Code>(['VERSION_CONFLICT', 'CERTIFICATE_REJECTED', 'TOO_LARGE']);
