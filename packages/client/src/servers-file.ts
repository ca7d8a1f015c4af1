/**
 * `servers.json` of a profile: which server key is pinned for which address, needed before any account is unlocked.
 *
 *     { "format": 1,
 *       "addresses": { "ws://127.0.0.1:4200": "sha256:…" },
 *       "servers": { "sha256:…": { "sealingSequenceMin": 3, "versionMin": 1, "opaqueKey": "…", "earlier": ["sha256:…"] } } }
 *
 * Not secret, but whoever can write it can exchange a server: owner only, like the rest of the profile. Text, so that a
 * person can remove a pin by hand. An address never changes its fingerprint through this code.
 */
import { join } from 'node:path';
import type { Fingerprint, ServerAddress } from '@securechat/wire';
import { formatServerAddress, parseServerAddress, SecureChatError } from '@securechat/wire';
import type { LinkOpened } from './shell/link/link.ts';
import type { ServerPin } from './shell/link/link-port.ts';
import { makePrivateFolder, readPrivateFile, writePrivateFile } from './stores/sqlite/private-file.ts';
import { exclusively } from './stores/sqlite/exclusively.ts';

const FORMAT = 1;
const FILE = 'servers.json';

interface KnownServer {
  readonly sealingSequenceMin: number;
  readonly versionMin: number;
  readonly opaqueKey?: string;
  /** Keys that this one replaced by rotation, oldest first. */
  readonly earlier?: readonly Fingerprint[];
}
interface ServersFile {
  readonly addresses: ReadonlyMap<string, Fingerprint>;
  readonly servers: ReadonlyMap<Fingerprint, KnownServer>;
}

const unknownServer: KnownServer = { sealingSequenceMin: 0, versionMin: 0 };

/**
 * What to insist on at this address: the pin, or the fingerprint that the address itself names. SERVER_KEY_CHANGED when
 * the two differ, PROFILE_DAMAGED, SCHEMA_NEWER.
 */
export function pinOf(profileDirectory: string, address: ServerAddress): ServerPin {
  const file = read(profileDirectory);
  const pinned = file.addresses.get(nameOf(address));
  const fingerprint = pinned ?? address.fingerprint;
  const known: KnownServer = (fingerprint && file.servers.get(fingerprint)) ?? unknownServer;
  // An invite may still name the key that the server has rotated away from.
  const named = address.fingerprint ?? fingerprint;
  if (named !== fingerprint && !known.earlier?.some((earlier) => earlier === named))
    throw new SecureChatError('SERVER_KEY_CHANGED', {
      text: 'The address names another server key than the one pinned here.',
    });
  const { sealingSequenceMin, versionMin, opaqueKey } = known;
  return { fingerprint, sealingSequenceMin, versionMin, opaqueKey };
}

/**
 * Remembers what a connection to this address has shown. Durable when it returns. Sequence and version only rise, a known
 * OPAQUE key and a pinned fingerprint stay, unless the rotations lead from it to the new one, which then counts for every
 * address of that server: SERVER_KEY_CHANGED for others. PROFILE_UNWRITABLE.
 */
export function rememberServer(
  profileDirectory: string,
  address: ServerAddress,
  shown: Pick<LinkOpened, 'pin' | 'rotations'>,
): void {
  makePrivateFolder(profileDirectory);
  exclusively(join(profileDirectory, 'servers.lock'), () => {
    const file = read(profileDirectory);
    const { pin } = shown;
    const path = shown.rotations.map((rotation) => rotation.old.fingerprint);
    const pinned = file.addresses.get(nameOf(address)) ?? address.fingerprint ?? pin.fingerprint;
    const first = path[0] ?? pin.fingerprint;
    const known = file.servers.get(pin.fingerprint) ?? file.servers.get(first) ?? unknownServer;
    const earlier = [...new Set([...(known.earlier ?? []), ...path])];
    const follows = pinned === pin.fingerprint || earlier.includes(pinned);
    const opaqueKey = known.opaqueKey ?? pin.opaqueKey;
    if (!follows || (pin.opaqueKey !== undefined && pin.opaqueKey !== opaqueKey))
      throw new SecureChatError('SERVER_KEY_CHANGED');
    const next: KnownServer = {
      sealingSequenceMin: Math.max(known.sealingSequenceMin, pin.sealingSequenceMin),
      versionMin: Math.max(known.versionMin, pin.versionMin),
      ...(opaqueKey !== undefined && { opaqueKey }),
      ...(earlier.length > 0 && { earlier }),
    };
    const moved = [...file.addresses].map(([name, at]) => [name, earlier.includes(at) ? pin.fingerprint : at] as const);
    const kept = [...file.servers].filter(([fingerprint]) => !earlier.includes(fingerprint));
    write(profileDirectory, {
      addresses: new Map([...moved, [nameOf(address), pin.fingerprint]]),
      servers: new Map([...kept, [pin.fingerprint, next]]),
    });
  });
}

/** The first key under which this server was known: it names account folders, which a rotation must not lose. */
export function firstFingerprint(profileDirectory: string, fingerprint: Fingerprint): Fingerprint {
  return read(profileDirectory).servers.get(fingerprint)?.earlier?.[0] ?? fingerprint;
}

/** Host names are equal in any case; the fingerprint is not part of the name. */
function nameOf(address: ServerAddress): string {
  return formatServerAddress({ ...address, host: address.host.toLowerCase(), fingerprint: undefined });
}

function write(profileDirectory: string, file: ServersFile): void {
  const value = {
    format: FORMAT,
    addresses: Object.fromEntries(file.addresses),
    servers: Object.fromEntries(file.servers),
  };
  writePrivateFile(join(profileDirectory, FILE), `${JSON.stringify(value, null, 2)}\n`);
}

function read(profileDirectory: string): ServersFile {
  const text = readPrivateFile(join(profileDirectory, FILE));
  if (text === undefined) return { addresses: new Map(), servers: new Map() };
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof SecureChatError && cause.code === 'SCHEMA_NEWER') throw cause;
    throw new SecureChatError('PROFILE_DAMAGED', { text: 'servers.json of the profile is damaged.' }, { cause });
  }
}

function parse(value: unknown): ServersFile {
  const file = record(value);
  const format = count(file['format']);
  if (format > FORMAT) throw new SecureChatError('SCHEMA_NEWER');
  const addresses = Object.entries(record(file['addresses'])).map(
    ([address, pinned]) => [nameOf(parseServerAddress(address)), fingerprint(pinned)] as const,
  );
  const servers = Object.entries(record(file['servers'])).map(([key, entry]) => {
    const { sealingSequenceMin, versionMin, opaqueKey, earlier } = record(entry);
    if (earlier !== undefined && !Array.isArray(earlier)) throw new SecureChatError('MALFORMED');
    if (opaqueKey !== undefined && typeof opaqueKey !== 'string') throw new SecureChatError('MALFORMED');
    const known: KnownServer = {
      sealingSequenceMin: count(sealingSequenceMin),
      versionMin: count(versionMin),
      ...(opaqueKey !== undefined && { opaqueKey }),
      ...(earlier !== undefined && { earlier: earlier.map(fingerprint) }),
    };
    return [fingerprint(key), known] as const;
  });
  return { addresses: new Map(addresses), servers: new Map(servers) };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new SecureChatError('MALFORMED');
  return { ...value };
}
function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new SecureChatError('MALFORMED');
  return value;
}
function fingerprint(value: unknown): Fingerprint {
  if (typeof value !== 'string') throw new SecureChatError('MALFORMED');
  const parsed = parseServerAddress(`ws://x#${value}`).fingerprint;
  if (parsed === undefined) throw new SecureChatError('MALFORMED');
  return parsed;
}
