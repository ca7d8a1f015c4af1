/**
 * Key packages: what others need to add this device while it is away. One-time packages are used once; the last-resort
 * package serves when they ran out, and its joiner renews its keys at once.
 */
import type { DeviceCertificate, Entropy } from '@securechat/crypto';
import { CERTIFICATE_BACKDATE_MS } from '@securechat/crypto';
import { defaultLimits } from '@securechat/wire';
import type { KnownDevice, OwnDevice } from './credential.ts';
import { certificateIsValid, deviceBehind, ownLeaf } from './credential.ts';
import type { MadeKeyPackage, MlsEngine, Validity } from './engine.ts';

export interface KeyPackageBatchInput {
  readonly engine: MlsEngine;
  readonly own: OwnDevice;
  readonly count: number;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

/** `count` new packages, valid from 7 days back for 90 days (no longer than the device certificate). */
export function createKeyPackages(input: KeyPackageBatchInput): MadeKeyPackage[] {
  const { engine, own, nowMs, entropy } = input;
  const validity = validityFrom(own.certificate, nowMs);
  return Array.from({ length: input.count }, () => engine.keyPackage({ own: ownLeaf(own), validity, entropy }));
}

/** Lifetime of what a device makes now. */
export function validityFrom(certificate: DeviceCertificate, nowMs: number): Validity {
  const notBeforeMs = nowMs - CERTIFICATE_BACKDATE_MS;
  return { notBeforeMs, notAfterMs: Math.min(notBeforeMs + defaultLimits.keyPackageMsMax, certificate.notAfterMs) };
}

export type KeyPackageVerdict =
  | { readonly kind: 'usable'; readonly reference: Uint8Array }
  | {
      readonly kind: 'refused';
      /** `foreign`: its credential or key is not that of the device. */
      readonly reason: 'malformed' | 'foreign' | 'expired' | 'not-yet-valid' | 'lives-too-long' | 'certificate-expired';
    };

/** Whether a package that the server handed out is what that device published, and valid now. */
export function checkKeyPackage(input: {
  readonly engine: MlsEngine;
  readonly keyPackage: Uint8Array;
  readonly device: KnownDevice;
  readonly nowMs: number;
}): KeyPackageVerdict {
  const { device, nowMs } = input;
  const facts = input.engine.readKeyPackage(input.keyPackage);
  if (facts === undefined) return { kind: 'refused', reason: 'malformed' };
  const behind = deviceBehind([device.person], facts);
  if (behind?.certificate.device !== device.certificate.device) return { kind: 'refused', reason: 'foreign' };
  if (!certificateIsValid(device.certificate, nowMs)) return { kind: 'refused', reason: 'certificate-expired' };
  const { notBeforeMs, notAfterMs } = facts.validity;
  if (nowMs < notBeforeMs) return { kind: 'refused', reason: 'not-yet-valid' };
  if (nowMs > notAfterMs) return { kind: 'refused', reason: 'expired' };
  if (notAfterMs - notBeforeMs > defaultLimits.keyPackageMsMax) return { kind: 'refused', reason: 'lives-too-long' };
  return { kind: 'usable', reference: facts.reference };
}
