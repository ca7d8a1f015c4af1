/** Faults to be planted, each behind a port: a simulator that does not find them finds nothing. */
import type { DatabaseSync } from 'node:sqlite';
import type { ClientStore, Link, LinkEvents, StoreChange } from '@securechat/client/engine';
import { outboxRecord } from '@securechat/client/engine';
import type { decideSubmit, OperationName, Store } from '@securechat/server/parts';
import type { ClientId, MailboxSeq } from '@securechat/wire';
import { decodeSubmit, encodeSubmit, rowKinds, SecureChatError } from '@securechat/wire';
import type { Life, World } from './world.ts';

type Decide = typeof decideSubmit;

export interface Bug {
  readonly name: string;
  /** Other rules than those of `core/mailbox.ts`. */
  decide?(rules: Decide): Decide;
  /** Something between the server and its store. */
  store?(store: Store, world: World, life: Life): Store;
  /** Inside the transaction, before an operation. */
  beforeOperation?(db: DatabaseSync, name: OperationName, ask: unknown, nowMs: number): void;
  /** Commits are never flushed: a crash takes all of them. */
  readonly neverFlushes?: boolean;
  /** Answers go out while the commit is still under way. */
  readonly answersBeforeCommit?: boolean;
  /** Whoever attaches leaves the device's connection before it as it is. */
  readonly keepsOldConnections?: boolean;
  /** Expiry follows the wall clock, wherever somebody sets it. */
  readonly trustsWallClock?: boolean;
  /** Something between the client and its store. */
  clientStore?(store: ClientStore, world: World, life: Life): ClientStore;
  /** Something between the client and its connection. */
  link?(link: Link, events: LinkEvents, where: { readonly world: World; readonly life: Life }): Link;
}

/** The same object, with some of its methods replaced. */
function instead<T extends object>(target: T, changed: Partial<T>): T {
  return new Proxy(target, {
    get(from, name) {
      const value: unknown = Reflect.get(name in changed ? changed : from, name);
      return typeof value === 'function' ? (value.bind(name in changed ? changed : from) as unknown) : value;
    },
  });
}

/** Everything under the newest generation, whoever asks. */
const unfenced =
  (rules: Decide): Decide =>
  (submission, facts, limits) => {
    const generation = facts.sender?.generation ?? submission.sender.generation;
    return rules({ ...submission, sender: { ...submission.sender, generation } }, facts, limits);
  };

export const bugs: readonly Bug[] = [
  { name: 'the server acknowledges before the commit', answersBeforeCommit: true },
  { name: 'the server never flushes', neverFlushes: true },
  { name: 'no fence', decide: unfenced, keepsOldConnections: true },
  {
    name: 'a fence outside of the transaction',
    decide: unfenced,
    store: (store) => {
      const newest = new Map<string, number>();
      return instead<Store>(store, {
        async attach(...all) {
          const attached = await store.attach(...all);
          if (attached !== undefined) newest.set(all[0], attached.generation);
          return attached;
        },
        async submit(submission) {
          const { device, generation } = submission.sender;
          const old = generation < (newest.get(device) ?? 0);
          if (old) return { kind: 'refused', code: 'SESSION_REPLACED', detail: {} };
          // What another node, or the queue of a busy one, takes until the transaction begins.
          await new Promise((resolve) => setTimeout(resolve, 150));
          return store.submit(submission);
        },
      });
    },
  },
  {
    name: 'no dedupe',
    decide: (rules) => (submission, facts, limits) => rules(submission, { ...facts, known: undefined }, limits),
  },
  {
    name: 'dedupe for a minute',
    beforeOperation(db, name, ask, nowMs) {
      db.exec('CREATE TEMP TABLE IF NOT EXISTS seen (client TEXT PRIMARY KEY, at INTEGER)');
      if (name !== 'submit') return;
      const id = (ask as readonly unknown[])[3] as string;
      const forget = 'DELETE FROM dedupe WHERE client IN (SELECT client FROM seen WHERE at < ?)';
      db.prepare(forget).run(Math.floor(nowMs) - 60_000);
      db.prepare('INSERT OR IGNORE INTO seen VALUES (?, ?)').run(id, Math.floor(nowMs));
    },
  },
  {
    name: 'a conflict instead of the first answer',
    decide: (rules) => (submission, facts, limits) => {
      const outcome = rules(submission, facts, limits);
      return outcome.kind === 'repeat' ? { kind: 'refused', code: 'ID_REUSED', detail: {} } : outcome;
    },
  },
  {
    name: 'the epoch before dedupe',
    decide: (rules) => (submission, facts, limits) => {
      const stale = facts.group !== undefined && submission.submit.epoch !== facts.group.epoch;
      if (!stale || facts.sender?.generation !== submission.sender.generation) return rules(submission, facts, limits);
      return { kind: 'refused', code: 'EPOCH_STALE', detail: { epoch: facts.group?.epoch ?? 0 } };
    },
  },
  {
    name: 'the quota before dedupe',
    decide: (rules) => (submission, facts, limits) => {
      const full = facts.mailboxes.some(({ rows }) => rows >= 3);
      if (!full || facts.sender?.generation !== submission.sender.generation) return rules(submission, facts, limits);
      return { kind: 'refused', code: 'MAILBOX_FULL', detail: {} };
    },
  },
  {
    name: 'two commits in one epoch',
    decide: (rules) => (submission, facts, limits) => {
      const { kind, epoch } = submission.submit;
      const group = facts.group && (kind === 'commit' ? { ...facts.group, epoch } : facts.group);
      return rules(submission, { ...facts, group }, limits);
    },
  },
  {
    name: 'any epoch',
    decide: (rules) => (submission, facts, limits) =>
      rules(submission, { ...facts, group: facts.group && { ...facts.group, epoch: submission.submit.epoch } }, limits),
  },
  {
    name: 'what follows a refused message is accepted',
    decide: (rules) => (submission, facts, limits) => rules(submission, { ...facts, refused: undefined }, limits),
  },
  {
    name: 'expiry by the wall clock',
    trustsWallClock: true,
  },
  {
    name: 'nobody hears of a commit that expired',
    beforeOperation(db, name) {
      if (name === 'maintain') db.prepare('UPDATE body SET sender = 0 WHERE kind = ?').run(rowKinds.commit);
    },
  },
  {
    name: 'an acknowledgement deletes one row more',
    store: (store) =>
      instead<Store>(store, { ack: (device, generation, upTo) => store.ack(device, generation, upTo + 1) }),
  },
  {
    name: 'a page of the mailbox skips a row',
    store: (store) =>
      instead<Store>(store, {
        fetch: async (device, after, rowsMax, bytesMax) => {
          const rows = await store.fetch(device, after, rowsMax, bytesMax);
          return rows.length > 2 ? rows.filter((_row, at) => at !== 1) : rows;
        },
      }),
  },
  {
    name: 'a key package is handed out twice',
    store: (store) => {
      const last = new Map<string, Awaited<ReturnType<Store['takeKeyPackages']>>>();
      return instead<Store>(store, {
        async takeKeyPackages(devices, lastResortOnly) {
          const key = devices.join();
          const known = last.get(key);
          if (known !== undefined) return known;
          const taken = await store.takeKeyPackages(devices, lastResortOnly);
          if (taken.size > 0) last.set(key, taken);
          return taken;
        },
      });
    },
  },
  {
    name: 'the client acknowledges before it has stored',
    link: (link, events) => {
      const { onDeliver } = events;
      Object.assign(events, {
        onDeliver: (row: Parameters<LinkEvents['onDeliver']>[0]) => {
          link.ack(row.seq);
          onDeliver.call(events, row);
        },
      });
      return link;
    },
  },
  {
    name: 'the client acknowledges a row that it has not got',
    link: (link) => instead<Link>(link, { ack: (upTo) => link.ack((upTo + 1) as MailboxSeq) }),
  },
  {
    name: 'the cursor is stored in a commit of its own',
    clientStore: (store) =>
      instead<ClientStore>(store, {
        async commit(changes) {
          const isCursor = (change: StoreChange): boolean => change.kind === 'put' && change.key === 'cursor';
          const [cursor, rest] = [changes.filter(isCursor), changes.filter((change) => !isCursor(change))];
          const kept = rest.map((change) => ('value' in change ? { ...change, value: change.value.slice() } : change));
          if (cursor.length > 0) await store.commit(cursor);
          await store.commit(kept);
        },
      }),
  },
  {
    name: 'the client sends before it has stored',
    clientStore: (store) => {
      // Whoever reads sees it, as in a cache; only the disk does not have it yet.
      let open: Promise<unknown> = Promise.resolve();
      const afterwards = async <T>(read: () => Promise<T>): Promise<T> => {
        await open;
        return read();
      };
      return instead<ClientStore>(store, {
        async commit(changes) {
          const own = changes.map((change) =>
            'value' in change ? { ...change, value: change.value.slice() } : change,
          );
          const outgoing = changes.some((change) => change.kind === 'put' && change.collection === 'outbox');
          const stored = store.commit(own);
          open = stored.catch(() => undefined);
          if (!outgoing) await stored;
        },
        get: (collection, key) => afterwards(() => store.get(collection, key)),
        message: (conversation, id) => afterwards(() => store.message(conversation, id)),
        hasMessage: (conversation, id) => afterwards(() => store.hasMessage(conversation, id)),
      });
    },
  },
  {
    name: 'an unknown outcome is told as a refusal',
    clientStore: (store) =>
      instead<ClientStore>(store, {
        commit: (changes) =>
          store.commit(changes).catch(() => {
            throw new SecureChatError('PROFILE_UNWRITABLE');
          }),
      }),
  },
  {
    name: 'encrypted again at every start',
    clientStore: (store) =>
      instead<ClientStore>(store, {
        async all(collection) {
          const found = await store.all(collection);
          return collection === 'outbox' ? new Map([...found].map(([key, value]) => [key, unsealedRow(value)])) : found;
        },
      }),
  },
  {
    name: 'encrypted again after a lost connection',
    link: (link, events) => {
      const open = new Map<ClientId, number>();
      const told = { accepted: events.onAccepted, refused: events.onRefused, closed: events.onClosed };
      Object.assign(events, {
        onAccepted: (accepted: Parameters<LinkEvents['onAccepted']>[0]) => {
          open.delete(accepted.id);
          told.accepted.call(events, accepted);
        },
        onRefused: (id: string, error: SecureChatError) => {
          open.delete(id as ClientId);
          told.refused.call(events, id, error);
        },
        onClosed: (...all: Parameters<LinkEvents['onClosed']>) => {
          for (const [id, epoch] of open) told.refused.call(events, id, new SecureChatError('EPOCH_STALE', { epoch }));
          told.closed.apply(events, all);
        },
      });
      return instead<Link>(link, {
        submit: (body) => {
          const { id, epoch, kind } = decodeSubmit(body);
          if (kind === 'message') open.set(id, epoch);
          link.submit(body);
        },
      });
    },
  },
  {
    name: 'a profile that was put back is not noticed',
    link: (link) =>
      instead<Link>(link, {
        async attach(options) {
          const answer = await link.attach(options);
          const { submitNumberHighest } = options;
          return { ...answer, submitNumberHighest: Math.min(answer.submitNumberHighest, submitNumberHighest) };
        },
      }),
  },
  {
    name: 'everything is called resolved',
    link: (link) =>
      instead<Link>(link, {
        submit: (body) => {
          const submit = decodeSubmit(body);
          link.submit(encodeSubmit({ ...submit, lowestUnresolved: submit.submitNumber }));
        },
      }),
  },
];

/** An outbox row that was never encrypted. */
function unsealedRow(value: Uint8Array): Uint8Array {
  const row = outboxRecord.decode(value);
  return row.acceptedMs > 0 || row.kind === 'commit' ? value : outboxRecord.encode({ ...row, sealed: undefined });
}
