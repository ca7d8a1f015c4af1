/**
 * Sealed objects: a content for one or several RSA sealing keys, of one purpose, in one context.
 *
 *     version u8 = 1 | count u8 | count × ( SHA-256 of the recipient's SPKI, 32 | OAEP ciphertext, vec16 )
 *     commitment 32 | AES-256-GCM ciphertext ‖ tag 16
 *
 * OAEP carries a random 32-byte content key, labelled with the purpose. HKDF-SHA256 makes key, nonce and commitment of
 * it. Associated data: purpose, everything before the commitment, and the context, so that a byte changed anywhere, a
 * recipient added or dropped, another purpose or another context is refused. The commitment (a hash of the content key)
 * makes all recipients read the same content: AES-GCM alone would let a sender craft one text for each.
 */
import { ByteReader, ByteWriter, concatBytes, SecureChatError } from '@securechat/wire';
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, aes256gcm } from './aead.ts';
import type { Entropy } from './entropy.ts';
import { hkdfSha256 } from './hash.ts';
import type { RsaPrivate, RsaPublic } from './rsa.ts';
import { oaepOpen, oaepSeal } from './rsa.ts';
import { equal, wipe } from './secret.ts';

/** What an object is for; a wrong purpose is refused. */
export const sealedPurposes = {
  flight: 'securechat/flight v1',
  attach: 'securechat/attach v1',
  invite: 'securechat/invite v1',
  capsule: 'securechat/capsule v1',
  vault: 'securechat/vault v1',
  file: 'securechat/file v1',
} as const;
export type SealedPurpose = keyof typeof sealedPurposes;

/** Two accounts of ten devices and a recovery key each are 22. */
export const SEALED_RECIPIENTS_MAX = 32;

const VERSION = 1;
const CONTENT_KEY_BYTES = 32;
const COMMITMENT_BYTES = 32;
const utf8 = new TextEncoder();

export interface SealInput {
  /** 1 to 32, each once. */
  readonly recipients: readonly RsaPublic<'sealing'>[];
  readonly purpose: SealedPurpose;
  /** What the object belongs to (transcript, group and epoch …); authenticated, not carried. */
  readonly context: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly entropy: Entropy;
}

/** Size: 2 + recipients × (34 + bits / 8) + 48 + plaintext. */
export function sealTo(input: SealInput): Uint8Array<ArrayBuffer> {
  const { recipients, purpose } = input;
  const different = new Set(recipients.map((recipient) => recipient.fingerprint)).size;
  if (recipients.length < 1 || recipients.length > SEALED_RECIPIENTS_MAX || different !== recipients.length)
    throw new SecureChatError('INTERNAL', { text: 'A sealed object has 1 to 32 different recipients.' });

  const contentKey = input.entropy(CONTENT_KEY_BYTES);
  const label = utf8.encode(sealedPurposes[purpose]);
  const header = new ByteWriter(2 + recipients.length * 600).u8(VERSION).u8(recipients.length);
  for (const key of recipients) header.raw(key.spkiHash).vec16(oaepSeal({ key, label, plaintext: contentKey }));
  const head = header.done();
  const { key, nonce, commitment } = scheduleOf(contentKey, purpose);
  const aad = aadOf(purpose, head, input.context);
  const body = aes256gcm.seal({ key, nonce, aad, plaintext: input.plaintext });
  wipe(contentKey, key);
  return concatBytes(head, commitment, body);
}

/** Opens what OAEP sealed for one key; `undefined` never leaves openSealed. May run in a worker. */
export interface SealedOpener {
  /** SHA-256 of the SPKI, 32 bytes. */
  readonly spkiHash: Uint8Array;
  oaepOpen(ciphertext: Uint8Array, label: Uint8Array): Promise<Uint8Array | undefined>;
}

export function openerOf(key: RsaPrivate<'sealing'>): SealedOpener {
  return {
    spkiHash: key.public.spkiHash,
    oaepOpen: (ciphertext, label) => oaepOpen({ key, label, ciphertext }),
  };
}

export interface OpenInput {
  /** The keys that may open it, at most a few: the first that is named as a recipient is used. */
  readonly openers: readonly SealedOpener[];
  readonly purpose: SealedPurpose;
  readonly context: Uint8Array;
  readonly sealed: Uint8Array;
  readonly entropy: Entropy;
}

/**
 * The content, owned by the caller; undefined when anything is wrong, without saying what. Whether OAEP, commitment or
 * tag failed cannot be told from outside: after an OAEP failure everything goes on with a random key.
 */
export async function openSealed(input: OpenInput): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts = parse(input.sealed);
  if (parts === undefined) return undefined;
  const chosen = chooseRecipient(parts.recipients, input.openers);
  if (chosen === undefined) return undefined;

  const instead = input.entropy(CONTENT_KEY_BYTES);
  const label = utf8.encode(sealedPurposes[input.purpose]);
  const opened = await chosen.opener.oaepOpen(chosen.ciphertext, label);
  const contentKey = opened?.length === CONTENT_KEY_BYTES ? opened : instead;
  const { key, nonce, commitment } = scheduleOf(contentKey, input.purpose);
  const committed = equal(commitment, parts.commitment);
  const aad = aadOf(input.purpose, parts.head, input.context);
  const plaintext = aes256gcm.open({ key, nonce, aad, ciphertext: parts.body });
  wipe(instead, opened, key);
  return committed ? plaintext : undefined;
}

interface Parts {
  readonly head: Uint8Array;
  readonly recipients: readonly { readonly spkiHash: Uint8Array; readonly ciphertext: Uint8Array }[];
  readonly commitment: Uint8Array;
  readonly body: Uint8Array;
}

function parse(sealed: Uint8Array): Parts | undefined {
  try {
    const reader = new ByteReader(sealed);
    if (reader.u8() !== VERSION) return undefined;
    const count = reader.u8();
    if (count < 1 || count > SEALED_RECIPIENTS_MAX) return undefined;
    const recipients = Array.from({ length: count }, () => ({ spkiHash: reader.raw(32), ciphertext: reader.vec16() }));
    const head = sealed.subarray(0, sealed.length - reader.left);
    return { head, recipients, commitment: reader.raw(COMMITMENT_BYTES), body: reader.rest() };
  } catch {
    return undefined;
  }
}

function chooseRecipient(
  recipients: Parts['recipients'],
  openers: readonly SealedOpener[],
): { readonly opener: SealedOpener; readonly ciphertext: Uint8Array } | undefined {
  // Key hashes are public: they stand in the object itself.
  for (const opener of openers)
    for (const { spkiHash, ciphertext } of recipients)
      if (equal(spkiHash, opener.spkiHash)) return { opener, ciphertext };
  return undefined;
}

function scheduleOf(
  contentKey: Uint8Array,
  purpose: SealedPurpose,
): { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly commitment: Uint8Array } {
  const info = utf8.encode(`SecureChat sealed key v1 ${sealedPurposes[purpose]}`);
  const length = AEAD_KEY_BYTES + AEAD_NONCE_BYTES + COMMITMENT_BYTES;
  const all = hkdfSha256({ ikm: contentKey, salt: new Uint8Array(0), info, length });
  const nonceEnd = AEAD_KEY_BYTES + AEAD_NONCE_BYTES;
  return {
    key: all.subarray(0, AEAD_KEY_BYTES),
    nonce: all.subarray(AEAD_KEY_BYTES, nonceEnd),
    commitment: all.slice(nonceEnd),
  };
}

function aadOf(purpose: SealedPurpose, head: Uint8Array, context: Uint8Array): Uint8Array {
  return new ByteWriter(head.length + context.length + 64)
    .text16(sealedPurposes[purpose])
    .vec32(head)
    .vec32(context)
    .done();
}
