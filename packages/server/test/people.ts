/** Accounts for tests: ids of their own, RSA keys shared by all of them (made once per process, 2048 bits). */
import type { RsaPrivate } from '@securechat/crypto';
import {
  deviceFingerprint,
  ed25519,
  generateRsa,
  sha256,
  signAccountCertificate,
  signDeviceCertificate,
  signDeviceList,
  systemEntropy,
} from '@securechat/crypto';
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { idOf } from '@securechat/wire';

const [identity, otherIdentity, sealing, recoverySealing, otherSealing] = await Promise.all([
  generateRsa('identity', 2048),
  generateRsa('identity', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
]);

export const rsa: {
  readonly identity: RsaPrivate<'identity'>;
  readonly otherIdentity: RsaPrivate<'identity'>;
  readonly sealing: RsaPrivate<'sealing'>;
  readonly recoverySealing: RsaPrivate<'sealing'>;
  readonly otherSealing: RsaPrivate<'sealing'>;
} = { identity, otherIdentity, sealing, recoverySealing, otherSealing };

export interface DeviceKeys {
  readonly device: DeviceId;
  readonly signing: { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array };
  readonly sealing: RsaPrivate<'sealing'>;
}

export interface Person {
  readonly username: string;
  readonly password: string;
  readonly account: AccountId;
  readonly sequence: number;
  readonly identity: RsaPrivate<'identity'>;
  readonly recovery: { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array };
  readonly device: DeviceKeys;
  readonly accountJws: string;
  readonly deviceJws: string;
  readonly listJws: string;
  readonly listVersion: number;
}

export function newDevice(sealingKey: RsaPrivate<'sealing'> = rsa.sealing): DeviceKeys {
  return {
    device: idOf<DeviceId>(systemEntropy(16)),
    signing: ed25519.generate(systemEntropy),
    sealing: sealingKey,
  };
}

export interface PersonOptions {
  readonly username: string;
  readonly server: Fingerprint;
  readonly password?: string;
  readonly account?: AccountId;
  readonly sequence?: number;
  readonly listVersion?: number;
  readonly previous?: Uint8Array;
  readonly identity?: RsaPrivate<'identity'>;
  readonly recovery?: Person['recovery'];
  readonly device?: DeviceKeys;
}

/** All certificates of an account with one device. */
export async function makePerson(options: PersonOptions): Promise<Person> {
  const account = options.account ?? idOf<AccountId>(systemEntropy(16));
  const { sequence = 1, listVersion = 1, previous = new Uint8Array(0), identity: key = rsa.identity } = options;
  const device = options.device ?? newDevice();
  const recovery = options.recovery ?? ed25519.generate(systemEntropy);
  const nowMs = Date.now();
  const accountJws = await signAccountCertificate(key, {
    account,
    username: options.username,
    sequence,
    recovery: recovery.publicKey,
    recoverySealing: rsa.recoverySealing.public,
    server: options.server,
    issuedAtMs: nowMs,
  });
  const deviceJws = await signDeviceCertificate(key, {
    account,
    sequence,
    device: device.device,
    signing: device.signing.publicKey,
    sealing: device.sealing.public,
    nowMs,
  });
  const listJws = await signDeviceList(key, {
    account,
    sequence,
    version: listVersion,
    devices: [{ device: device.device, fingerprint: deviceFingerprint(deviceJws) }],
    previous,
  });
  return {
    username: options.username,
    password: options.password ?? 'correct horse battery',
    account,
    sequence,
    identity: key,
    recovery,
    device,
    accountJws,
    deviceJws,
    listJws,
    listVersion,
  };
}

/** The same account with another device alone, as after a login with recovery words. */
export async function onNewDevice(person: Person, server: Fingerprint): Promise<Person> {
  const next = await makePerson({
    ...person,
    server,
    listVersion: person.listVersion + 1,
    previous: sha256(new TextEncoder().encode(person.listJws)),
    device: newDevice(rsa.otherSealing),
  });
  return { ...next, accountJws: person.accountJws };
}

/** The same account with a new identity and device, as after a key reset. */
export function withNewKeys(person: Person, server: Fingerprint): Promise<Person> {
  return makePerson({
    ...person,
    server,
    sequence: person.sequence + 1,
    listVersion: person.listVersion + 1,
    previous: sha256(new TextEncoder().encode(person.listJws)),
    identity: rsa.otherIdentity,
    device: newDevice(rsa.otherSealing),
  });
}
