/**
 * `keys.json`: the random key of a local store, wrapped once by the password and once by the recovery words
 * (docs/protocol/local-store.md). Without one of the two the store is noise; whoever has the file can guess passwords at
 * the cost of one Argon2id each.
 */
import { join } from 'node:path';
import type { Entropy } from '@securechat/crypto';
import { AEAD_NONCE_BYTES, aes256gcm, hkdfSha256, passwordKey, passwordKeyDefaults, wipe } from '@securechat/crypto';
import { fromBase64url, SecureChatError, toBase64url } from '@securechat/wire';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import { STORE_KEY_BYTES } from './record-cipher.ts';

export const KEYS_FILE = 'keys.json';
const FORMAT = 1;
const SALT_BYTES = 16;

/** A tampered header must not make this machine compute for hours. */
const PASSES_MAX = 16;
const MEMORY_KIB_MAX = 1024 * 1024;

interface Wrapped {
  readonly nonce: string;
  readonly wrapped: string;
}
interface PasswordSlot extends Wrapped {
  readonly kdf: 'argon2id';
  readonly memoryKiB: number;
  readonly passes: number;
  readonly salt: string;
}

/** What lies on disk. */
export interface KeysFile {
  readonly format: typeof FORMAT;
  /** Drawn with the store; part of what is authenticated, so that slots of two profiles cannot be exchanged. */
  readonly profile: string;
  /** How often the store was opened; store.db counts along, so that an older copy of it alone is noticed. */
  readonly opened: number;
  readonly password: PasswordSlot;
  readonly recovery: Wrapped;
}

export interface Secrets {
  readonly password: string;
  /** 16 bytes behind the recovery words. */
  readonly recoveryEntropy: Uint8Array;
}

/** The two slots over a key of 32 bytes. Takes as long as one Argon2id. */
export async function wrapStoreKey(storeKey: Uint8Array, secrets: Secrets, entropy: Entropy): Promise<KeysFile> {
  const profile = toBase64url(entropy(SALT_BYTES));
  // In the turn of the call: the caller may wipe the entropy then.
  const recovery = wrap(storeKey, recoveryKey(secrets.recoveryEntropy, profile), aadOf('recovery', profile), entropy);
  const password = await wrapByPassword(storeKey, secrets.password, profile, entropy);
  return { format: FORMAT, profile, opened: 0, password, recovery };
}

/** The same store under a new password; the recovery slot stays. */
export async function rewrapByPassword(
  file: KeysFile,
  storeKey: Uint8Array,
  password: string,
  entropy: Entropy,
): Promise<KeysFile> {
  return { ...file, password: await wrapByPassword(storeKey, password, file.profile, entropy) };
}

/** The key, or undefined for a wrong password. */
export async function unwrapByPassword(file: KeysFile, password: string): Promise<Uint8Array | undefined> {
  const slot = file.password;
  const { memoryKiB, passes } = slot;
  const key = await passwordKey({ password, salt: fromBase64url(slot.salt), memoryKiB, passes });
  return unwrap(slot, key, aadOf(passwordLabel(slot), file.profile));
}

/** The key, or undefined for other words. */
export function unwrapByRecovery(file: KeysFile, recoveryEntropy: Uint8Array): Uint8Array | undefined {
  return unwrap(file.recovery, recoveryKey(recoveryEntropy, file.profile), aadOf('recovery', file.profile));
}

export function writeKeysFile(directory: string, file: KeysFile): void {
  writePrivateFile(join(directory, KEYS_FILE), `${JSON.stringify(file, null, 2)}\n`);
}

/** undefined when there is none. PROFILE_DAMAGED when it cannot be read, SCHEMA_NEWER when it is of a later format. */
export function readKeysFile(directory: string): KeysFile | undefined {
  const text = readPrivateFile(join(directory, KEYS_FILE));
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof SecureChatError && cause.code === 'SCHEMA_NEWER') throw cause;
    throw new SecureChatError('PROFILE_DAMAGED', { text: 'keys.json of the local profile is damaged.' }, { cause });
  }
}

/** Copies field by field; every byte string has its exact size, every cost its bound. */
function parse(value: unknown): KeysFile {
  const file = record(value);
  const format = count(file['format'], 0, Number.MAX_SAFE_INTEGER);
  if (format > FORMAT) throw new SecureChatError('SCHEMA_NEWER');
  if (format !== FORMAT) throw new SecureChatError('MALFORMED');
  const password = record(file['password']);
  if (password['kdf'] !== 'argon2id') throw new SecureChatError('MALFORMED');
  return {
    format: FORMAT,
    profile: bytes(file['profile'], SALT_BYTES),
    opened: count(file['opened'], 0, Number.MAX_SAFE_INTEGER),
    password: {
      kdf: 'argon2id',
      memoryKiB: count(password['memoryKiB'], 8, MEMORY_KIB_MAX),
      passes: count(password['passes'], 1, PASSES_MAX),
      salt: bytes(password['salt'], SALT_BYTES),
      ...parseWrapped(password),
    },
    recovery: parseWrapped(record(file['recovery'])),
  };
}

function parseWrapped(slot: Readonly<Record<string, unknown>>): Wrapped {
  return { nonce: bytes(slot['nonce'], AEAD_NONCE_BYTES), wrapped: bytes(slot['wrapped'], STORE_KEY_BYTES + 16) };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new SecureChatError('MALFORMED');
  return { ...value };
}
function count(value: unknown, from: number, to: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < from || value > to)
    throw new SecureChatError('MALFORMED');
  return value;
}
function bytes(value: unknown, length: number): string {
  if (typeof value !== 'string' || fromBase64url(value).length !== length) throw new SecureChatError('MALFORMED');
  return value;
}

async function wrapByPassword(
  storeKey: Uint8Array,
  password: string,
  profile: string,
  entropy: Entropy,
): Promise<PasswordSlot> {
  const salt = entropy(SALT_BYTES);
  const costs = { kdf: 'argon2id', ...passwordKeyDefaults, salt: toBase64url(salt) } as const;
  const key = await passwordKey({ password, salt, ...passwordKeyDefaults });
  return { ...costs, ...wrap(storeKey, key, aadOf(passwordLabel(costs), profile), entropy) };
}

function passwordLabel({ memoryKiB, passes, salt }: Omit<PasswordSlot, 'nonce' | 'wrapped'>): string {
  return `password argon2id ${memoryKiB} ${passes} ${salt}`;
}

/** 128 random bits need no stretching. */
function recoveryKey(recoveryEntropy: Uint8Array, profile: string): Uint8Array {
  return hkdfSha256({
    ikm: recoveryEntropy,
    salt: fromBase64url(profile),
    info: new TextEncoder().encode('securechat/store-key recovery v1'),
    length: 32,
  });
}

function aadOf(slot: string, profile: string): Uint8Array {
  return new TextEncoder().encode(`securechat/store-key v${FORMAT} ${slot} ${profile}`);
}

function wrap(storeKey: Uint8Array, key: Uint8Array, aad: Uint8Array, entropy: Entropy): Wrapped {
  const nonce = entropy(AEAD_NONCE_BYTES);
  const wrapped = aes256gcm.seal({ key, nonce, aad, plaintext: storeKey });
  wipe(key);
  return { nonce: toBase64url(nonce), wrapped: toBase64url(wrapped) };
}

function unwrap(slot: Wrapped, key: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  const nonce = fromBase64url(slot.nonce);
  const storeKey = aes256gcm.open({ key, nonce, aad, ciphertext: fromBase64url(slot.wrapped) });
  wipe(key);
  return storeKey;
}
