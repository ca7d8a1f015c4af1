/** What a running server is made of, as operations and links see it. Composed in assemble.ts alone. */
import type { Entropy } from '@securechat/crypto';
import type { Blobs } from '../blobs/port.ts';
import type { Bus } from '../bus/port.ts';
import type { ServerConfig } from '../config.ts';
import type { ServerKeys } from '../keys.ts';
import type { Log } from '../log.ts';
import type { OpaqueServer } from '../opaque/index.ts';
import type { Store } from '../stores/port.ts';
import type { Acks } from './acks.ts';
import type { Acquaintances } from './acquaintances.ts';
import type { Bans } from './bans.ts';
import type { Gate } from './gate.ts';
import type { Links } from './link/links.ts';
import type { LoadWatch } from './load-watch.ts';
import type { Presences } from './presences.ts';
import type { Rates } from './rates.ts';
import type { Workload } from './workload.ts';

export interface Clock {
  /** Unix ms; for people, certificates and expiry, never for order. */
  readonly wallMs: () => number;
  /** Never goes back; for rates and deadlines. */
  readonly monotonicMs: () => number;
}

export interface ServerParts {
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  readonly keys: ServerKeys;
  readonly store: Store;
  readonly blobs: Blobs;
  readonly bus: Bus;
  readonly opaque: OpaqueServer;
  readonly links: Links;
  readonly acks: Acks;
  readonly presences: Presences;
  readonly acquaintances: Acquaintances;
  readonly rates: Rates;
  readonly bans: Bans;
  readonly load: LoadWatch;
  /** RSA operations of handshakes. */
  readonly handshakes: Gate;
  /** Proof-of-work challenges: their key, and those used. */
  readonly work: Workload;
}
