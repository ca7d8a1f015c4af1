/**
 * Accounts for the load, registered by the real protocol, but without a password. They share their RSA keys, since making
 * 3 pairs each would take longer than the measurement; the server's work is the same.
 */
import {
  deviceFingerprint,
  ed25519,
  generateRsa,
  openerOf,
  openSealed,
  signAccountCertificate,
  signDeviceCertificate,
  signDeviceList,
  systemEntropy,
} from '@securechat/crypto';
import type { RsaPrivate } from '@securechat/crypto';
import { openLink } from '@securechat/client/link';
import { idOf, parseServerAddress, toBase64url } from '@securechat/wire';
import type { AccountId, control, DeviceId } from '@securechat/wire';

type OpenOptions = Parameters<typeof openLink>[0];
type LinkEvents = Parameters<typeof openLink>[1];
export type Link = Awaited<ReturnType<typeof openLink>>['link'];

interface RsaKeys {
  readonly identity: RsaPrivate<'identity'>;
  readonly sealing: RsaPrivate<'sealing'>;
  readonly recoverySealing: RsaPrivate<'sealing'>;
}

export interface Account {
  readonly username: string;
  readonly id: AccountId;
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
  readonly keys: RsaKeys;
}

/** A server as the load reaches it; the address carries the fingerprint. */
export interface Target {
  readonly address: string;
  readonly invite: string;
  /** PEM, where the server has a certificate of its own. */
  readonly tlsCa?: string;
}

async function makeRsaKeys(bits: number): Promise<RsaKeys> {
  const [identity, sealing, recoverySealing] = await Promise.all([
    generateRsa('identity', bits),
    generateRsa('sealing', bits),
    generateRsa('sealing', bits),
  ]);
  return { identity, sealing, recoverySealing };
}

const LINK_TIMEOUT_MS = 30_000;

/** 2048 bits: the size costs the load, the server only verifies. */
const ACCOUNT_RSA_BITS = 2048;

/** Registers `count` accounts: the first by the server's own invite, the others by one that the first asks for. */
export async function registerAccounts(target: Target, count: number): Promise<Account[]> {
  const keys = await makeRsaKeys(ACCOUNT_RSA_BITS);
  const first = await registerAccount(target, keys);
  const accounts = [first];
  const { link } = await open(target);
  await attach(link, first, { storedUpTo: 0, submitNumberHighest: 0 });
  const answer = await link.request('createInvite', { uses: count, hours: 1 });
  link.close();
  if (answer.$case !== 'invite') throw new Error(`an invite was asked for, ${answer.$case} came`);
  while (accounts.length < count) {
    accounts.push(await registerAccount({ ...target, invite: answer.value.code }, keys));
  }
  return accounts;
}

/**
 * Registers; the link is closed again. The account has no password: it only ever attaches by its keys, and stretching one
 * for each would take longer than the measurement. Where the record of a password belongs, there are random bytes.
 */
async function registerAccount(target: Target, keys: RsaKeys): Promise<Account> {
  const username = `load${Buffer.from(systemEntropy(6)).toString('hex')}`;
  const signing = ed25519.generate(systemEntropy);
  const account: Account = {
    username,
    id: idOf<AccountId>(systemEntropy(16)),
    device: idOf<DeviceId>(systemEntropy(16)),
    signingSeed: signing.privateKey,
    keys,
  };
  const { link } = await open(target);
  const { invite } = target;
  const none = new Uint8Array(0);
  const opaque = toBase64url(RISTRETTO_BASE);
  await link.request('registerStart', { username, opaque, invite, challenge: none, powNonce: none });
  const certificates = await certify(account, signing.publicKey, link.serverFingerprint);
  await link.request('registerFinish', { opaque: toBase64url(systemEntropy(PASSWORD_RECORD_BYTES)), ...certificates });
  link.close();
  return account;
}

/** The base point of ristretto255 (RFC 9496 §A.1): what a blinded password looks like. */
const RISTRETTO_BASE = Buffer.from('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76', 'hex');
const PASSWORD_RECORD_BYTES = 192;

async function certify(account: Account, signing: Uint8Array, server: Link['serverFingerprint']) {
  const { identity, sealing, recoverySealing } = account.keys;
  const nowMs = Date.now();
  const { id, username, device } = account;
  const accountJws = await signAccountCertificate(identity, {
    account: id,
    username,
    sequence: 1,
    recovery: ed25519.generate(systemEntropy).publicKey,
    recoverySealing: recoverySealing.public,
    server,
    issuedAtMs: nowMs,
  });
  const deviceJws = await signDeviceCertificate(identity, {
    account: id,
    sequence: 1,
    device,
    signing,
    sealing: sealing.public,
    nowMs,
  });
  const listJws = await signDeviceList(identity, {
    account: id,
    sequence: 1,
    version: 1,
    devices: [{ device, fingerprint: deviceFingerprint(deviceJws) }],
    previous: new Uint8Array(0),
  });
  return { accountJws, deviceJws, listJws };
}

/** Connects, by the full handshake or by a resumption of an earlier attach. */
export async function open(
  target: Target,
  events: Partial<LinkEvents> = {},
  resumption?: OpenOptions['resumption'],
): Promise<{ readonly link: Link }> {
  const address = parseServerAddress(target.address);
  const pin = { fingerprint: address.fingerprint, sealingSequenceMin: 0, versionMin: 1, opaqueKey: undefined };
  const all: LinkEvents = {
    onDeliver: () => undefined,
    onAccepted: () => undefined,
    onRefused: (_id, error) => {
      throw error;
    },
    onEvent: () => undefined,
    onClosed: () => undefined,
    ...events,
  };
  const { tlsCa } = target;
  return openLink(
    {
      address,
      pin,
      timeoutMs: LINK_TIMEOUT_MS,
      ...(resumption && { resumption }),
      ...(tlsCa !== undefined && { tlsCa }),
    },
    all,
  );
}

/** Attaches the account's device; `storedUpTo` and `submitNumberHighest` as it last knew them. */
export function attach(
  link: Link,
  account: Account,
  known: { readonly storedUpTo: number; readonly submitNumberHighest: number },
): Promise<control.Attached> {
  const openers = [openerOf(account.keys.sealing)];
  return link.attach({
    account: account.id,
    device: account.device,
    signingSeed: account.signingSeed,
    openSealed: (sealed, context) =>
      openSealed({ openers, purpose: 'attach', context, sealed, entropy: systemEntropy }),
    ...known,
  });
}
