/** The table of operations over one database; every one runs inside the writer's transaction. */
import type { DatabaseSync } from 'node:sqlite';
import type { DeviceId, Limits } from '@securechat/wire';
import type { SubmitOutcome } from '../../core/submit-facts.ts';
import type { KeyPackageTaken, Submission } from '../port.ts';
import { StoreError } from '../port.ts';
import { Accounts } from './accounts.ts';
import { Attachments } from './attachments.ts';
import { Blocks } from './blocks.ts';
import type { OperationName, Operations, PackedResult } from './calls.ts';
import { unpackSubmission } from './calls.ts';
import { GuardedClock } from './clock.ts';
import { Devices } from './devices.ts';
import { Expiry } from './expiry.ts';
import { Groups } from './groups.ts';
import { KeyPackages } from './key-packages.ts';
import { Mailboxes } from './mailboxes.ts';
import { packDevices, packIds } from './pack.ts';
import { Records } from './records.ts';
import type { SubmissionParts } from './submissions.ts';
import { Submissions } from './submissions.ts';

export type OperationTable = {
  readonly [Name in OperationName]: (ask: Operations[Name]['ask'], bytes: Uint8Array) => Operations[Name]['answer'];
};

/** What the writer does around the operations. */
export interface OperationStore {
  /** Before the commit. */
  flush(): void;
  committed(): void;
  rolledBack(): void;
  /**
   * A submission that is not tried, for want of room. The first answer where it was accepted before; otherwise it still
   * counts for the order of its conversation.
   */
  refusedBeforehand(submission: Submission): PackedResult | undefined;
}

/** Rows of one `fetch`, records of one `list`, keys of one `get`, devices of one `takeKeyPackages`. */
const ROWS_MAX = 4096;
const WRITES_MAX = 64;

export function createOperations(
  db: DatabaseSync,
  options: {
    readonly limits: Limits;
    readonly monotonicMs: number;
    readonly countUnanswered?: boolean;
    readonly decide?: SubmissionParts['decide'];
  },
): { readonly operations: OperationTable; readonly store: OperationStore } {
  const { limits, monotonicMs, countUnanswered = false, decide } = options;
  const clock = new GuardedClock(db, monotonicMs);
  const devices = new Devices(db);
  const groups = new Groups(db);
  const mailboxes = new Mailboxes(db, devices);
  const blocks = new Blocks(db, limits.blocksMax);
  const keyPackages = new KeyPackages(db, limits.keyPackagesStoredMax);
  const records = new Records(db);
  const attachments = new Attachments();
  const submissions = new Submissions({
    db,
    limits,
    devices,
    groups,
    mailboxes,
    blocks,
    attachments,
    countUnanswered,
    ...(decide !== undefined && { decide }),
  });
  const accounts = new Accounts({ db, devices, groups, mailboxes, keyPackages, blocks, records, attachments });
  const expiry = new Expiry({ limits, clock, mailboxes, records });

  const live = (id: DeviceId): ReturnType<Devices['find']> => {
    const device = devices.find(id);
    return device?.ended === true ? undefined : device;
  };

  const operations: OperationTable = {
    submit: (ask, bytes) => {
      return packOutcome(submissions.submit(unpackSubmission(ask, bytes), clock.day));
    },
    fetch: ([id, after, rowsMax, bytesMax]) => {
      const device = live(id);
      return device ? mailboxes.fetch(device, after, Math.min(rowsMax, ROWS_MAX), bytesMax) : [];
    },
    ack: ([id, generation, upTo]) => {
      const device = live(id);
      if (device?.generation === generation) mailboxes.ack(device, upTo);
      return true;
    },
    attach: ([id, storedUpTo, history]) => accounts.attach(id, storedUpTo, history),
    detach: ([id, generation]) => {
      attachments.detach(id, generation);
      return true;
    },
    putKeyPackages: ([id, oneTime, lastResort, withdraw]) => {
      const device = live(id);
      if (device && withdraw) keyPackages.withdraw(device);
      return device ? keyPackages.put(device, oneTime, lastResort) : 0;
    },
    takeKeyPackages: ([ids, lastResortOnly]) => {
      const taken = new Map<DeviceId, KeyPackageTaken>();
      for (const id of ids.slice(0, ROWS_MAX)) {
        const device = live(id);
        const one = device && !taken.has(id) ? keyPackages.take(device, lastResortOnly) : undefined;
        if (one !== undefined) taken.set(id, one);
      }
      return taken;
    },
    keyPackageStock: (id) => {
      const device = live(id);
      return device
        ? { oneTime: keyPackages.stock(device), lastResort: keyPackages.hasLastResort(device) }
        : { oneTime: 0, lastResort: false };
    },
    get: ([space, keys, nowMs]) => records.get(space, keys.slice(0, ROWS_MAX), nowMs),
    put: ([writes, change, nowMs]) => {
      const places = new Set(writes.map(({ space, key }) => `${space} ${key}`));
      if (writes.length > WRITES_MAX || places.size !== writes.length)
        throw new StoreError('invalid', { retry: 'never', outcome: 'none' });
      if (!records.allows(writes, nowMs) || (change !== undefined && !accounts.allows(change)))
        return { ok: false, rows: [] };
      records.put(writes, nowMs);
      const rows = change ? accounts.change(change, { storedAtMs: nowMs, day: clock.day }) : [];
      return { ok: true, rows };
    },
    list: ([space, prefix, after, limit, nowMs]) =>
      records.list(space, prefix, after, Math.min(limit, ROWS_MAX), nowMs),
    block: ([owner, other, blocked, quiet]) => blocks.set(owner, other, blocked, quiet),
    blocks: (owner) => blocks.list(owner),
    contacts: (account) => blocks.contacts(account),
    deleteAccount: ([account, nowMs]) => accounts.remove(account, { storedAtMs: nowMs, day: clock.day }),
    maintain: ([nowMs, monotonic, budgetMs]) => expiry.run(nowMs, monotonic, budgetMs),
  };

  const kept = [devices, groups, blocks];
  const store: OperationStore = {
    flush: () => devices.flush(),
    committed: () => {
      for (const each of kept) each.trim();
    },
    rolledBack: () => {
      for (const each of kept) each.forget();
      clock.reload();
      expiry.forget();
    },
    refusedBeforehand: (submission) => {
      const repeat = submissions.repeat(submission);
      if (repeat !== undefined) return packOutcome(repeat);
      attachments.note(submission.sender.device, submission.submit, false);
      return undefined;
    },
  };
  return { operations, store };
}

function packOutcome(outcome: SubmitOutcome): PackedResult {
  if (outcome.kind === 'refused') return ['refused', outcome.code, outcome.detail];
  const places = new Map(outcome.devices.map(({ device }, index) => [device, index]));
  const rows: number[] = [];
  if (outcome.kind === 'accepted')
    for (const row of outcome.rows) rows.push(places.get(row.device) ?? 0, row.seq, row.body);
  return ['accepted', outcome.kind === 'repeat', packDevices(outcome.devices), packIds(outcome.peers), rows];
}
