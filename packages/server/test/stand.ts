/** Servers for tests: a folder of their own, free ports, small keys, log lines kept. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Code, LimitName } from '@securechat/wire';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { RunningServer, ServerConfig, ServerSurroundings } from '@securechat/server';
import { adminInvite, loadConfig, runServer } from '@securechat/server';
import { TestClient } from './client.ts';
import type { ConnectOptions } from './client.ts';
import type { Person, PersonOptions } from './people.ts';
import { makePerson } from './people.ts';

export interface Stand {
  readonly folder: string;
  /** The data folder, inside `folder`. */
  readonly data: string;
  readonly config: ServerConfig;
  readonly logLines: string[];
  server: RunningServer;
  url(transport: 'ws' | 'tcp'): string;
  connect(transport?: 'ws' | 'tcp', options?: ConnectOptions): Promise<TestClient>;
  /** Registers on a connection of its own; not attached. */
  register(username: string, more?: Partial<PersonOptions>): Promise<Person>;
  /** A fresh connection with the device attached. */
  attach(person: Person, transport?: 'ws' | 'tcp', storedUpTo?: number): Promise<TestClient>;
  restart(change?: Partial<ServerConfig>): Promise<void>;
  stop(): Promise<void>;
}

export interface StandOptions {
  readonly flags?: Readonly<Record<string, string | boolean | readonly string[]>>;
  readonly limits?: Partial<Record<LimitName, number>>;
  readonly surroundings?: ServerSurroundings;
  readonly config?: Partial<ServerConfig>;
  readonly freshKeys?: boolean;
}

/** For assert.rejects and assert.throws. */
export function coded(code: Code): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof SecureChatError && error.code === code) return true;
    throw error;
  };
}

/** Limits under which many tests in a row do not wait for each other. */
const roomy: Partial<Record<LimitName, number>> = {
  connectsPerAddressPerSecond: 10_000,
  connectsPerAddressBurst: 10_000,
  connectionsPerAddressMax: 1000,
  unauthenticatedPerAddressMax: 200,
  loginsPerAddressBurst: 1000,
  loginsPerAddressPerMinute: 60_000,
  // To register takes a busy machine longer than strangers are given.
  authDeadlineMs: 120_000,
  // No test waits for the disk of the machine it runs on.
  diskFreeBytesMin: 0,
};

/** Made by the first stand of a process, copied to the others: generating RSA keys takes longer than most tests. */
const keyFiles = ['identity.pem', 'sealing.pem', 'opaque.setup'];
let keyFolder: string | undefined;

function copyKeys(data: string): void {
  if (keyFolder === undefined) return;
  mkdirSync(data, { mode: 0o700 });
  for (const name of keyFiles)
    if (existsSync(join(keyFolder, name))) copyFileSync(join(keyFolder, name), join(data, name));
}

function keepKeys(data: string): void {
  if (keyFolder !== undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'securechat-keys-'));
  for (const name of keyFiles) copyFileSync(join(data, name), join(folder, name));
  keyFolder = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

export async function makeStand(options: StandOptions = {}): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-server-'));
  const data = join(folder, 'data');
  const flags = { data, listen: '127.0.0.1:0', listenTcp: '127.0.0.1:0', rsaBits: '2048', logLevel: 'debug' };
  const loaded = loadConfig({ flags: { ...flags, ...options.flags }, env: {}, home: folder });
  const config = { ...loaded, ...options.config, limits: { ...defaultLimits, ...roomy, ...options.limits } };
  const logLines: string[] = [];
  // No test depends on how busy the machine is that it runs on.
  const machine = { everyMs: 1000, read: () => ({ delayMs: 0, rssBytes: 0, memoryBytes: 1 }), close: () => undefined };
  const logSink = { write: (line: string) => void logLines.push(line) };
  const surroundings = { machine, logSink, ...options.surroundings };
  if (options.freshKeys !== true) copyKeys(data);
  const server = await runServer(config, surroundings);
  keepKeys(data);
  const stand: Stand = {
    folder,
    data,
    config,
    logLines,
    server,
    url: (transport) => (transport === 'ws' ? stand.server.ready.http.replace(/^http/, 'ws') : stand.server.ready.tcp),
    connect: (transport = 'tcp', connectOptions) => TestClient.connect(stand.url(transport), connectOptions),
    async register(username, more = {}) {
      const person = await makePerson({ username, server: stand.server.ready.fingerprint, ...more });
      const client = await stand.connect();
      const { code } = await adminInvite(data);
      await client.register(person, { invite: code });
      client.close();
      return person;
    },
    async attach(person, transport = 'tcp', storedUpTo = 0) {
      const client = await stand.connect(transport);
      await client.attach(person, { storedUpTo });
      return client;
    },
    async restart(change = {}) {
      await stand.server.close();
      stand.server = await runServer({ ...config, ...change }, surroundings);
    },
    async stop() {
      await stand.server.close();
      rmSync(folder, { recursive: true });
    },
  };
  return stand;
}

/** Resolves true when it became so within the time: as long as a busy machine may take, unless it is not to become so. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return holds();
}
