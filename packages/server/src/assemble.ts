/** Puts together what stands behind the listeners. */
import { join } from 'node:path';
import type { Entropy } from '@securechat/crypto';
import { systemEntropy } from '@securechat/crypto';
import { openFileBlobs } from './blobs/files.ts';
import { createLocalBus } from './bus/local.ts';
import type { ServerConfig } from './config.ts';
import { dataFiles } from './data-folder.ts';
import { openKeys } from './keys.ts';
import type { Log } from './log.ts';
import { openOpaque, openOpaqueSetup } from './opaque/index.ts';
import { Acks } from './shell/acks.ts';
import { Acquaintances } from './shell/acquaintances.ts';
import { Bans } from './shell/bans.ts';
import { Gate } from './shell/gate.ts';
import { Links } from './shell/link/links.ts';
import type { Clock, ServerParts } from './shell/parts.ts';
import { LoadWatch } from './shell/load-watch.ts';
import { Presences } from './shell/presences.ts';
import { Rates } from './shell/rates.ts';
import { Workload } from './shell/workload.ts';
import type { Store } from './stores/port.ts';

/** Handshakes at once: each has one RSA operation at a time on the four threads of libuv's pool. */
const HANDSHAKES_AT_ONCE = 4;

/** StartError where a key file cannot be used. */
export async function assemble(input: {
  readonly config: ServerConfig;
  readonly surroundings: { readonly clock?: Clock; readonly entropy?: Entropy };
  readonly log: Log;
  /** How to take down what stands, oldest first: added to. */
  readonly undo: (() => Promise<void> | void)[];
  readonly store: Store;
}): Promise<ServerParts> {
  const { config, surroundings, log, undo, store } = input;
  const entropy = surroundings.entropy ?? systemEntropy;
  const clock = surroundings.clock ?? { wallMs: () => Date.now(), monotonicMs: () => performance.now() };
  const { data, limits, rsaBits } = config;
  const keys = await openKeys({ folder: data, rsaBits, nowMs: clock.wallMs(), entropy });
  const opaque = openOpaque({
    setup: await openOpaqueSetup(join(data, dataFiles.opaque)),
    queuedMax: limits.opaqueQueuedMax,
  });
  undo.push(() => opaque.close());
  const links = new Links();
  const acquaintances = new Acquaintances(store, clock.monotonicMs);
  const presences = new Presences({
    links,
    acquaintances,
    contactsOnly: config.registration === 'open',
    nowMs: clock.monotonicMs,
    random: () => (entropy(1)[0] ?? 0) / 256,
    log,
  });
  undo.push(() => presences.stop());
  const acks = new Acks(store, log);
  undo.push(() => acks.flush());
  return {
    config,
    clock,
    entropy,
    log,
    keys,
    store,
    blobs: await openFileBlobs(join(data, dataFiles.blobs)),
    bus: createLocalBus(),
    opaque,
    links,
    acks,
    presences,
    acquaintances,
    rates: new Rates(limits, clock.monotonicMs),
    bans: new Bans(limits.protocolBanMs, clock.monotonicMs),
    load: new LoadWatch(limits, log),
    handshakes: new Gate({ atOnce: HANDSHAKES_AT_ONCE, queuedMax: limits.handshakesQueuedMax }),
    work: new Workload(entropy, limits.challengeMs),
  };
}
