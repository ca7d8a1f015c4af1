/**
 * What a leaf says about itself, and the people it is measured against (docs/protocol/conversations.md).
 *
 *     version u8 (1) | account 16 | sequence u64 | device 16 | device certificate hash 32 | account certificate hash 32
 *
 * The credential proves nothing alone: the account certificate that it names by hash must be the newest known, the device
 * in its newest list known, and the leaf's signature key the one in the certificate there. That certificate may be a later
 * one than the leaf names: whoever renews it keeps device and key, and with them the leaves.
 */
import type { AccountBundle, DeviceCertificate } from '@securechat/crypto';
import { ed25519, equal } from '@securechat/crypto';
import type { AccountId, DeviceId } from '@securechat/wire';
import { ByteReader, ByteWriter, ID_BYTES, idBytes, idOf, SecureChatError } from '@securechat/wire';
import type { CredentialCheck, Leaf, OwnLeaf } from './engine.ts';

const VERSION = 1;
const HASH_BYTES = 32;
/** Bytes of an encoded credential. */
export const CREDENTIAL_BYTES: number = 1 + ID_BYTES + 8 + ID_BYTES + 2 * HASH_BYTES;

export interface Credential {
  readonly account: AccountId;
  /** Identity sequence. */
  readonly sequence: number;
  readonly device: DeviceId;
  /** SHA-256 of the device certificate that the leaf was made under. */
  readonly deviceCertificate: Uint8Array;
  /** SHA-256 of the account certificate. */
  readonly accountCertificate: Uint8Array;
}

/** A device of a person; the bundle is what vouches for it. */
export interface KnownDevice {
  readonly person: AccountBundle;
  readonly certificate: DeviceCertificate;
}

export function encodeCredential(credential: Credential): Uint8Array<ArrayBuffer> {
  return new ByteWriter(CREDENTIAL_BYTES)
    .u8(VERSION)
    .raw(idBytes(credential.account))
    .u64(credential.sequence)
    .raw(idBytes(credential.device))
    .raw(credential.deviceCertificate)
    .raw(credential.accountCertificate)
    .done();
}

/** Undefined for anything that is not exactly one credential of this version. */
export function decodeCredential(bytes: Uint8Array): Credential | undefined {
  if (bytes.length !== CREDENTIAL_BYTES || bytes[0] !== VERSION) return undefined;
  const reader = new ByteReader(bytes.subarray(1));
  try {
    return {
      account: idOf<AccountId>(reader.raw(ID_BYTES)),
      sequence: reader.u64(),
      device: idOf<DeviceId>(reader.raw(ID_BYTES)),
      deviceCertificate: reader.raw(HASH_BYTES).slice(),
      accountCertificate: reader.raw(HASH_BYTES).slice(),
    };
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

export function credentialOf({ person, certificate }: KnownDevice): Credential {
  return {
    account: certificate.account,
    sequence: certificate.sequence,
    device: certificate.device,
    deviceCertificate: certificate.fingerprint,
    accountCertificate: person.account.hash,
  };
}

/** The known device that a leaf of this credential and signature key belongs to; undefined where anything differs. */
export function deviceBehind(
  people: readonly AccountBundle[],
  leaf: Pick<Leaf, 'credential' | 'signingKey'>,
): KnownDevice | undefined {
  const credential = decodeCredential(leaf.credential);
  if (credential === undefined) return undefined;
  const person = people.find(({ account }) => account.account === credential.account);
  if (person === undefined || !equal(person.account.hash, credential.accountCertificate)) return undefined;
  const certificate = person.devices.find(({ device }) => device === credential.device);
  if (certificate === undefined || certificate.sequence !== credential.sequence) return undefined;
  return equal(certificate.signing, leaf.signingKey) ? { person, certificate } : undefined;
}

/** Accepts leaves of devices in the newest lists of these people whose certificates there are valid now, nothing else. */
export function credentialCheck(people: readonly AccountBundle[], nowMs: number): CredentialCheck {
  return (credential, signingKey) => {
    const device = deviceBehind(people, { credential, signingKey });
    return device !== undefined && certificateIsValid(device.certificate, nowMs);
  };
}

export function certificateIsValid({ notBeforeMs, notAfterMs }: DeviceCertificate, nowMs: number): boolean {
  return notBeforeMs <= nowMs && nowMs <= notAfterMs;
}

/** This device, with the private half that conversations sign with. */
export interface OwnDevice extends KnownDevice {
  /** Ed25519 private key (seed), 32 bytes. */
  readonly signing: Uint8Array;
}

/** INTERNAL when the private key is not the certificate's. */
export function ownDevice(person: AccountBundle, device: DeviceId, signing: Uint8Array): OwnDevice {
  const certificate = person.devices.find((one) => one.device === device);
  if (certificate === undefined || !equal(ed25519.publicOf(signing), certificate.signing))
    throw new SecureChatError('INTERNAL', { text: 'The signing key is not that of the device certificate.' });
  return { person, certificate, signing };
}

export function ownLeaf(own: OwnDevice): OwnLeaf {
  return {
    credential: encodeCredential(credentialOf(own)),
    signing: own.signing,
    signingPublic: own.certificate.signing,
  };
}
