/**
 * The configuration of a server: the one reader of the table in config-rows.ts. Precedence: flag over environment over
 * file over default. Everything that is not in the table is refused.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LimitName, Limits } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { ConfigName, ConfigRow, ListenAddress, LogLevel, Registration } from './config-rows.ts';
import { configRows } from './config-rows.ts';
import type { AddressBlock } from './core/addresses.ts';
import { StartError } from './start-error.ts';

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
    if (!configRows.some((row) => row.name === name))
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
