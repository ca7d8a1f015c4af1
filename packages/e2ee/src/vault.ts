/**
 * The vault: what an account needs to come back on an empty device, as the server stores it (docs/protocol/accounts.md).
 *
 *     vault   := version u8 (1) | slot count u8 | slot* | vec32 sealed
 *     slot    := kind u8 (1 = R, recovery words) | vec16 wrapped
 *     wrapped := nonce 12 | AES-256-GCM under HKDF(recovery entropy, "securechat/vault-slot-R v1")
 *                of the recovery sealing private key (PKCS #8); associated data: account 16
 *     sealed  := sealed object to the recovery sealing key, purpose "vault", context = account 16 | sequence u64,
 *                content = u8 version (1) | vec32 identity private key (PKCS #8)
 *
 * A device can put a new identity in without the words. The words open it; so does a slot P, which is in no vault but in
 * the profile of one device, under the key that OPAQUE gives to whoever logs in with the password:
 *
 *     P := nonce 12 | AES-256-GCM under HKDF(OPAQUE export key, "securechat/vault-slot-P v1"), else as `wrapped`
 */
import type { Entropy, RsaPrivate, RsaPublic } from '@securechat/crypto';
import {
  AEAD_NONCE_BYTES,
  aes256gcm,
  hkdfSha256,
  importRsaPrivate,
  openerOf,
  openSealed,
  sealTo,
  wipe,
} from '@securechat/crypto';
import type { AccountId } from '@securechat/wire';
import { ByteReader, ByteWriter, concatBytes, defaultLimits, idBytes, SecureChatError } from '@securechat/wire';

const VERSION = 1;
const SLOT_RECOVERY = 1;
const SLOTS_MAX = 8;
const CONTENT_VERSION = 1;
const SLOT_INFO = new TextEncoder().encode('securechat/vault-slot-R v1');
const PASSWORD_SLOT_INFO = new TextEncoder().encode('securechat/vault-slot-P v1');
/** 128 bits: twelve words. */
export const RECOVERY_ENTROPY_BYTES = 16;

export interface VaultOwner {
  readonly account: AccountId;
  /** Identity sequence that the vault belongs to. */
  readonly sequence: number;
}

export interface CreateVaultInput extends VaultOwner {
  readonly identity: RsaPrivate<'identity'>;
  readonly recoverySealing: RsaPrivate<'sealing'>;
  /** 16 bytes; what the words spell. */
  readonly recoveryEntropy: Uint8Array;
  readonly entropy: Entropy;
}

/** A first vault. At most `vaultBytesMax`. */
export function createVault(input: CreateVaultInput): Uint8Array<ArrayBuffer> {
  const { recoverySealing, entropy } = input;
  const key = slotKey(input.recoveryEntropy);
  const slots = [{ kind: SLOT_RECOVERY, wrapped: wrap(input, key) }];
  wipe(key);
  return encodeVault(slots, sealIdentity(input, input.identity, recoverySealing.public, entropy));
}

/**
 * Slot P, some 1.8 kB: for the encrypted profile of one device. With it and the password, asked of the server, the vault
 * opens without the words.
 */
export function createPasswordSlot(
  input: Pick<CreateVaultInput, 'account' | 'recoverySealing' | 'entropy'> & {
    /** Of OPAQUE, 64 bytes. */
    readonly exportKey: Uint8Array;
  },
): Uint8Array {
  const key = passwordKey(input.exportKey);
  const slot = wrap(input, key);
  wipe(key);
  return slot;
}

export interface ReplaceVaultInput extends VaultOwner {
  readonly vault: Uint8Array;
  readonly identity: RsaPrivate<'identity'>;
  /** As the account certificate has it. */
  readonly recoverySealing: RsaPublic<'sealing'>;
  readonly entropy: Entropy;
}

/** The same slots around a new identity: the words stay valid. MALFORMED where `vault` is none. */
export function replaceVaultIdentity(input: ReplaceVaultInput): Uint8Array<ArrayBuffer> {
  const { slots } = decodeVault(input.vault);
  return encodeVault(slots, sealIdentity(input, input.identity, input.recoverySealing, input.entropy));
}

export interface StoredVault extends VaultOwner {
  readonly vault: Uint8Array;
  readonly entropy: Entropy;
}

export interface OpenedVault {
  readonly identity: RsaPrivate<'identity'>;
  readonly recoverySealing: RsaPrivate<'sealing'>;
}

/**
 * RECOVERY_WORDS_WRONG when the words do not open it. MALFORMED when they do and the rest does not hold: another account
 * or sequence, tampered with, or no vault at all.
 */
export async function openVault(input: StoredVault & { readonly recoveryEntropy: Uint8Array }): Promise<OpenedVault> {
  const { slots, sealed } = decodeVault(input.vault);
  const key = slotKey(input.recoveryEntropy);
  const recoverySealing = firstOpened(slots, input, key);
  wipe(key);
  if (recoverySealing === undefined) throw new SecureChatError('RECOVERY_WORDS_WRONG');
  return openIdentity(input, sealed, recoverySealing);
}

/** As `openVault`, with the slot of this device: AUTH_FAILED when the export key does not open it. */
export async function openVaultByPassword(
  input: StoredVault & { readonly slot: Uint8Array; readonly exportKey: Uint8Array },
): Promise<OpenedVault> {
  const { sealed } = decodeVault(input.vault);
  const key = passwordKey(input.exportKey);
  const recoverySealing = unwrap(input, key, input.slot);
  wipe(key);
  if (recoverySealing === undefined) throw new SecureChatError('AUTH_FAILED');
  return openIdentity(input, sealed, recoverySealing);
}

async function openIdentity(
  input: StoredVault,
  sealed: Uint8Array,
  recoverySealing: RsaPrivate<'sealing'>,
): Promise<OpenedVault> {
  const content = await openSealed({
    sealed,
    openers: [openerOf(recoverySealing)],
    purpose: 'vault',
    context: contextOf(input),
    entropy: input.entropy,
  });
  if (content === undefined) throw malformed();
  const reader = new ByteReader(content);
  if (reader.u8() !== CONTENT_VERSION) throw new SecureChatError('SCHEMA_NEWER');
  const pkcs8 = reader.vec32();
  reader.end();
  const identity = importRsaPrivate('identity', pkcs8);
  wipe(content);
  return { identity, recoverySealing };
}

function firstOpened(slots: readonly Slot[], owner: VaultOwner, key: Uint8Array): RsaPrivate<'sealing'> | undefined {
  for (const { kind, wrapped } of slots) {
    const opened = kind === SLOT_RECOVERY ? unwrap(owner, key, wrapped) : undefined;
    if (opened !== undefined) return opened;
  }
  return undefined;
}

function wrap(
  { account, recoverySealing, entropy }: Pick<CreateVaultInput, 'account' | 'recoverySealing' | 'entropy'>,
  key: Uint8Array,
): Uint8Array {
  const plaintext = recoverySealing.exportPkcs8();
  const nonce = entropy(AEAD_NONCE_BYTES);
  const wrapped = concatBytes(nonce, aes256gcm.seal({ key, nonce, aad: idBytes(account), plaintext }));
  wipe(plaintext);
  return wrapped;
}

function unwrap({ account }: VaultOwner, key: Uint8Array, wrapped: Uint8Array): RsaPrivate<'sealing'> | undefined {
  const nonce = wrapped.subarray(0, AEAD_NONCE_BYTES);
  const ciphertext = wrapped.subarray(AEAD_NONCE_BYTES);
  const pkcs8 = aes256gcm.open({ key, nonce, aad: idBytes(account), ciphertext });
  if (pkcs8 === undefined) return undefined;
  const opened = importRsaPrivate('sealing', pkcs8);
  wipe(pkcs8);
  return opened;
}

function passwordKey(exportKey: Uint8Array): Uint8Array {
  return hkdfSha256({ ikm: exportKey, salt: new Uint8Array(0), info: PASSWORD_SLOT_INFO, length: 32 });
}

function slotKey(recoveryEntropy: Uint8Array): Uint8Array {
  if (recoveryEntropy.length !== RECOVERY_ENTROPY_BYTES)
    throw new SecureChatError('INTERNAL', { text: 'Recovery entropy has 16 bytes.' });
  return hkdfSha256({ ikm: recoveryEntropy, salt: new Uint8Array(0), info: SLOT_INFO, length: 32 });
}

function sealIdentity(
  owner: VaultOwner,
  identity: RsaPrivate<'identity'>,
  recipient: RsaPublic<'sealing'>,
  entropy: Entropy,
): Uint8Array {
  const pkcs8 = identity.exportPkcs8();
  const plaintext = new ByteWriter(pkcs8.length + 8).u8(CONTENT_VERSION).vec32(pkcs8).done();
  const sealed = sealTo({ recipients: [recipient], purpose: 'vault', context: contextOf(owner), plaintext, entropy });
  wipe(pkcs8, plaintext);
  return sealed;
}

function contextOf({ account, sequence }: VaultOwner): Uint8Array {
  return new ByteWriter(24).raw(idBytes(account)).u64(sequence).done();
}

interface Slot {
  readonly kind: number;
  readonly wrapped: Uint8Array;
}

function encodeVault(slots: readonly Slot[], sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(4096).u8(VERSION).u8(slots.length);
  for (const { kind, wrapped } of slots) writer.u8(kind).vec16(wrapped);
  const vault = writer.vec32(sealed).done();
  if (vault.length > defaultLimits.vaultBytesMax) throw new SecureChatError('TOO_LARGE');
  return vault;
}

function decodeVault(vault: Uint8Array): { readonly slots: readonly Slot[]; readonly sealed: Uint8Array } {
  if (vault.length > defaultLimits.vaultBytesMax) throw malformed();
  const reader = new ByteReader(vault);
  const version = reader.u8();
  if (version !== VERSION) throw version > VERSION ? new SecureChatError('SCHEMA_NEWER') : malformed();
  const count = reader.u8();
  if (count > SLOTS_MAX) throw malformed();
  const slots = Array.from({ length: count }, () => ({ kind: reader.u8(), wrapped: reader.vec16() }));
  const sealed = reader.vec32();
  reader.end();
  return { slots, sealed };
}

function malformed(): SecureChatError {
  return new SecureChatError('MALFORMED', { text: 'The vault of the account is damaged.' });
}
