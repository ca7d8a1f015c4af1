/**
 * The keys of a server, each in a file of its own (0600): the RSA identity, whose fingerprint clients pin; the RSA sealing
 * key with its certificate, renewed by itself; the key that hides who talks to whom in the names of conversation slots.
 * The setup of OPAQUE has its own file, made by its own door.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Entropy, RsaPrivate, RsaPurpose } from '@securechat/crypto';
import {
  AEAD_KEY_BYTES,
  generateRsa,
  hkdfSha256,
  importRsaPrivate,
  SERVER_SEALING_MS_MAX,
  signServerSealing,
  verifyServerSealing,
  wipe,
} from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import { dataFiles } from './data-folder.ts';
import { readKeyFile, writeKeyFile } from './key-file.ts';
import { StartError } from './start-error.ts';

export const SLOT_KEY_BYTES = 32;
/** The previous sealing key opens flights of clients that connected just before the change. */
export const PREVIOUS_SEALING_MS = 10 * 60_000;
/** A certificate is replaced when less than this is left of its 45 days. */
const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = SERVER_SEALING_MS_MAX / 3;

export interface SealingKey {
  readonly key: RsaPrivate<'sealing'>;
  readonly certificate: string;
  readonly sequence: number;
  readonly notAfterMs: number;
}

export interface ServerKeys {
  readonly identity: RsaPrivate<'identity'>;
  readonly fingerprint: Fingerprint;
  readonly slotKey: Uint8Array;
  /** 32 bytes: wraps the resumption secrets that lie in the database. */
  readonly resumptionKey: Uint8Array;
  readonly sealing: SealingKey;
  /** The sealing key before, while it is still accepted. */
  readonly previousSealing: SealingKey | undefined;
  /** Renews the sealing key when it is due; true when it did. */
  renew(nowMs: number): Promise<boolean>;
}

export interface KeyOptions {
  readonly folder: string;
  readonly rsaBits: number;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

/** Reads the keys, or makes them where there are none. StartError in one sentence for a file that cannot be used. */
export async function openKeys(options: KeyOptions): Promise<ServerKeys> {
  const { folder, rsaBits } = options;
  const identity = await identityOf(join(folder, dataFiles.identity), rsaBits);
  const slotKey = slotKeyOf(join(folder, dataFiles.slot), options.entropy);
  const sealingPath = join(folder, dataFiles.sealing);
  let sealing = await readSealing(sealingPath, identity);
  sealing ??= await makeSealing({ path: sealingPath, identity, rsaBits, sequenceBefore: 0, nowMs: options.nowMs });
  let previous: { readonly key: SealingKey; readonly untilMs: number } | undefined;

  const keys: ServerKeys = {
    identity,
    fingerprint: identity.public.fingerprint,
    slotKey,
    resumptionKey: resumptionKeyOf(slotKey),
    get sealing() {
      return current();
    },
    get previousSealing() {
      return previous?.key;
    },
    async renew(nowMs) {
      if (previous !== undefined && nowMs >= previous.untilMs) previous = undefined;
      const old = current();
      const leftMs = old.notAfterMs - nowMs;
      // Clients refuse one that holds for too long: the clock was far ahead when it was made.
      if (leftMs > RENEW_BEFORE_MS && leftMs <= SERVER_SEALING_MS_MAX + DAY_MS) return false;
      sealing = await makeSealing({ path: sealingPath, identity, rsaBits, sequenceBefore: old.sequence, nowMs });
      previous = { key: old, untilMs: nowMs + PREVIOUS_SEALING_MS };
      return true;
    },
  };
  const current = (): SealingKey => sealing as SealingKey;
  await keys.renew(options.nowMs);
  return keys;
}

/** What the keys in a folder are, without making any. StartError for one that is not there or cannot be used. */
export function inspectKeys(folder: string): { readonly fingerprint: Fingerprint } {
  readSlotKey(join(folder, dataFiles.slot)).fill(0);
  return { fingerprint: readRsa(join(folder, dataFiles.identity), 'identity').public.fingerprint };
}

/** Until when the sealing key is certified; undefined where there is none. StartError for one that cannot be used. */
export async function inspectSealing(folder: string): Promise<{ readonly notAfterMs: number } | undefined> {
  return readSealing(join(folder, dataFiles.sealing), readRsa(join(folder, dataFiles.identity), 'identity'));
}

async function identityOf(path: string, bits: number): Promise<RsaPrivate<'identity'>> {
  if (existsSync(path)) return readRsa(path, 'identity');
  const key = await generateRsa('identity', bits);
  writeKeyFile(path, pemOf(key));
  return key;
}

function slotKeyOf(path: string, entropy: Entropy): Uint8Array {
  if (!existsSync(path)) {
    const key = entropy(SLOT_KEY_BYTES);
    writeKeyFile(path, `${Buffer.from(key).toString('base64url')}\n`);
    return key;
  }
  return readSlotKey(path);
}

function readSlotKey(path: string): Uint8Array {
  const key = new Uint8Array(Buffer.from(readKeyFile(path).trim(), 'base64url'));
  if (key.length !== SLOT_KEY_BYTES) throw unusable(path);
  return key;
}

/** Of the same file, which like it lies outside the database; another use, so another key. */
function resumptionKeyOf(slotKey: Uint8Array): Uint8Array {
  const info = new TextEncoder().encode('SecureChat server resumption key v1');
  return hkdfSha256({ ikm: slotKey, salt: new Uint8Array(0), info, length: AEAD_KEY_BYTES });
}

/** The file: the private key as PEM, then one line `certificate: JWS`. */
async function readSealing(path: string, identity: RsaPrivate<'identity'>): Promise<SealingKey | undefined> {
  if (!existsSync(path)) return undefined;
  const certificate = /^certificate: (\S+)$/m.exec(readKeyFile(path))?.[1];
  if (certificate === undefined) throw unusable(path);
  const key = readRsa(path, 'sealing');
  try {
    // Judged at a time when it holds: one that has expired, or that a clock far ahead made, is renewed and not refused.
    const { sequence, notAfterMs } = await verifyServerSealing(certificate, {
      identity: identity.public,
      sequenceMin: 1,
      nowMs: notAfterOf(certificate),
    });
    return { key, certificate, sequence, notAfterMs };
  } catch (cause) {
    throw new StartError(2, `The sealing key in ${path} does not belong to the identity beside it.`, { cause });
  }
}

/** Read before it is verified, only to choose the time at which it is. */
function notAfterOf(certificate: string): number {
  const payload = Buffer.from(certificate.split('.')[1] ?? '', 'base64url').toString();
  const value: unknown = (JSON.parse(payload) as { readonly notAfterMs?: unknown }).notAfterMs;
  return typeof value === 'number' ? value : 0;
}

async function makeSealing(input: {
  readonly path: string;
  readonly identity: RsaPrivate<'identity'>;
  readonly rsaBits: number;
  readonly sequenceBefore: number;
  readonly nowMs: number;
}): Promise<SealingKey> {
  const { identity, nowMs } = input;
  // The day, so that a key made where the one before is lost is above all that clients have seen.
  const sequence = Math.max(input.sequenceBefore + 1, Math.floor(nowMs / DAY_MS));
  const key = await generateRsa('sealing', input.rsaBits);
  const certificate = await signServerSealing(identity, { sealing: key.public, sequence, nowMs });
  writeKeyFile(input.path, `${pemOf(key)}certificate: ${certificate}\n`);
  return { key, certificate, sequence, notAfterMs: nowMs + SERVER_SEALING_MS_MAX };
}

function readRsa<P extends RsaPurpose>(path: string, purpose: P): RsaPrivate<P> {
  try {
    const body = /-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----/.exec(readKeyFile(path))?.[1] ?? '';
    const der = Buffer.from(body, 'base64');
    try {
      return importRsaPrivate(purpose, der);
    } finally {
      wipe(der);
    }
  } catch (cause) {
    throw cause instanceof StartError ? cause : unusable(path, cause);
  }
}

function pemOf(key: RsaPrivate<RsaPurpose>): string {
  const der = key.exportPkcs8();
  const body = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trim();
  wipe(der);
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
}

function unusable(path: string, cause?: unknown): StartError {
  return new StartError(
    2,
    `The key file ${path} is damaged; put back a copy of it, or move the whole data folder away.`,
    {
      cause,
    },
  );
}
