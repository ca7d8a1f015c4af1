/** Certificates of a request, verified, as facts for the decision. CERTIFICATE_REJECTED or TOO_LARGE when they fail. */
import type { AccountBundle } from '@securechat/crypto';
import {
  deviceFingerprint,
  equal,
  verifyAccountBundle,
  verifyAccountCertificate,
  verifyDeviceList,
} from '@securechat/crypto';
import type { AccountId } from '@securechat/wire';
import { fromBase64url, limits, SecureChatError, toBase64url } from '@securechat/wire';
import type { CertifiedAccount, CertifiedList } from '../core/accounts.ts';
import type { AccountRecord } from '../core/records.ts';
import type { ServerParts } from './parts.ts';

export interface BundleText {
  readonly accountJws: string;
  readonly listJws: string;
  readonly deviceJws: string;
}

/** A whole new identity: registration and key reset. */
export async function certifyAccount(
  server: ServerParts,
  text: BundleText,
  expected: { readonly username: string; readonly account?: AccountId; readonly nowMs: number },
): Promise<CertifiedAccount> {
  refuseLong(text.accountJws, text.listJws, text.deviceJws);
  const bundle = await verifyAccountBundle({
    accountJws: text.accountJws,
    listJws: text.listJws,
    deviceJws: [text.deviceJws],
    server: server.keys.fingerprint,
    username: expected.username,
    ...(expected.account !== undefined && { account: expected.account }),
    nowMs: expected.nowMs,
  });
  const { account } = bundle;
  return {
    account: account.account,
    username: account.username,
    sequence: account.sequence,
    identity: account.identity.fingerprint,
    recovery: toBase64url(account.recovery),
    accountJws: account.jws,
    list: listOf(bundle),
  };
}

/** A new device list of the identity that is stored; certificates of devices that stay are taken from the record. */
export async function certifyList(
  server: ServerParts,
  record: AccountRecord,
  text: { readonly listJws: string; readonly deviceJws: string },
  nowMs: number,
): Promise<CertifiedList> {
  refuseLong(text.listJws, text.deviceJws);
  const account = await verifyAccountCertificate(record.accountJws, { server: server.keys.fingerprint });
  const list = await verifyDeviceList(text.listJws, {
    identity: account.identity,
    account: account.account,
    sequence: record.sequence,
    previousList: {
      sequence: record.sequence,
      version: record.listVersion,
      hash: fromBase64url(record.listHash),
    },
  });
  const candidates = [...record.devices.map(({ jws }) => jws), ...(text.deviceJws === '' ? [] : [text.deviceJws])];
  const deviceJws = list.devices.flatMap(({ fingerprint }) =>
    candidates.filter((jws) => equal(deviceFingerprint(jws), fingerprint)).slice(0, 1),
  );
  const bundle = await verifyAccountBundle({
    accountJws: record.accountJws,
    listJws: text.listJws,
    deviceJws,
    server: server.keys.fingerprint,
    nowMs,
  });
  return listOf(bundle);
}

function listOf({ list, devices }: AccountBundle): CertifiedList {
  return {
    jws: list.jws,
    version: list.version,
    hash: toBase64url(list.hash),
    previous: toBase64url(list.previous),
    devices: devices.map(({ device, jws, signing, sealing }) => ({
      device,
      jws,
      signing: toBase64url(signing),
      sealing: toBase64url(sealing.spki),
    })),
  };
}

function refuseLong(...texts: readonly string[]): void {
  for (const text of texts) if (text.length > limits.certificateBytesMax.value) throw new SecureChatError('TOO_LARGE');
}
