/** The account as this device stores it: its private keys, and what the identity says of them. */
import type { AccountBundle } from '@securechat/crypto';
import { verifyAccountBundle } from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import type { AccountRecord } from '../../core/record-account.ts';
import type { CertifyDeviceInput, DeviceKeys } from './device-keys.ts';
import { certifyDevice } from './device-keys.ts';

export interface NewAccountInput extends Omit<CertifyDeviceInput, 'others'> {
  readonly keys: DeviceKeys;
  readonly stage: AccountRecord['stage'];
  readonly server: Fingerprint;
  readonly username: string;
  readonly accountJws: string;
  readonly vault?: Uint8Array;
  readonly passwordSlot?: Uint8Array;
}

const NONE = new Uint8Array(0);

/** A device that nobody knows yet, certified as the only one of its account. */
export async function newAccountRecord(input: NewAccountInput): Promise<AccountRecord> {
  const { stage, server, account, username, accountJws, keys, vault = NONE, passwordSlot = NONE } = input;
  const { deviceJws, listJws } = await certifyDevice(input);
  return {
    stage,
    server,
    account,
    username,
    device: keys.device,
    accountJws,
    listJws,
    deviceJws,
    signing: keys.signing.privateKey,
    sealing: keys.sealing.exportPkcs8(),
    vault,
    passwordSlot,
  };
}

/** Our own certificates, whether or not that of the device has ended. CERTIFICATE_REJECTED for what never held. */
export function ownBundle({ server, account, accountJws, listJws, deviceJws }: AccountRecord): Promise<AccountBundle> {
  return verifyAccountBundle({ server, account, accountJws, listJws, deviceJws: [deviceJws], nowMs: 'any-time' });
}
