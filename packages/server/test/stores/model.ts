/**
 * The store in memory, as simple as it can be said: maps, copied whole before each call so that nothing has to be undone.
 * The rules come from core (they have their own tests); loading, applying, numbering and bouncing are written again.
 */
import { createHash } from 'node:crypto';
import type { AccountId, Code, DeviceId, GroupId, Limits, MailboxSeq, RowKind } from '@securechat/wire';
import { codes, control, idBytes } from '@securechat/wire';
import { afterAccepted, afterRefusal } from '../../src/core/chain.ts';
import type { RefusedChain } from '../../src/core/chain.ts';
import type { StoredAt } from '../../src/core/submit-facts.ts';
import { decideSubmit } from '../../src/core/mailbox.ts';
import type {
  AppendedRow,
  AttachedDevice,
  DeviceChange,
  FoundingFacts,
  KeyPackageTaken,
  MailboxRow,
  Maintained,
  RecordSpace,
  RecordWrite,
  Store,
  StoredRecord,
  Submission,
  SubmitResult,
} from '../../src/stores/port.ts';

interface ModelRow extends MailboxRow {
  readonly from: DeviceId | undefined;
  readonly client: string;
}

interface ModelDevice {
  readonly id: DeviceId;
  readonly account: AccountId;
  ended: boolean;
  generation: number;
  next: number;
  rows: ModelRow[];
  submitHighest: number;
  forgottenBelow: number;
  readonly known: Map<string, { hash: Uint8Array; submitNumber: number; devices: readonly StoredAt[] }>;
  oneTime: Uint8Array[];
  readonly seen: Set<string>;
  lastResort: Uint8Array | undefined;
}

interface ModelGroup {
  readonly id: GroupId;
  readonly slot: string;
  readonly generation: number;
  epoch: number;
  readonly accounts: readonly [AccountId, AccountId];
  readonly changes: readonly [number, number];
  readonly devices: readonly DeviceId[];
}

export class ModelStore implements Store {
  readonly #limits: Limits;
  readonly #now: () => number;
  #devices = new Map<DeviceId, ModelDevice>();
  #persons = new Map<AccountId, { sequence: number; change: number }>();
  #groups = new Map<GroupId, ModelGroup>();
  #slots = new Map<string, GroupId>();
  #blocks = new Map<AccountId, Map<AccountId, boolean>>();
  #wrote = new Set<string>();
  #records = new Map<string, { version: number; value: Uint8Array; expiresMs: number | undefined }>();
  #attached = new Map<DeviceId, { generation: number; refused: Map<GroupId, RefusedChain> }>();

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Nobody is attached any more; everything else stays. */
  restart(): void {
    this.#attached.clear();
  }

  async submit(submission: Submission): Promise<SubmitResult> {
    const { submit, founding, commit } = submission;
    const own = submission.sender.account;
    const sender = this.#devices.get(submission.sender.device);
    const group = this.#groups.get(submit.group);
    const newest = group && this.#groups.get(this.#slots.get(group.slot) ?? group.id);
    const peer = founding?.peer ?? (group && (group.accounts[0] === own ? group.accounts[1] : group.accounts[0]));
    const known = sender?.known.get(submit.id);
    const attachment = this.#attached.get(submission.sender.device);
    const hash = createHash('sha256')
      .update(JSON.stringify([submit.kind, submit.group, submit.epoch, submit.chainNumber]))
      .update(submit.payload)
      .digest();
    const holder = founding && this.#groups.get(this.#slots.get(hex(founding.slot)) ?? ('' as GroupId));
    const members = (submit.kind === 'found' ? founding?.devices : group?.devices) ?? [];
    const quiet = peer && this.#blocks.get(peer)?.get(own);
    const outcome = decideSubmit(
      submission,
      {
        hash,
        sender: sender && { ...sender, submitNumberHighest: sender.submitHighest },
        known: known && { ...known, peers: this.#accountsOf(known.devices, own) },
        refused: attachment?.refused.get(submit.group),
        group: group && {
          epoch: group.epoch,
          successor: newest === group ? undefined : newest && { ...newest, group: newest.id },
          members: group.devices,
          peers: peer ? [peer] : [],
          devicesCurrent: group.accounts.every(
            (account, at) => this.#persons.get(account)?.change === group.changes[at],
          ),
        },
        founding: founding && {
          slot: holder && { ...holder, group: holder.id },
          own: this.#personFacts(own),
          peer: this.#personFacts(founding.peer),
        },
        mailboxes: members
          .filter((id) => id !== submission.sender.device)
          .flatMap((id) => this.#devices.get(id) ?? [])
          .map((device) => ({
            device: device.id,
            account: device.account,
            next: device.next,
            rows: device.rows.length,
            bytes: bytesOf(device),
            attached: this.#attached.has(device.id),
            resyncWaits: device.rows.some((row) => row.kind === 'resync' && row.group === submit.group),
          })),
        block: quiet === undefined ? 'none' : quiet ? 'quiet' : 'blocked',
      },
      this.#limits,
    );
    const fenced =
      outcome.kind === 'refused' && (outcome.code === 'DEVICE_REVOKED' || outcome.code === 'SESSION_REPLACED');
    if (attachment !== undefined && !fenced && (group !== undefined || submit.kind === 'found')) {
      const before = attachment.refused.get(submit.group);
      const after =
        outcome.kind === 'refused'
          ? afterRefusal(before, submit.chainNumber)
          : afterAccepted(before, submit.chainNumber);
      if (after === undefined) attachment.refused.delete(submit.group);
      else attachment.refused.set(submit.group, after);
    }
    if (outcome.kind === 'refused') return outcome;
    if (outcome.kind === 'repeat') return { ...outcome, kind: 'accepted', repeat: true, rows: [] };
    if (sender === undefined) throw new Error('accepted without a sender');

    const rows = outcome.rows.map(({ device: id, seq, body: index }) => {
      const body = outcome.bodies[index];
      if (body === undefined) throw new Error('no body');
      return this.#append(id, body.kind, submit.group, body.payload, submission.nowMs, sender.id, submit.id, seq);
    });
    sender.known.set(submit.id, { hash, submitNumber: submit.submitNumber, devices: outcome.devices });
    sender.submitHighest = submit.submitNumber;
    sender.forgottenBelow = outcome.forgottenBelow;
    if (commit && group) group.epoch = outcome.epoch;
    if (submit.kind === 'found' && founding) this.#found(submission, founding, outcome.epoch);
    if (outcome.wrote && peer) this.#wrote.add(`${own} ${peer}`);
    return {
      kind: 'accepted',
      repeat: false,
      devices: outcome.devices,
      peers: outcome.peers,
      rows,
    };
  }

  #found(submission: Submission, founding: FoundingFacts, epoch: number): void {
    const own = submission.sender.account;
    const group: ModelGroup = {
      id: submission.submit.group,
      slot: hex(founding.slot),
      generation: founding.generation,
      epoch,
      accounts: [own, founding.peer],
      changes: [this.#persons.get(own)?.change ?? 0, this.#persons.get(founding.peer)?.change ?? 0],
      devices: founding.devices,
    };
    this.#groups.set(group.id, group);
    this.#slots.set(group.slot, group.id);
    for (const each of this.#groups.values())
      if (each.slot === group.slot && each.generation < group.generation - 8) this.#groups.delete(each.id);
  }

  async fetch(device: DeviceId, after: number, rowsMax: number, bytesMax: number): Promise<MailboxRow[]> {
    const rows: MailboxRow[] = [];
    let bytes = 0;
    for (const { seq, kind, group, storedAtMs, payload } of this.#live(device)?.rows ?? []) {
      if (seq <= after || rows.length >= rowsMax) continue;
      bytes += payload.length;
      if (rows.length > 0 && bytes > bytesMax) break;
      rows.push({ seq, kind, group, storedAtMs, payload });
    }
    return rows;
  }

  async ack(id: DeviceId, generation: number, upTo: number): Promise<void> {
    const device = this.#live(id);
    if (device?.generation === generation) device.rows = device.rows.filter((row) => row.seq > upTo);
  }

  /** The model has no history of its own: any that is named is another one. */
  async attach(
    id: DeviceId,
    storedUpTo: number,
    _nowMs: number,
    history?: number,
  ): Promise<AttachedDevice | undefined> {
    const device = this.#live(id);
    if (device === undefined) return undefined;
    if (storedUpTo >= device.next || history !== undefined) {
      device.next = storedUpTo + 1;
      device.rows = device.rows.map((row) => ({ ...row, seq: device.next++ as MailboxSeq }));
    } else device.rows = device.rows.filter((row) => row.seq > storedUpTo);
    device.generation += 1;
    this.#attached.set(id, { generation: device.generation, refused: new Map() });
    return {
      generation: device.generation,
      mailboxNext: device.next as MailboxSeq,
      submitNumberHighest: device.submitHighest,
    };
  }

  async detach(device: DeviceId, generation: number): Promise<void> {
    if (this.#attached.get(device)?.generation === generation) this.#attached.delete(device);
  }

  async putKeyPackages(
    id: DeviceId,
    oneTime: readonly Uint8Array[],
    lastResort: Uint8Array | undefined,
    withdraw = false,
  ): Promise<number> {
    const device = this.#live(id);
    if (device === undefined) return 0;
    if (withdraw) {
      device.oneTime = [];
      device.lastResort = undefined;
    }
    for (const one of oneTime) {
      if (device.oneTime.length >= this.#limits.keyPackagesStoredMax) break;
      if (device.seen.has(hex(one))) continue;
      device.seen.add(hex(one));
      device.oneTime.push(one);
    }
    device.lastResort = lastResort ?? device.lastResort;
    return device.oneTime.length;
  }

  async takeKeyPackages(ids: readonly DeviceId[]): Promise<ReadonlyMap<DeviceId, KeyPackageTaken>> {
    const taken = new Map<DeviceId, KeyPackageTaken>();
    for (const id of new Set(ids)) {
      const device = this.#live(id);
      const keyPackage = device?.oneTime.shift();
      if (device && keyPackage) taken.set(id, { keyPackage, lastResort: false, left: device.oneTime.length });
      else if (device?.lastResort) taken.set(id, { keyPackage: device.lastResort, lastResort: true, left: 0 });
    }
    return taken;
  }

  async keyPackageStock(id: DeviceId): Promise<{ oneTime: number; lastResort: boolean }> {
    const device = this.#live(id);
    return { oneTime: device?.oneTime.length ?? 0, lastResort: device?.lastResort !== undefined };
  }

  async get(space: RecordSpace, keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    const found = new Map<string, StoredRecord>();
    for (const key of keys) {
      const record = this.#record(space, key);
      if (record) found.set(key, { key, version: record.version, value: record.value });
    }
    return found;
  }

  async put(writes: readonly RecordWrite[], change?: DeviceChange): Promise<{ ok: boolean; rows: AppendedRow[] }> {
    const allowed =
      writes.every(
        ({ space, key, ifVersion }) => ifVersion === 'any' || (this.#record(space, key)?.version ?? 0) === ifVersion,
      ) &&
      (change === undefined ||
        (change.add.every((id) => !this.#devices.has(id)) &&
          new Set(change.add).size === change.add.length &&
          change.remove.every((id) => this.#devices.get(id)?.account === change.account)));
    if (!allowed) return { ok: false, rows: [] };
    for (const { space, key, value, expiresMs } of writes) {
      const version = (this.#record(space, key)?.version ?? 0) + 1;
      if (value === null) this.#records.delete(`${space} ${key}`);
      else this.#records.set(`${space} ${key}`, { version, value, expiresMs });
    }
    return { ok: true, rows: change ? this.#change(change) : [] };
  }

  #change(change: DeviceChange): AppendedRow[] {
    const current = [...this.#devices.values()].filter((each) => each.account === change.account && !each.ended);
    const staying = current.some((each) => !change.remove.includes(each.id));
    for (const id of change.add) this.#devices.set(id, newDevice(id, change.account));
    const heirs = this.#liveOf(change.account).filter((each) => !change.remove.includes(each.id));
    const rows = current
      .filter((each) => change.remove.includes(each.id))
      .flatMap((each) => {
        const waiting = each.rows.filter(({ kind }) => kind === 'bounce');
        return [
          ...waiting.flatMap(({ group, payload }) => this.#bounceTo(heirs, group, payload, this.#now())),
          ...this.#end(each, staying ? undefined : change.cause, this.#now()),
        ];
      });
    const before = this.#persons.get(change.account)?.change ?? 0;
    this.#persons.set(change.account, { sequence: change.sequence, change: before + 1 });
    return rows;
  }

  async list(space: RecordSpace, prefix: string, after: string, limit: number): Promise<StoredRecord[]> {
    return [...this.#records.keys()]
      .filter((place) => place.startsWith(`${space} ${prefix}`) && place > `${space} ${after}`)
      .sort()
      .map((place) => place.slice(space.length + 1))
      .flatMap((key) => {
        const record = this.#record(space, key);
        return record ? [{ key, version: record.version, value: record.value }] : [];
      })
      .slice(0, limit);
  }

  async block(owner: AccountId, other: AccountId, blocked: boolean, quiet: boolean): Promise<boolean> {
    const own = this.#blocks.get(owner) ?? new Map<AccountId, boolean>();
    this.#blocks.set(owner, own);
    if (!blocked) own.delete(other);
    else if (own.size >= this.#limits.blocksMax && !own.has(other)) return false;
    else own.set(other, quiet);
    return true;
  }

  async blocks(owner: AccountId): Promise<{ account: AccountId; quiet: boolean }[]> {
    const own = [...(this.#blocks.get(owner) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return own.map(([account, quiet]) => ({ account, quiet }));
  }

  async contacts(account: AccountId): Promise<AccountId[]> {
    return [...this.#wrote]
      .map((pair) => pair.split(' ') as [AccountId, AccountId])
      .filter(([from, to]) => from === account && this.#wrote.has(`${to} ${from}`))
      .map(([, to]) => to)
      .sort();
  }

  async deleteAccount(account: AccountId, nowMs: number): Promise<AppendedRow[]> {
    const own = [...this.#devices.values()].filter((each) => each.account === account);
    const rows = own.filter((each) => !each.ended).flatMap((each) => this.#end(each, 'NO_SUCH_USER', nowMs));
    for (const each of own) this.#devices.delete(each.id);
    this.#persons.delete(account);
    for (const group of this.#groups.values())
      if (group.accounts.includes(account)) {
        this.#groups.delete(group.id);
        this.#slots.delete(group.slot);
      }
    this.#blocks.delete(account);
    for (const blocks of this.#blocks.values()) blocks.delete(account);
    for (const pair of this.#wrote) if (pair.split(' ').includes(account)) this.#wrote.delete(pair);
    for (const place of this.#records.keys())
      if ([`account ${account}`, `vault ${account}`].includes(place) || place.startsWith(`counter ${account}`))
        this.#records.delete(place);
    return rows;
  }

  async maintain(nowMs: number): Promise<Maintained> {
    for (const [place, { expiresMs }] of this.#records)
      if (expiresMs !== undefined && expiresMs <= nowMs) this.#records.delete(place);
    return { more: false, rows: [] };
  }

  async close(): Promise<void> {}

  #live(id: DeviceId): ModelDevice | undefined {
    const device = this.#devices.get(id);
    return device?.ended ? undefined : device;
  }

  #record(space: RecordSpace, key: string) {
    const record = this.#records.get(`${space} ${key}`);
    return record?.expiresMs !== undefined && record.expiresMs <= this.#now() ? undefined : record;
  }

  #personFacts(account: AccountId) {
    const person = this.#persons.get(account);
    const devices = [...this.#devices.values()].filter((each) => each.account === account && !each.ended);
    return person && { sequence: person.sequence, devices: devices.map((each) => each.id) };
  }

  #accountsOf(devices: readonly StoredAt[], own: AccountId): AccountId[] {
    const accounts = devices.flatMap(({ device }) => this.#devices.get(device)?.account ?? []);
    return [...new Set(accounts)].filter((account) => account !== own);
  }

  #append(
    id: DeviceId,
    kind: RowKind,
    group: GroupId,
    payload: Uint8Array,
    storedAtMs: number,
    from: DeviceId | undefined,
    client: string,
    seq?: MailboxSeq,
  ): AppendedRow {
    const device = this.#devices.get(id);
    if (device === undefined || (seq !== undefined && seq !== device.next)) throw new Error('numbering');
    const row = { seq: device.next as MailboxSeq, kind, group, storedAtMs, payload };
    device.rows.push({ ...row, from, client });
    device.next += 1;
    return { device: id, ...row };
  }

  #bounceTo(to: readonly ModelDevice[], group: GroupId, payload: Uint8Array, nowMs: number): AppendedRow[] {
    return to.map(({ id }) => this.#append(id, 'bounce', group, payload, nowMs, undefined, ''));
  }

  #liveOf(account: AccountId): ModelDevice[] {
    return [...this.#devices.values()].filter((each) => each.account === account && !each.ended);
  }

  #end(device: ModelDevice, cause: Code | undefined, nowMs: number): AppendedRow[] {
    const told = new Set<string>();
    const rows: AppendedRow[] = [];
    for (const row of cause === undefined ? [] : device.rows) {
      const sender = row.from && this.#devices.get(row.from);
      const key = `${row.from} ${row.client}`;
      if (!sender || sender.account === device.account || told.has(key)) continue;
      if (row.kind !== 'message' && row.kind !== 'invitation') continue;
      told.add(key);
      const bounce = { id: idBytes(row.client as DeviceId), code: codes[cause ?? 'INTERNAL'].number };
      const payload = control.Bounce.encode(bounce).finish();
      const to = sender.ended ? this.#liveOf(sender.account) : [sender];
      rows.push(...this.#bounceTo(to, row.group, payload, nowMs));
    }
    Object.assign(device, { rows: [], oneTime: [], lastResort: undefined, ended: true });
    device.known.clear();
    device.seen.clear();
    this.#attached.delete(device.id);
    return rows;
  }
}

function newDevice(id: DeviceId, account: AccountId): ModelDevice {
  return {
    id,
    account,
    ended: false,
    generation: 0,
    next: 1,
    rows: [],
    submitHighest: 0,
    forgottenBelow: 0,
    known: new Map(),
    oneTime: [],
    seen: new Set(),
    lastResort: undefined,
  };
}

function bytesOf(device: ModelDevice): number {
  return device.rows.reduce((sum, row) => sum + row.payload.length, 0);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
