/**
 * A real server and real clients in one process, for the tests of the client over both transports. A peopled stand begins
 * with a copy of a server's data and of the profiles of Alice and Bob, who are registered once for all of them.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, ClientEvent, ClientOptions, Registered } from '@securechat/client';
import { connect } from '@securechat/client';
import type { RunningServer, ServerConfig } from '@securechat/server';
import { loadConfig, runServer } from '@securechat/server';
import { freePort } from './ports.ts';
import { LONG_AUTH_DEADLINE } from './processes.ts';

export interface Stand {
  readonly folder: string;
  /** Works for five registrations, two of them Alice's and Bob's in a peopled stand. */
  readonly invite: string;
  /** What registering Alice and Bob answered, in a peopled stand. */
  readonly registered: Readonly<Record<'alice' | 'bob', Registered>>;
  /** `ws://…#sha256:…` and `tcp://…#sha256:…`. */
  address(transport: 'ws' | 'tcp'): string;
  /** A client on the profile folder of that name; events are collected from the start. */
  client(name: string, transport?: 'ws' | 'tcp', more?: Partial<ClientOptions>): Promise<Person>;
  /** Alice over WebSocket and Bob over TCP, logged in, in a peopled stand. */
  pair(): Promise<readonly [Person, Person]>;
  /** Stops the server, keeps its data, starts it again on the same ports. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface Person {
  readonly name: string;
  readonly client: Client;
  readonly events: readonly ClientEvent[];
  readonly downloads: string;
  /** The first event from `from` on that fits, or an error that shows what came instead. */
  heard<K extends ClientEvent['kind']>(
    kind: K,
    fits?: (event: Extract<ClientEvent, { kind: K }>) => boolean,
    from?: number,
  ): Promise<Extract<ClientEvent, { kind: K }>>;
}

/** `limits` as `--limit` takes them. */
export type StandConfig = Partial<Omit<ServerConfig, 'limits'>> & { readonly limits?: readonly string[] };

export const PASSWORD = 'correct horse battery staple';
const HEARD_MS = 60_000;

interface Template {
  readonly folder: string;
  readonly invite: string;
  readonly registered: Stand['registered'];
}
let template: Promise<Template> | undefined;

async function makeTemplate(): Promise<Template> {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-people-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const stand = await standIn(folder, {}, undefined);
  const register = async (name: string): Promise<Registered> => {
    const { client } = await stand.client(name);
    const made = await client.register({ username: name, password: PASSWORD, invite: stand.invite });
    await client.close();
    return made;
  };
  try {
    const [alice, bob] = await Promise.all([register('alice'), register('bob')]);
    return { folder, invite: stand.invite, registered: { alice, bob } };
  } finally {
    // Left running, it would keep the process of a test that failed.
    await stand.stop();
  }
}

/** A server without accounts. */
export async function openStand(config: StandConfig = {}): Promise<Stand> {
  return standIn(mkdtempSync(join(tmpdir(), 'securechat-stand-')), config, undefined);
}

/** A server on which Alice and Bob are registered, with their profiles. */
export async function openPeopledStand(config: StandConfig = {}): Promise<Stand> {
  template ??= makeTemplate();
  const made = await template;
  const folder = mkdtempSync(join(tmpdir(), 'securechat-pair-'));
  cpSync(made.folder, folder, { recursive: true });
  return standIn(folder, config, made);
}

async function standIn(
  folder: string,
  { limits = [], ...config }: StandConfig,
  made: Template | undefined,
): Promise<Stand> {
  const base = loadConfig({
    flags: {
      data: join(folder, 'server'),
      // The same after a restart.
      listen: `127.0.0.1:${await freePort()}`,
      listenTcp: `127.0.0.1:${await freePort()}`,
      limit: [LONG_AUTH_DEADLINE, ...limits],
    },
    env: {},
    home: folder,
  });
  const settings: ServerConfig = { ...base, rsaBits: 2048, logLevel: 'silent', ...config };
  let running: RunningServer = await runServer(settings);
  const { fingerprint, http, tcp } = running.ready;
  const invite = made?.invite ?? running.ready.invite ?? '';
  const hosts = { ws: new URL(http).host, tcp: new URL(tcp).host };
  const open = new Set<Client>();
  const stand: Stand = {
    folder,
    invite,
    get registered() {
      if (made === undefined) throw new Error('nobody is registered yet');
      return made.registered;
    },
    address: (transport) => `${transport}://${hosts[transport]}#${fingerprint}`,
    async client(name, transport = 'ws', more = {}) {
      const downloads = join(folder, `${name}-downloads`);
      const client = await connect({
        server: stand.address(transport),
        profileDirectory: join(folder, name),
        downloadDirectory: downloads,
        rsaBits: 2048,
        ...more,
      });
      open.add(client);
      return listen(name, client, downloads);
    },
    async pair() {
      const logIn = async (name: string, transport: 'ws' | 'tcp'): Promise<Person> => {
        const person = await stand.client(name, transport);
        await person.client.login({ username: name, password: PASSWORD });
        return person;
      };
      return Promise.all([logIn('alice', 'ws'), logIn('bob', 'tcp')]);
    },
    async stop() {
      await running.close();
    },
    async start() {
      running = await runServer(settings);
    },
    async restart() {
      await stand.stop();
      await stand.start();
    },
    async close() {
      for (const client of open) await client.close();
      await running.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return stand;
}

/** Registers with the stand's invite. */
export async function joining(stand: Stand, name: string, transport?: 'ws' | 'tcp'): Promise<Person> {
  const person = await stand.client(name, transport);
  await person.client.register({ username: name, password: PASSWORD, invite: stand.invite });
  return person;
}

function listen(name: string, client: Client, downloads: string): Person {
  const events: ClientEvent[] = [];
  const waiting = new Set<() => void>();
  void (async () => {
    for await (const event of client.events()) {
      events.push(event);
      for (const look of waiting) look();
    }
  })();
  return {
    name,
    client,
    events,
    downloads,
    heard(kind, fits = () => true, from = 0) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          const shown = events.map((event) => JSON.stringify(event)).join('\n  ');
          reject(new Error(`${name} did not hear ${kind}; heard:\n  ${shown}`));
        }, HEARD_MS);
        const look = (): void => {
          for (const event of events.slice(from)) {
            if (event.kind !== kind) continue;
            const found = event as Extract<ClientEvent, { kind: typeof kind }>;
            if (!fits(found)) continue;
            clearTimeout(timer);
            waiting.delete(look);
            resolve(found);
            return;
          }
        };
        waiting.add(look);
        look();
      });
    },
  };
}
