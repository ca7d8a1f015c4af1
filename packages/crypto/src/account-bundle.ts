/** Everything public about an account, as the server hands it out: certificate, device list, device certificates. */
import type { AccountId, Fingerprint } from '@securechat/wire';
import type { AccountCertificate, AccountExpectation } from './account-certificate.ts';
import { verifyAccountCertificate } from './account-certificate.ts';
import type { DeviceCertificate } from './device-certificate.ts';
import { deviceFingerprint, verifyDeviceCertificate } from './device-certificate.ts';
import type { DeviceList, KnownList } from './device-list.ts';
import { verifyDeviceList } from './device-list.ts';
import { rejected } from './jws.ts';
import { equal } from './secret.ts';

export interface AccountBundle {
  readonly account: AccountCertificate;
  readonly list: DeviceList;
  /** In the order of the list: one for each device in it. */
  readonly devices: readonly DeviceCertificate[];
}

export interface AccountBundleInput {
  readonly accountJws: string;
  readonly listJws: string;
  readonly deviceJws: readonly string[];
  readonly server: Fingerprint;
  readonly account?: AccountId;
  readonly username?: string;
  readonly identity?: Fingerprint;
  /** `any-time`: certificates of devices may have expired. */
  readonly nowMs: number | 'any-time';
  readonly previousList?: KnownList;
}

/**
 * Verifies all against each other. CERTIFICATE_REJECTED for anything that does not hold: every device of the list must
 * have exactly one certificate here, no other may be here, and a list older than `previousList` is refused. Whether the
 * identity is the one that was pinned is the caller's to decide (or give `identity`).
 */
export async function verifyAccountBundle(input: AccountBundleInput): Promise<AccountBundle> {
  const expected: AccountExpectation = {
    server: input.server,
    ...(input.account !== undefined && { account: input.account }),
    ...(input.username !== undefined && { username: input.username }),
    ...(input.identity !== undefined && { identity: input.identity }),
  };
  const account = await verifyAccountCertificate(input.accountJws, expected);
  const identity = { identity: account.identity, account: account.account, sequence: account.sequence };
  const list = await verifyDeviceList(input.listJws, {
    ...identity,
    ...(input.previousList !== undefined && { previousList: input.previousList }),
  });
  if (list.devices.length !== input.deviceJws.length)
    throw rejected('The device certificates are not those of the device list.');
  const devices: DeviceCertificate[] = [];
  for (const { device, fingerprint } of list.devices) {
    const jws = input.deviceJws.find((one) => equal(deviceFingerprint(one), fingerprint));
    if (jws === undefined) throw rejected('A device of the list has no certificate.');
    const certificate = await verifyDeviceCertificate(jws, { ...identity, device, nowMs: input.nowMs });
    devices.push(certificate);
  }
  const seals = [account.recoverySealing, ...devices.map(({ sealing }) => sealing)];
  if (new Set(seals.map(({ fingerprint }) => fingerprint)).size !== seals.length)
    throw rejected('One key serves two devices.');
  return { account, list, devices };
}
