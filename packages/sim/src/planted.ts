/** Faults to be planted, each behind a port: a simulator that does not find them finds nothing. */
import type { DatabaseSync } from 'node:sqlite';
import type { ClientStore, Link, LinkEvents } from '@securechat/client/engine';
import type { decideSubmit, OperationName, Store } from '@securechat/server/parts';
import type { Life, World } from './world.ts';

export interface Bug {
  readonly name: string;
  /** Other rules than those of `core/mailbox.ts`. */
  decide?(rules: typeof decideSubmit): typeof decideSubmit;
  /** Something between the server and its store. */
  store?(store: Store, world: World, life: Life): Store;
  /** Inside the transaction, before an operation. */
  beforeOperation?(db: DatabaseSync, name: OperationName, ask: unknown, nowMs: number): void;
  /** Commits are never flushed: a crash takes all of them. */
  readonly neverFlushes?: boolean;
  /** Answers go out while the commit is still under way. */
  readonly answersBeforeCommit?: boolean;
  /** Something between the client and its store. */
  clientStore?(store: ClientStore, world: World, life: Life): ClientStore;
  /** Something between the client and its connection. */
  link?(link: Link, events: LinkEvents, where: { readonly world: World; readonly life: Life }): Link;
}
