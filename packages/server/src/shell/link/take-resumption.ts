/** What a device resumes with is used once, whoever asks for it at the same time. */
import type { AccountId, DeviceId } from '@securechat/wire';
import { resumedSigningKey } from '../../core/attach.ts';
import type { ServerParts } from '../parts.ts';
import { readRecord } from '../records.ts';
import { unwrapSecret } from './wrapped-secret.ts';

export interface ResumedDevice {
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Ed25519 public key of the device, base64url. */
  readonly signing: string;
}

export interface TakenResumption extends ResumedDevice {
  /** 32 bytes, wiped once used. */
  readonly secret: Uint8Array;
}

/** Written once, at attach. */
const RESUMPTION_VERSION = 1;

/**
 * By its handle in base64url; undefined where there is none, or it does not hold any more. The record is gone, durably,
 * before its secret serves. Read and removed by two calls that share one commit; of two connections with the same handle
 * one removal fails.
 */
export async function takeResumption(
  { store, clock, keys }: Pick<ServerParts, 'store' | 'clock' | 'keys'>,
  key: string,
): Promise<TakenResumption | undefined> {
  const [found, taken] = await Promise.all([
    readRecord(store, 'resumption', key),
    store.put([{ space: 'resumption', key, ifVersion: RESUMPTION_VERSION, value: null }]),
  ]);
  if (found === undefined || !taken.ok) return undefined;
  const account = (await readRecord(store, 'account', found.value.account))?.value;
  const signing = resumedSigningKey(found.value, account, clock.wallMs());
  if (signing === undefined) return undefined;
  const { account: id, device } = found.value;
  const secret = unwrapSecret(keys.resumptionKey, found.value.secret, { handle: key, account: id, device });
  return secret && { account: id, device, signing, secret };
}
