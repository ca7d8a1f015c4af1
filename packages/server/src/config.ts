/**
 * The configuration of a server: one table of rows, one reader of the table. Precedence: flag over environment over
 * file over default. Everything that is not in the table is refused.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LimitName, Limits } from '@securechat/wire';
import { defaultLimits, limits, parseServerAddress } from '@securechat/wire';
import { parseBlock } from './core/addresses.ts';
import type { AddressBlock } from './core/addresses.ts';
import { StartError } from './start-error.ts';

export type Registration = 'invite' | 'open' | 'closed';
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface ListenAddress {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** What `runServer` needs to know; made by `loadConfig`. */
export interface ServerConfig {
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly listen: ListenAddress;
  readonly listenTcp: ListenAddress;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Proxies whose `X-Forwarded-For` is believed; empty = none. */
  readonly behindProxy: readonly AddressBlock[];
  readonly insecureListen: boolean;
  readonly registration: Registration;
  readonly registrationPowBits: number;
  readonly offlineDelivery: 'on' | 'off';
  /** Address that invites and the ready text name, where it is not the one listened on; without fingerprint. */
  readonly publicAddress: string | undefined;
  readonly rsaBits: number;
  readonly logLevel: LogLevel;
  readonly json: boolean;
  readonly limits: Limits;
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
  (min: number, max: number, multipleOf = 1) =>
  (value: string): number => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max) || number % multipleOf !== 0)
      throw new Error(
        `it must be a whole number from ${min} to ${max}${multipleOf > 1 ? `, a multiple of ${multipleOf}` : ''}`,
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
  const row = limits[name as LimitName];
  if (row.scope !== 'server') throw new Error(`${name} is part of the protocol and cannot be changed`);
  if (!/^\d{1,15}$/.test(number)) throw new Error(`the value of ${name} must be a whole number`);
  return [name as LimitName, Number(number)];
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
    help: 'work of an open registration: 2^N hashes',
    parse: whole(0, 30),
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
    parse: whole(2048, 4096, 8),
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

type ConfigName = keyof typeof definitions;

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

/** What was given on the command line, by the name of the row (`listenTcp`); lists for repeatable rows. */
export type GivenFlags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface ConfigSources {
  readonly flags: GivenFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Home directory of the person, for the default data folder. */
  readonly home: string;
  /** `--config FILE`, else SECURECHAT_CONFIG: a JSON object with the names of the table. */
  readonly configFile?: string | undefined;
}

/** Throws StartError (exit code 2) with one sentence that names the setting and where it came from. */
export function loadConfig(sources: ConfigSources): ServerConfig {
  const file = readConfigFile(sources.configFile ?? sources.env['SECURECHAT_CONFIG']);
  for (const name of Object.keys(sources.flags))
    if (!Object.hasOwn(definitions, name))
      throw new StartError(2, `There is no setting named ${JSON.stringify(name)}.`);
  const read = <T>(name: ConfigName): T | undefined => readRow(name, sources, file).at(-1) as T | undefined;
  const readAll = <T>(name: ConfigName): readonly T[] => readRow(name, sources, file) as T[];
  for (const name of ['database', 'nats'] as const) readAll(name);

  const config: ServerConfig = {
    data: resolve(read<string>('data') ?? defaultDataFolder(sources)),
    listen: read<ListenAddress>('listen') ?? { host: '127.0.0.1', port: 4200 },
    listenTcp: read<ListenAddress>('listenTcp') ?? { host: '127.0.0.1', port: 4201 },
    tls: tlsOf(read<string>('tlsCert'), read<string>('tlsKey')),
    behindProxy: readAll<AddressBlock>('behindProxy'),
    insecureListen: read<boolean>('insecureListen') ?? false,
    registration: read<Registration>('registration') ?? 'invite',
    registrationPowBits: read<number>('registrationPowBits') ?? 20,
    offlineDelivery: read<'on' | 'off'>('offlineDelivery') ?? 'on',
    publicAddress: read<string>('publicAddress'),
    rsaBits: read<number>('rsaBits') ?? 3072,
    logLevel: read<LogLevel>('logLevel') ?? 'info',
    json: read<boolean>('json') ?? false,
    limits: { ...defaultLimits, ...Object.fromEntries(readAll<readonly [LimitName, number]>('limit')) },
  };
  refusePlaintextBeyondLoopback(config);
  return config;
}

/** The values of one row from the strongest source that has it, parsed; the default where none has. */
function readRow(name: ConfigName, sources: ConfigSources, file: ReadonlyMap<string, readonly string[]>): unknown[] {
  const row = configRows.find((candidate) => candidate.name === name);
  if (row === undefined) return [];
  const flag = sources.flags[name];
  const parse = (value: string, where: string): unknown => {
    try {
      return row.parse(value);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.replace(/\.$/, '') : 'it cannot be read';
      throw new StartError(2, `${where} cannot be used: ${why}.`, { cause });
    }
  };
  if (flag !== undefined && !(Array.isArray(flag) && flag.length === 0)) {
    const given = Array.isArray(flag) ? (flag as readonly string[]) : [String(flag)];
    return given.map((value) => parse(value, `--${row.flag}`));
  }
  const fromEnv = envValue(row, sources.env);
  if (fromEnv !== undefined) {
    const given = row.repeatable ? fromEnv.split(',').map((value) => value.trim()) : [fromEnv];
    return given.map((value) => parse(value, row.env));
  }
  const fromFile = file.get(name);
  if (fromFile !== undefined) return fromFile.map((value) => parse(value, `"${name}" in the configuration file`));
  return row.default === undefined ? [] : [parse(row.default, `--${row.flag}`)];
}

function envValue(row: ConfigRow, env: ConfigSources['env']): string | undefined {
  const direct = env[row.env];
  const path = row.secret ? env[`${row.env}_FILE`] : undefined;
  if (path === undefined) return direct;
  if (direct !== undefined) throw new StartError(2, `${row.env} and ${row.env}_FILE are both set; one is enough.`);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new StartError(2, `The file that ${row.env}_FILE names cannot be read.`, { cause });
  }
}

/** Name → texts. Numbers and booleans are taken by their spelling, `limit` as an object or a list of pairs. */
function readConfigFile(path: string | undefined): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, readonly string[]>();
  if (path === undefined) return values;
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new StartError(2, `The configuration file ${path} ${why}.`, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new StartError(2, `The configuration file ${path} must hold one JSON object.`);
  for (const [name, value] of Object.entries(parsed)) {
    const row = configRows.find((candidate) => candidate.name === name);
    if (row === undefined)
      throw new StartError(2, `The configuration file has an unknown setting ${JSON.stringify(name)}.`);
    values.set(name, textsOf(row, value));
  }
  return values;
}

function textsOf(row: ConfigRow, value: unknown): readonly string[] {
  const scalar = (one: unknown): string => {
    if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') return String(one);
    throw new StartError(2, `"${row.name}" in the configuration file has a value of the wrong kind.`);
  };
  if (row.repeatable && Array.isArray(value)) return value.map(scalar);
  if (row.type === 'pairs' && typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).map(([name, one]) => `${name}=${scalar(one)}`);
  return [scalar(value)];
}

function defaultDataFolder({ env, home }: ConfigSources): string {
  const own = env['SECURECHAT_HOME'];
  if (own !== undefined && own !== '') return join(own, 'server');
  const xdg = env['XDG_DATA_HOME'];
  return join(xdg !== undefined && xdg !== '' ? xdg : join(home, '.local', 'share'), 'securechat', 'server');
}

function tlsOf(certFile: string | undefined, keyFile: string | undefined): ServerConfig['tls'] {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new StartError(2, 'TLS needs both --tls-cert and --tls-key.');
  return { certFile: resolve(certFile), keyFile: resolve(keyFile) };
}

/** The sealed session protects without TLS, but names of servers and times do not: beyond loopback it must be asked for. */
function refusePlaintextBeyondLoopback(config: ServerConfig): void {
  if (config.tls !== undefined || config.insecureListen || config.behindProxy.length > 0) return;
  for (const { host } of [config.listen, config.listenTcp])
    if (!isLoopback(host))
      throw new StartError(
        2,
        `Listening on ${host} without TLS is refused: give --tls-cert and --tls-key, or say --behind-proxy CIDR or --insecure-listen.`,
      );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
