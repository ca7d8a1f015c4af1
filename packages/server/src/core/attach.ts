/** Which devices may attach, and what a resumption is good for. */
import type { DeviceId } from '@securechat/wire';
import type { AccountRecord, ResumptionRecord } from './records.ts';

export type AttachCandidate =
  /** Keys in base64url; whoever proves to hold `signing` is this device. */
  | { readonly kind: 'device'; readonly signing: string; readonly sealing: string }
  /** It was a device; if it proves to be it, it is told so. */
  | { readonly kind: 'ended'; readonly signing: string }
  | { readonly kind: 'unknown' };

export function attachCandidate(record: AccountRecord | undefined, device: DeviceId): AttachCandidate {
  const listed = record?.devices.find((one) => one.device === device);
  if (listed !== undefined) return { kind: 'device', signing: listed.signing, sealing: listed.sealing };
  const ended = record?.ended.find((one) => one.device === device);
  return ended === undefined ? { kind: 'unknown' } : { kind: 'ended', signing: ended.signing };
}

/** The signing key of the device that the resumption was issued to, while it may still use it; undefined afterwards. */
export function resumedSigningKey(
  resumption: ResumptionRecord,
  account: AccountRecord | undefined,
  nowMs: number,
): string | undefined {
  if (nowMs >= resumption.expiresMs || account === undefined || account.disabled) return undefined;
  return account.devices.find(({ device }) => device === resumption.device)?.signing;
}
