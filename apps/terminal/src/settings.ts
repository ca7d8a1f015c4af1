/**
 * Settings of the client: flag over environment over file over default, one table, one reader of it. The server has a
 * table of its own.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseServerAddress, SecureChatError } from '@securechat/client/vocabulary';
import { parseInviteLink } from './invite-link.ts';
import { readLastServer } from './last-server.ts';
import { placesOf } from './places.ts';

export interface SettingRow {
  /** Key in client.json and among the flags. */
  readonly name: string;
  readonly flag: string;
  readonly value: string | undefined;
  readonly env: string | undefined;
  readonly help: string;
  readonly default?: string;
}

const DEFAULT_SERVER = 'ws://127.0.0.1:4200';

export const settingRows = [
  {
    name: 'server',
    flag: 'server',
    value: 'ADDRESS',
    env: 'SECURECHAT_SERVER',
    help:
      'ws://, wss://, tcp:// or tls:// host:port, with #sha256:… to insist on the server key, or an invite link ' +
      `(default the last one of this profile, then ${DEFAULT_SERVER})`,
  },
  {
    name: 'profile',
    flag: 'profile',
    value: 'NAME',
    env: 'SECURECHAT_PROFILE',
    help: 'which local profile',
    default: 'default',
  },
  {
    name: 'user',
    flag: 'user',
    value: 'NAME',
    env: 'SECURECHAT_USER',
    help: 'log in as this user',
  },
  {
    name: 'passwordFile',
    flag: 'password-file',
    value: 'FILE',
    env: 'SECURECHAT_PASSWORD_FILE',
    help: 'the first line of this file is the password',
  },
  {
    name: 'passwordStdin',
    flag: 'password-stdin',
    value: undefined,
    env: undefined,
    help: 'the first line of standard input is the password',
  },
  {
    name: 'invite',
    flag: 'invite',
    value: 'CODE',
    env: 'SECURECHAT_INVITE',
    help: 'register with this invite',
  },
  {
    name: 'downloads',
    flag: 'downloads',
    value: 'DIR',
    env: 'SECURECHAT_DOWNLOADS',
    help: 'where received files go',
  },
  {
    name: 'rsaBits',
    flag: 'rsa-bits',
    value: 'N',
    env: 'SECURECHAT_RSA_BITS',
    help: 'size of new RSA keys, 2048 to 4096',
    default: '3072',
  },
  {
    name: 'tlsCa',
    flag: 'tls-ca',
    value: 'FILE',
    env: 'SECURECHAT_TLS_CA',
    help: 'PEM file of a certificate authority to trust as well (a server with its own certificate)',
  },
  {
    name: 'onlineOnly',
    flag: 'online-only',
    value: undefined,
    env: 'SECURECHAT_ONLINE_ONLY',
    help: 'refuse to send to somebody who is offline',
  },
  {
    name: 'requireVerified',
    flag: 'require-verified',
    value: undefined,
    env: 'SECURECHAT_REQUIRE_VERIFIED',
    help: 'refuse to send to somebody who is not verified',
  },
  {
    name: 'color',
    flag: 'color',
    value: 'WHEN',
    env: 'SECURECHAT_COLOR',
    help: 'auto, always or never (also NO_COLOR, FORCE_COLOR)',
    default: 'auto',
  },
  {
    name: 'bell',
    flag: 'no-bell',
    value: undefined,
    env: 'SECURECHAT_BELL',
    help: 'no sound when somebody writes; in the environment: false',
  },
] as const satisfies readonly SettingRow[];

type SettingName = (typeof settingRows)[number]['name'];

export interface Settings {
  readonly server: string;
  readonly profileDirectory: string;
  readonly downloadDirectory: string;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly passwordStdin: boolean;
  readonly invite: string | undefined;
  readonly rsaBits: number;
  /** PEM. */
  readonly tlsCa: string | undefined;
  readonly onlineOnly: boolean;
  readonly requireVerified: boolean;
  readonly color: 'auto' | 'always' | 'never';
  readonly bell: boolean;
}

export interface SettingSources {
  /** By the name of the row. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** USAGE with one sentence that names what cannot be used. */
export function readSettings({ flags, env, home }: SettingSources): Settings {
  const fromFile = readFile(placesOf(env, home, 'default').settingsFile);
  const value = (name: SettingName): string | undefined => {
    const row: SettingRow | undefined = settingRows.find((candidate) => candidate.name === name);
    const flag = flags[name];
    // A flag `--no-…` that was not given reads as true.
    const absent = flag === undefined || (flag === true && row?.flag.startsWith('no-') === true);
    if (!absent) return String(flag);
    const fromEnv = row?.env === undefined ? undefined : env[row.env];
    return (fromEnv === '' ? undefined : fromEnv) ?? fromFile.get(name) ?? row?.default;
  };
  const places = placesOf(env, home, value('profile') ?? 'default');
  const given = value('server');
  const link = given === undefined ? undefined : parseInviteLink(given);
  const server = link?.server ?? given ?? readLastServer(places.profileDirectory) ?? DEFAULT_SERVER;
  parseServerAddress(server);
  const downloads = value('downloads');
  const settings: Settings = {
    server,
    profileDirectory: places.profileDirectory,
    downloadDirectory: downloads === undefined ? places.downloadDirectory : resolve(downloads),
    user: value('user')?.replace(/^@/, ''),
    passwordFile: value('passwordFile'),
    passwordStdin: flags['passwordStdin'] === true,
    invite: flags['invite'] === undefined ? (link?.invite ?? value('invite')) : value('invite'),
    rsaBits: rsaBits(value('rsaBits') ?? ''),
    tlsCa: readPem(value('tlsCa')),
    onlineOnly: onOff('online-only', value('onlineOnly')),
    requireVerified: onOff('require-verified', value('requireVerified')),
    color: colour(value('color') ?? ''),
    bell: onOff('bell', value('bell') ?? 'true'),
  };
  if (settings.passwordStdin && settings.passwordFile !== undefined && flags['passwordFile'] !== undefined) {
    throw usage('Give the password once: --password-stdin or --password-file');
  }
  return settings;
}

function usage(text: string, cause?: unknown): SecureChatError {
  return new SecureChatError('USAGE', { text: `${text}.` }, { cause });
}

function rsaBits(text: string): number {
  const bits = /^\d{4}$/.test(text) ? Number(text) : 0;
  if (bits >= 2048 && bits <= 4096 && bits % 8 === 0) return bits;
  throw usage('--rsa-bits must be a multiple of 8 from 2048 to 4096');
}

function onOff(flag: string, text: string | undefined): boolean {
  if (text === undefined || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1') return true;
  throw usage(`--${flag} must be true or false`);
}

function colour(text: string): Settings['color'] {
  if (text === 'auto' || text === 'always' || text === 'never') return text;
  throw usage('--color must be auto, always or never');
}

function readPem(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (cause) {
    throw usage(`The file that --tls-ca names cannot be read: ${path}`, cause);
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw usage(`The file that --tls-ca names holds no PEM certificate: ${path}`);
}

/** A JSON object with names of the table; secrets and switches of one call do not belong there. */
function readFile(path: string): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw usage(`The configuration file ${path} cannot be read`, error);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw usage(`The configuration file ${path} is not JSON`, cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw usage(`The configuration file ${path} must hold one JSON object`);
  }
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(parsed)) {
    if (!settingRows.some((row) => row.name === name) || name === 'passwordStdin') {
      throw usage(`The configuration file ${path} has an unknown setting ${JSON.stringify(name)}`);
    }
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw usage(`The setting ${JSON.stringify(name)} in ${path} has a value of the wrong kind`);
    }
    values.set(name, String(value));
  }
  return values;
}
