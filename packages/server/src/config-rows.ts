/** The settings of a server: one table, from which command line, environment, file and help are read. */
import type { LimitName, LimitRow } from '@securechat/wire';
import { limits, parseServerAddress } from '@securechat/wire';
import { parseBlock } from './core/addresses.ts';

export type Registration = 'invite' | 'open' | 'closed';
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface ListenAddress {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** One setting. `parse` turns its text into the value, or throws a sentence that `loadConfig` completes with its place. */
export interface ConfigRow {
  /** Key in the configuration file. */
  readonly name: string;
  readonly flag: string;
  /** Placeholder of the value in help texts; undefined for a switch. */
  readonly value: string | undefined;
  readonly env: string;
  readonly type: 'text' | 'number' | 'switch' | 'pairs';
  readonly repeatable: boolean;
  /** `<env>_FILE` names a file with the value. */
  readonly secret: boolean;
  /** As text, for help. */
  readonly default: string | undefined;
  readonly help: string;
  readonly choices?: readonly string[];
  /** Throws an Error with the reason. */
  readonly parse: (text: string) => unknown;
}

/** Asked for more, a timer of Node rings at once, so that a long deadline would be none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Definition = Pick<ConfigRow, 'flag' | 'value' | 'type' | 'default' | 'help' | 'parse'> &
  Partial<Pick<ConfigRow, 'repeatable' | 'secret' | 'choices'>>;

const text = (value: string): string => {
  if (value === '') throw new Error('it is empty');
  return value;
};

const choice =
  <T extends string>(...allowed: readonly T[]) =>
  (value: string): T => {
    const found = allowed.find((name) => name === value);
    if (found === undefined) throw new Error(`it must be one of ${allowed.join(', ')}`);
    return found;
  };

const whole =
  (min: number, max: number, { what = 'it', multipleOf = 1 } = {}) =>
  (value: string): number => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max) || number % multipleOf !== 0)
      throw new Error(
        `${what} must be a whole number from ${min} to ${max}${multipleOf > 1 ? `, a multiple of ${multipleOf}` : ''}`,
      );
    return number;
  };

const onOff = (value: string): boolean => {
  if (value === 'true' || value === '1' || value === 'yes') return true;
  if (value === 'false' || value === '0' || value === 'no') return false;
  throw new Error('it must be true or false');
};

const listen = (value: string): ListenAddress => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error('it must be HOST:PORT, an IPv6 host in brackets');
  return { host: match[1] ?? match[2] ?? '', port };
};

/** Only the embedded parts exist in this version; another one is refused, not ignored. */
const embedded =
  (what: string) =>
  (value: string): undefined => {
    if (value !== '' && value !== 'embedded') throw new Error(`this version has only the embedded ${what}`);
    return undefined;
  };

const publicAddress = (value: string): string => {
  const address = parseServerAddress(value);
  if (address.fingerprint !== undefined) throw new Error('the fingerprint is added by the server itself');
  return value;
};

/** `NAME=VALUE` pairs of the limits table, already checked against it. */
const limitPair = (value: string): readonly [LimitName, number] => {
  const [name = '', number = '', ...rest] = value.split('=');
  if (rest.length > 0 || !Object.hasOwn(limits, name))
    throw new Error(`there is no limit named ${JSON.stringify(name)}; "server --help limits" lists them`);
  const row: LimitRow = limits[name as LimitName];
  if (row.scope !== 'server') throw new Error(`${name} is part of the protocol and cannot be changed`);
  const max = /Ms(Max)?$/.test(name) ? TIMER_MS_MAX : 10 ** 15;
  return [name as LimitName, whole(row.min ?? 0, max, { what: `the value of ${name}` })(number)];
};

const definitions = {
  data: {
    flag: 'data',
    value: 'DIR',
    type: 'text',
    default: undefined,
    help: 'data folder: keys, database, files (default: the XDG data directory, or SECURECHAT_HOME/server)',
    parse: text,
  },
  listen: {
    flag: 'listen',
    value: 'HOST:PORT',
    type: 'text',
    default: '127.0.0.1:4200',
    help: 'where WebSocket and HTTP are served; port 0 takes any free one',
    parse: listen,
  },
  listenTcp: {
    flag: 'listen-tcp',
    value: 'HOST:PORT',
    type: 'text',
    default: '127.0.0.1:4201',
    help: 'where raw TCP is served; port 0 takes any free one',
    parse: listen,
  },
  tlsCert: {
    flag: 'tls-cert',
    value: 'FILE',
    type: 'text',
    default: undefined,
    help: 'TLS certificate chain (PEM) for both listeners; with --tls-key',
    parse: text,
  },
  tlsKey: {
    flag: 'tls-key',
    value: 'FILE',
    type: 'text',
    default: undefined,
    help: 'TLS private key (PEM) for both listeners; with --tls-cert',
    parse: text,
  },
  behindProxy: {
    flag: 'behind-proxy',
    value: 'CIDR',
    type: 'text',
    repeatable: true,
    default: undefined,
    help: 'a proxy in this address range ends TLS; its X-Forwarded-For is believed',
    parse: parseBlock,
  },
  insecureListen: {
    flag: 'insecure-listen',
    value: undefined,
    type: 'switch',
    default: 'false',
    help: 'allow a listener without TLS beyond loopback',
    parse: onOff,
  },
  registration: {
    flag: 'registration',
    value: 'MODE',
    type: 'text',
    default: 'invite',
    help: 'who may register: invite, open (with a proof of work) or closed',
    choices: ['invite', 'open', 'closed'],
    parse: choice('invite', 'open', 'closed'),
  },
  registrationPowBits: {
    flag: 'registration-pow-bits',
    value: 'N',
    type: 'number',
    default: '20',
    help: `work of an open registration: 2^N hashes, more under load, at most 2^${limits.powBitsMax.value}`,
    parse: whole(0, limits.powBitsMax.value),
  },
  offlineDelivery: {
    flag: 'offline-delivery',
    value: 'on|off',
    type: 'text',
    default: 'on',
    help: 'off: messages to people who are offline are refused instead of stored',
    choices: ['on', 'off'],
    parse: choice('on', 'off'),
  },
  publicAddress: {
    flag: 'public-address',
    value: 'ADDRESS',
    type: 'text',
    default: undefined,
    help: 'address that invites name, such as wss://chat.example.org (default: the one listened on)',
    parse: publicAddress,
  },
  rsaBits: {
    flag: 'rsa-bits',
    value: 'N',
    type: 'number',
    default: '3072',
    help: 'size of RSA keys made from now on: 2048 to 4096',
    parse: whole(2048, 4096, { multipleOf: 8 }),
  },
  limit: {
    flag: 'limit',
    value: 'NAME=VALUE',
    type: 'pairs',
    repeatable: true,
    default: undefined,
    help: 'override a limit; "server --help limits" lists them',
    parse: limitPair,
  },
  database: {
    flag: 'database',
    value: 'URL',
    type: 'text',
    secret: true,
    default: 'embedded',
    help: 'database; this version has the embedded one',
    parse: embedded('database'),
  },
  nats: {
    flag: 'nats',
    value: 'URL',
    type: 'text',
    secret: true,
    default: 'embedded',
    help: 'message bus between servers; this version has the embedded one',
    parse: embedded('bus'),
  },
  logLevel: {
    flag: 'log-level',
    value: 'LEVEL',
    type: 'text',
    default: 'info',
    help: `log lines (JSON, on stderr) of this level and above: ${logLevels.join(', ')}`,
    choices: logLevels,
    parse: choice(...logLevels),
  },
  json: {
    flag: 'json',
    value: undefined,
    type: 'switch',
    default: 'false',
    help: 'print one JSON line when ready, nothing else, on stdout',
    parse: onOff,
  },
} as const satisfies Record<string, Definition>;

export type ConfigName = keyof typeof definitions;

/** The table, in the order of the help text. */
export const configRows: readonly ConfigRow[] = (Object.entries(definitions) as [ConfigName, Definition][]).map(
  ([name, row]) => ({
    repeatable: false,
    secret: false,
    ...row,
    name,
    env: `SECURECHAT_${row.flag.toUpperCase().replaceAll('-', '_')}`,
  }),
);

/** The limits as `server --help limits` prints them: those that an operator may change. */
export function limitRows(): readonly { readonly name: LimitName; readonly value: number; readonly reason: string }[] {
  return (Object.keys(limits) as LimitName[])
    .filter((name) => limits[name].scope === 'server')
    .map((name) => ({ name, value: limits[name].value, reason: limits[name].reason }));
}
