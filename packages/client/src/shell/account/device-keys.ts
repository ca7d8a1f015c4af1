/** The keys of an account and of a device, and what certifies them. */
import type { Entropy, ListedDevice, RsaPrivate, RsaPublic } from '@securechat/crypto';
import {
  deviceFingerprint,
  ed25519,
  generateRsa,
  hkdfSha256,
  signAccountCertificate,
  signDeviceCertificate,
  signDeviceList,
} from '@securechat/crypto';
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { freshId } from '../fresh-id.ts';

export interface DeviceKeys {
  readonly device: DeviceId;
  /** Ed25519 seed and public key, 32 bytes each. */
  readonly signing: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  readonly sealing: RsaPrivate<'sealing'>;
}

export async function createDeviceKeys(bits: number, entropy: Entropy): Promise<DeviceKeys> {
  const sealing = await generateRsa('sealing', bits);
  return { device: freshId<DeviceId>(entropy), signing: ed25519.generate(entropy), sealing };
}

const RECOVERY_INFO = new TextEncoder().encode('securechat/recovery-signing v1');

/** The recovery signing key, from the words alone. */
export function recoverySigning(recoveryEntropy: Uint8Array): { privateKey: Uint8Array; publicKey: Uint8Array } {
  const privateKey = hkdfSha256({ ikm: recoveryEntropy, salt: new Uint8Array(0), info: RECOVERY_INFO, length: 32 });
  return { privateKey, publicKey: ed25519.publicOf(privateKey) };
}

export interface CertifyInput {
  readonly identity: RsaPrivate<'identity'>;
  readonly account: AccountId;
  readonly username: string;
  readonly sequence: number;
  readonly server: Fingerprint;
  /** Ed25519, 32 bytes. */
  readonly recovery: Uint8Array;
  readonly recoverySealing: RsaPublic<'sealing'>;
  readonly nowMs: number;
}

export function certifyAccount(input: CertifyInput): Promise<string> {
  const { identity, nowMs, ...claims } = input;
  return signAccountCertificate(identity, { ...claims, issuedAtMs: nowMs });
}

export interface CertifyDeviceInput {
  readonly identity: RsaPrivate<'identity'>;
  readonly account: AccountId;
  readonly sequence: number;
  readonly keys: {
    readonly device: DeviceId;
    readonly signing: Pick<DeviceKeys['signing'], 'publicKey'>;
    readonly sealing: Pick<DeviceKeys['sealing'], 'public'>;
  };
  /** Listed beside it; none by default. */
  readonly others?: readonly ListedDevice[];
  readonly listVersion: number;
  /** Hash of the list before it; empty for the first. */
  readonly previous: Uint8Array;
  readonly nowMs: number;
}

/** Certificate of the device, and the list that names it. */
export async function certifyDevice(
  input: CertifyDeviceInput,
): Promise<{ readonly deviceJws: string; readonly listJws: string }> {
  const { identity, account, sequence, keys, others = [], nowMs } = input;
  const { device } = keys;
  const deviceJws = await signDeviceCertificate(identity, {
    account,
    sequence,
    device,
    signing: keys.signing.publicKey,
    sealing: keys.sealing.public,
    nowMs,
  });
  const listJws = await signDeviceList(identity, {
    account,
    sequence,
    version: input.listVersion,
    devices: [...others, { device, fingerprint: deviceFingerprint(deviceJws) }],
    previous: input.previous,
  });
  return { deviceJws, listJws };
}
