/**
 * Attach: a device proves that it holds both of its keys. It signs the transcript with Ed25519; the server answers with
 * a secret sealed to the device's RSA key, and the keys of the session need that secret from then on.
 *
 *     signed  := "SecureChat attach v1" | server identity SPKI hash 32 | account 16 | device 16 | transcript 32
 *     sealed  := sealed object (purpose "attach", context = signed) of 32 bytes; empty on a resumed session
 *     extra   := "SecureChat attached v1", vec16 | signature 64 | sealed, vec32
 *
 * A resumed session mixes an empty secret: its keys come from an earlier attach already.
 */
import type { Entropy, RsaPublic } from '@securechat/crypto';
import { sealTo } from '@securechat/crypto';
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { ByteWriter, fromBase64url, idBytes, limits } from '@securechat/wire';
import type { Session } from './session.ts';

export const ATTACH_SECRET_BYTES = 32;
const LABEL = new TextEncoder().encode('SecureChat attach v1');

export interface AttachClaim {
  readonly server: Fingerprint;
  readonly account: AccountId;
  readonly device: DeviceId;
  /** `session.transcript` at the time of signing: before any mix by the attach itself. */
  readonly transcript: Uint8Array;
}

/** What the device signs with Ed25519, and the context of the sealed secret: 116 bytes. */
export function attachTranscript(claim: AttachClaim): Uint8Array<ArrayBuffer> {
  return new ByteWriter(128)
    .raw(LABEL)
    .raw(fromBase64url(claim.server.slice('sha256:'.length)))
    .raw(idBytes(claim.account))
    .raw(idBytes(claim.device))
    .raw(claim.transcript)
    .done();
}

/** For the server: a fresh secret, and the same sealed to the device. The caller wipes `secret` after the mix. */
export function sealAttachSecret(
  claim: AttachClaim,
  sealing: RsaPublic<'sealing'>,
  entropy: Entropy,
): { readonly sealed: Uint8Array; readonly secret: Uint8Array } {
  const secret = entropy(ATTACH_SECRET_BYTES);
  const context = attachTranscript(claim);
  const sealed = sealTo({ recipients: [sealing], purpose: 'attach', context, plaintext: secret, entropy });
  return { sealed, secret };
}

/** For the device: opens with purpose "attach" and the context given. Undefined unless 32 bytes were meant for it here. */
export async function openAttachSecret(
  claim: AttachClaim,
  sealed: Uint8Array,
  open: (sealed: Uint8Array, context: Uint8Array) => Promise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  const secret = await open(sealed, attachTranscript(claim));
  return secret?.length === ATTACH_SECRET_BYTES ? secret : undefined;
}

export interface AttachBinding {
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
  /** As sent; empty on a resumed session. */
  readonly sealed: Uint8Array;
  /** 32 bytes; empty on a resumed session. The caller wipes it. */
  readonly secret: Uint8Array;
}

/**
 * Server: right after sealing the record with `AttachSealed`. Device: right after opening it. Between `Attach` and
 * `AttachConfirm` the device sends nothing else, and the server nothing but `AttachSealed`, pings included. Raises the
 * frame limit to that of an attached device.
 */
export function bindAttach(session: Session, binding: AttachBinding, nowMs: number): void {
  const extra = new ByteWriter(128 + binding.sealed.length)
    .text16('SecureChat attached v1')
    .raw(binding.signature)
    .vec32(binding.sealed)
    .done();
  session.mixBoth(binding.secret, extra, nowMs);
  session.allow(limits.frameBytesMax.value);
}
