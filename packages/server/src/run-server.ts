/** The composition root: opens the data folder, puts the parts together, listens, and takes it all down again. */
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Entropy } from '@securechat/crypto';
import type { AccountId, Fingerprint } from '@securechat/wire';
import { ADDRESS_KEY, makeInvite } from './admin.ts';
import { assemble } from './assemble.ts';
import type { ServerConfig } from './config.ts';
import { FIRST_INVITE } from './core/invites.ts';
import { dataFiles, prepareDataFolder } from './data-folder.ts';
import { drain } from './drain.ts';
import { listen } from './listen.ts';
import type { Log, LogSink } from './log.ts';
import { createLog } from './log.ts';
import { openStore, startErrorOf } from './open-store.ts';
import { openAdminSocket } from './shell/admin-socket.ts';
import type { Ticket } from './shell/listeners/admission.ts';
import { Admission } from './shell/listeners/admission.ts';
import { startHousekeeping } from './shell/housekeeping.ts';
import { Link } from './shell/link/link.ts';
import type { Machine } from './shell/load-watch.ts';
import { thisMachine } from './shell/load-watch.ts';
import type { Clock, ServerParts } from './shell/parts.ts';
import { createTcpServer } from './shell/listeners/tcp.ts';
import type { TlsMaterial } from './shell/listeners/tls.ts';
import { readTlsMaterial } from './shell/listeners/tls.ts';
import type { Transport } from './shell/listeners/transport.ts';
import { createWebSocketServer } from './shell/listeners/websocket.ts';
import type { Store, StoreError } from './stores/port.ts';

/** Parts that tests replace. */
export interface ServerSurroundings {
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  /** Where log lines go; standard error. */
  readonly logSink?: LogSink;
  /** How late it is and how much memory is left. */
  readonly machine?: Machine;
}

export interface Ready {
  /** `http://HOST:PORT` or `https://`. */
  readonly http: string;
  /** `tcp://HOST:PORT` or `tls://`. */
  readonly tcp: string;
  readonly fingerprint: Fingerprint;
  /** What a client connects to: `ws://HOST:PORT#sha256:…`, or the public address. */
  readonly address: string;
  /** The first invite, while there is no account. */
  readonly invite?: string;
}

export interface RunningServer {
  readonly ready: Ready;
  /** Drains for at most 10 s, then closes the store. Idempotent. */
  close(): Promise<void>;
  /** Resolves when the server is down: by `close`, or because its disk failed (the process should end with an error). */
  readonly stopped: Promise<'closed' | 'failed'>;
}

/** StartError with one sentence and an exit code when it cannot start. */
export async function runServer(config: ServerConfig, surroundings: ServerSurroundings = {}): Promise<RunningServer> {
  const log = createLog(config.logLevel, surroundings.logSink);
  const undo: (() => Promise<void> | void)[] = [];
  const takeDown = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
    undo.length = 0;
  };
  try {
    return await start({ config, surroundings, log, undo, takeDown });
  } catch (error) {
    await takeDown();
    throw startErrorOf(error, config.data);
  }
}

interface Starting {
  readonly config: ServerConfig;
  readonly surroundings: ServerSurroundings;
  readonly log: Log;
  /** How to take down what stands, oldest first. */
  readonly undo: (() => Promise<void> | void)[];
  readonly takeDown: () => Promise<void>;
}

async function start({ config, surroundings, log, undo, takeDown }: Starting): Promise<RunningServer> {
  const stopping = Promise.withResolvers<'closed' | 'failed'>();
  let phase: 'starting' | 'ready' | 'draining' = 'starting';
  let onFatal = (_error: StoreError): void => undefined;

  const tls = config.tls && readTlsMaterial(config.tls);
  prepareDataFolder(config.data);
  const store = await openStore({
    directory: config.data,
    limits: config.limits,
    countUnanswered: config.registration === 'open',
    onFatal: (error) => onFatal(error),
  });
  undo.push(() => store.close());
  const parts = await assemble({ config, surroundings, log, undo, store });
  const { links, clock, load } = parts;

  const admission = new Admission(config.limits, config.behindProxy, clock.monotonicMs, () => load.crowded);
  const address: { text: string } = { text: '' };
  const { http, tcp } = createListeners({
    parts,
    tls,
    admission,
    ready: () => phase === 'ready',
    page: () => pageOf(address.text),
  });
  // Taken down in the opposite order: links first, then what they stand on.
  undo.push(() => drain({ links, admission, clock, servers: [http, tcp] }));
  const httpBound = await listen(http, config.listen);
  const tcpBound = await listen(tcp, config.listenTcp);
  const base = config.publicAddress ?? `${tls ? 'wss' : 'ws'}://${httpBound}`;
  address.text = `${base}#${parts.keys.fingerprint}`;
  const invite = await prepareRecords(store, config, address.text, clock.wallMs);

  const onDisabled = (account: AccountId): void => {
    for (const link of links.claimedBy((claimant) => claimant.account === account)) link.end('ACCOUNT_DISABLED');
  };
  const admin = await openAdminSocket(
    join(config.data, dataFiles.adminSocket),
    { store, nowMs: clock.wallMs, onDisabled },
    log,
  );
  if (admin !== undefined) undo.push(() => void admin.close());
  undo.push(startHousekeeping(parts));
  undo.push(load.start(surroundings.machine ?? thisMachine()));

  phase = 'ready';
  const close = (() => {
    let closing: Promise<void> | undefined;
    return (how: 'closed' | 'failed' = 'closed'): Promise<void> => {
      closing ??= (async () => {
        phase = 'draining';
        log.info('stopping', { count: links.all.size });
        await takeDown();
        log.info('stopped');
        stopping.resolve(how);
      })();
      return closing;
    };
  })();
  onFatal = (cause) => {
    log.error('storage failed', { cause });
    void close('failed');
  };
  log.info('ready');
  return {
    ready: {
      http: `${tls ? 'https' : 'http'}://${httpBound}`,
      tcp: `${tls ? 'tls' : 'tcp'}://${tcpBound}`,
      fingerprint: parts.keys.fingerprint,
      address: address.text,
      ...(invite !== undefined && { invite }),
    },
    close: () => close(),
    stopped: stopping.promise,
  };
}

function createListeners(input: {
  readonly parts: ServerParts;
  readonly tls: TlsMaterial | undefined;
  readonly admission: Admission;
  readonly ready: () => boolean;
  readonly page: () => string;
}): { readonly http: Server; readonly tcp: Server } {
  const { parts, tls, admission } = input;
  const { limits } = parts.config;
  const onTransport = (transport: Transport, ticket: Ticket): void => {
    if (input.ready()) new Link(parts, transport, ticket);
    else transport.close();
  };
  const { frameBytesBeforeAuthMax: frameBytesMax, tlsHandshakeMs } = limits;
  const common = { admission, tls, tlsHandshakeMs, frameBytesMax, onTransport };
  return {
    http: createWebSocketServer({
      ...common,
      payloadBytesMax: limits.frameBytesMax,
      deadlineMs: limits.authDeadlineMs,
      headerBytesMax: limits.httpHeaderBytesMax,
      page: input.page,
      ready: input.ready,
    }),
    tcp: createTcpServer(common),
  };
}

/** Remembers the address for invite links, and makes the first invite while there is no account. */
async function prepareRecords(
  store: Store,
  config: ServerConfig,
  address: string,
  nowMs: () => number,
): Promise<string | undefined> {
  const value = new TextEncoder().encode(address);
  await store.put([{ space: 'server', key: ADDRESS_KEY, ifVersion: 'any', value }]);
  if (config.registration === 'closed' || (await store.list('account', '', '', 1)).length > 0) return undefined;
  return (await makeInvite(FIRST_INVITE, { store, nowMs })).code;
}

function pageOf(address: string): string {
  return `This is a SecureChat server.\n\nTo talk here, in a terminal:\n\n  npx securechat --server '${address}'\n`;
}
