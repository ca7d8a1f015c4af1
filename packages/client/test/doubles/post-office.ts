/**
 * The server as the Link port shows it, in memory: look-ups, key packages, submit and mailboxes by the rules of
 * docs/protocol/delivery.md, and whatever mishap a test wants. The real server is met in the tests of the terminal.
 */
import type { AccountBundle } from '@securechat/crypto';
import type {
  Accepted,
  AccountId,
  ClientId,
  Deliver,
  DeviceId,
  GroupId,
  MailboxSeq,
  RowKind,
  Submit,
} from '@securechat/wire';
import { concatBytes, control, decodeSubmit, idBytes, idOf, SecureChatError, toBase64url } from '@securechat/wire';
import type { Link, LinkEvents } from '../../src/shell/link/link-port.ts';

type Body = NonNullable<control.Response['body']>;

interface Group {
  readonly slot: string;
  readonly generation: number;
  readonly devices: readonly DeviceId[];
  epoch: number;
}
interface Device {
  readonly account: AccountId;
  next: number;
  readonly rows: Deliver[];
  readonly answers: Map<ClientId, Accepted>;
  submitHighest: number;
  readonly keyPackages: Uint8Array[];
  lastResort: Uint8Array | undefined;
  link: OfficeLink | undefined;
}

/** What befalls a submit: `lost`: the connection breaks before it arrives; `unanswered`: after it was stored. */
export type Mishap = 'none' | 'lost' | 'unanswered' | SecureChatError;

export class PostOffice {
  readonly people = new Map<AccountId, AccountBundle>();
  readonly devices = new Map<DeviceId, Device>();
  readonly groups = new Map<GroupId, Group>();
  readonly slots = new Map<string, GroupId>();
  readonly blobs = new Map<string, Uint8Array>();
  readonly submitted: (Submit & { readonly from: DeviceId })[] = [];
  mishap: (submit: Submit) => Mishap = () => 'none';
  /** What goes into the mailboxes, in the hands of a test. */
  tamper: (row: Deliver) => readonly Deliver[] = (row) => [row];
  requests: string[] = [];

  join(person: AccountBundle): void {
    this.people.set(person.account.account, person);
    for (const { device } of person.devices)
      if (!this.devices.has(device)) {
        this.devices.set(device, {
          account: person.account.account,
          next: 1,
          rows: [],
          answers: new Map(),
          submitHighest: 0,
          keyPackages: [],
          lastResort: undefined,
          link: undefined,
        });
      }
  }

  /** The same people and key packages, before anybody wrote. */
  copy(): PostOffice {
    const office = new PostOffice();
    for (const person of this.people.values()) office.join(person);
    for (const [id, device] of this.devices) {
      const fresh = office.#device(id);
      fresh.keyPackages.push(...device.keyPackages);
      fresh.lastResort = device.lastResort;
    }
    return office;
  }

  /** A connection of this device; refused while `closedFor` says so. */
  open(device: DeviceId, events: LinkEvents): Link {
    return new OfficeLink(this, device, events);
  }

  cut(device: DeviceId): void {
    this.devices.get(device)?.link?.drop('CONNECTION_LOST');
  }

  submit(device: DeviceId, link: OfficeLink, submit: Submit): void {
    this.submitted.push({ ...submit, from: device });
    const mishap = this.mishap(submit);
    if (mishap === 'lost') return link.drop('CONNECTION_LOST');
    const answer = mishap instanceof SecureChatError ? mishap : this.#decide(device, link, submit);
    if (mishap === 'unanswered') return link.drop('CONNECTION_LOST');
    if (answer instanceof SecureChatError) link.tell((events) => events.onRefused(submit.id, answer));
    else link.tell((events) => events.onAccepted(answer));
    if (answer instanceof SecureChatError) link.refusedAt(submit);
  }

  #decide(device: DeviceId, link: OfficeLink, submit: Submit): Accepted | SecureChatError {
    const sender = this.#device(device);
    const repeat = sender.answers.get(submit.id);
    if (repeat !== undefined) {
      link.accepted(submit);
      return repeat;
    }
    if (submit.submitNumber <= sender.submitHighest) return new SecureChatError('STATE_ROLLED_BACK');
    if (link.predecessorRefused(submit)) return new SecureChatError('PREDECESSOR_REFUSED');
    const refusal = submit.kind === 'found' ? this.#found(device, submit) : this.#inGroup(device, submit);
    if (refusal !== undefined) return refusal;
    sender.submitHighest = submit.submitNumber;
    const others = this.groups.get(submit.group)?.devices.filter((one) => one !== device) ?? [];
    const accepted: Accepted = {
      id: submit.id,
      presence: others.some((one) => this.devices.get(one)?.link !== undefined) ? 'online' : 'offline',
      devices: others.map((one) => ({ device: one, state: 'stored' })),
    };
    sender.answers.set(submit.id, accepted);
    link.accepted(submit);
    this.#append(submit, others);
    return accepted;
  }

  #found(device: DeviceId, submit: Submit): SecureChatError | undefined {
    const founding = control.Founding.decode(submit.payload);
    const peer = this.people.get(idOf<AccountId>(founding.peerAccount));
    const own = this.people.get(this.#device(device).account);
    if (peer === undefined || own === undefined) return new SecureChatError('NO_SUCH_USER');
    const current = [...own.devices, ...peer.devices].map((one) => one.device).sort();
    const named = founding.devices.map((one) => idOf<DeviceId>(one)).sort();
    const sequences = founding.peerSequence === peer.account.sequence && founding.ownSequence === own.account.sequence;
    if (!sequences || current.join() !== named.join()) return new SecureChatError('DEVICES_CHANGED');
    const slot = [own, peer]
      .map(({ account }) => `${account.account}/${account.sequence}`)
      .sort()
      .join();
    const holder = this.slots.get(slot);
    const before = holder === undefined ? undefined : this.groups.get(holder);
    if ((before?.generation ?? 0) + 1 !== founding.generation)
      return new SecureChatError('SLOT_TAKEN', {
        ...(holder !== undefined && { group: idBytes(holder) }),
        ...(before !== undefined && { generation: before.generation, devices: before.devices.map(idBytes) }),
      });
    const devices = founding.devices.map((one) => idOf<DeviceId>(one));
    this.groups.set(submit.group, { slot, generation: founding.generation, devices, epoch: 1 });
    this.slots.set(slot, submit.group);
    return undefined;
  }

  #inGroup(device: DeviceId, submit: Submit): SecureChatError | undefined {
    const group = this.groups.get(submit.group);
    if (group === undefined) return new SecureChatError('NO_SUCH_GROUP');
    const newest = this.slots.get(group.slot);
    if (newest !== submit.group && newest !== undefined)
      return new SecureChatError('GROUP_SUPERSEDED', {
        group: idBytes(newest),
        generation: this.groups.get(newest)?.generation ?? 0,
      });
    if (!group.devices.includes(device)) return new SecureChatError('NOT_A_MEMBER');
    if (submit.epoch !== group.epoch) return new SecureChatError('EPOCH_STALE', { epoch: group.epoch });
    if (submit.kind === 'commit') group.epoch += 1;
    return undefined;
  }

  #append(submit: Submit, devices: readonly DeviceId[]): void {
    for (const device of devices) {
      const { payload } = submit;
      if (submit.kind !== 'found') {
        const body = submit.kind === 'commit' ? control.Commit.decode(payload).commit : payload;
        this.#row(device, submit.kind, submit.group, body);
        continue;
      }
      const founding = control.Founding.decode(payload);
      this.#row(device, 'invitation', submit.group, founding.invitation);
      if (founding.firstMessage.length > 0) this.#row(device, 'message', submit.group, founding.firstMessage);
    }
  }

  #row(id: DeviceId, kind: RowKind, group: GroupId, payload: Uint8Array): void {
    const device = this.#device(id);
    const made: Deliver = { seq: 0 as MailboxSeq, kind, group, storedAtMs: 0, payload: payload.slice() };
    for (const row of this.tamper(made)) this.put(device, row);
  }

  put(device: Device, made: Deliver): void {
    const row = { ...made, seq: device.next as MailboxSeq };
    device.next += 1;
    device.rows.push(row);
    device.link?.tell((events) => events.onDeliver({ ...row, payload: row.payload.slice() }));
  }

  #device(id: DeviceId): Device {
    const device = this.devices.get(id);
    if (device === undefined) throw new SecureChatError('DEVICE_REVOKED');
    return device;
  }

  answer(id: DeviceId, kind: string, value: unknown): Body | SecureChatError {
    this.requests.push(kind);
    switch (kind) {
      case 'lookup': {
        const { who } = value as control.Lookup;
        const person = [...this.people.values()].find(({ account }) =>
          who?.$case === 'account' ? toBase64url(who.value) === account.account : who?.value === account.username,
        );
        return person === undefined ? new SecureChatError('NO_SUCH_USER') : { $case: 'lookup', value: shown(person) };
      }
      case 'claimKeyPackages': {
        const account = idOf<AccountId>((value as control.ClaimKeyPackages).account);
        const packages = [...this.devices].flatMap(([device, one]) => {
          const listed = this.people.get(account)?.devices.some((known) => known.device === device) === true;
          const taken = listed && one.account === account ? (one.keyPackages.shift() ?? one.lastResort) : undefined;
          if (taken === undefined) return [];
          return [{ device: idBytes(device), keyPackage: taken, lastResort: taken === one.lastResort }];
        });
        return packages.length === 0 ? new SecureChatError('NO_KEYS') : { $case: 'keyPackages', value: { packages } };
      }
      case 'putKeyPackages': {
        const put = value as control.PutKeyPackages;
        const device = this.#device(id);
        if (put.withdraw === true) device.keyPackages.splice(0);
        device.keyPackages.push(...put.oneTime);
        if (put.lastResort.length > 0) device.lastResort = put.lastResort;
        return { $case: 'stock', value: { left: device.keyPackages.length } };
      }
      case 'blobCreate':
      case 'blobPut': {
        const { blob, offset, part } = value as control.BlobPut;
        const name = toBase64url(blob);
        const have = this.blobs.get(name) ?? new Uint8Array(0);
        const bytes = kind === 'blobPut' && offset === have.length ? concatBytes(have, part) : have;
        this.blobs.set(name, bytes);
        return { $case: 'blob', value: { have: bytes.length, size: 0, finished: false } };
      }
      case 'blobGet': {
        const { blob, offset, length } = value as control.BlobGet;
        const bytes = this.blobs.get(toBase64url(blob)) ?? new Uint8Array(0);
        return { $case: 'blobPart', value: { part: bytes.slice(offset, offset + length) } };
      }
      case 'listBlocks':
        return { $case: 'blocks', value: { accounts: [] } };
      default:
        return { $case: 'done', value: {} };
    }
  }
}

export class OfficeLink implements Link {
  readonly serverFingerprint = '' as Link['serverFingerprint'];
  readonly sealingSequence = 1;
  readonly resumed = false;
  readonly #office: PostOffice;
  readonly #device: DeviceId;
  readonly #events: LinkEvents;
  readonly #refused = new Map<GroupId, number>();
  #open = true;

  constructor(office: PostOffice, device: DeviceId, events: LinkEvents) {
    this.#office = office;
    this.#device = device;
    this.#events = events;
  }

  /** In a later turn, as a socket would. */
  tell(what: (events: LinkEvents) => void): void {
    setImmediate(() => {
      if (this.#open) what(this.#events);
    });
  }
  drop(code: 'CONNECTION_LOST'): void {
    if (!this.#open) return;
    this.#open = false;
    const device = this.#office.devices.get(this.#device);
    if (device?.link === this) device.link = undefined;
    setImmediate(() => this.#events.onClosed(code));
  }
  refusedAt({ group, chainNumber }: Submit): void {
    if (chainNumber > 0) this.#refused.set(group, Math.min(chainNumber, this.#refused.get(group) ?? chainNumber));
  }
  predecessorRefused({ group, chainNumber }: Submit): boolean {
    const first = this.#refused.get(group);
    return first !== undefined && chainNumber > first;
  }
  accepted({ group, chainNumber }: Submit): void {
    if (this.#refused.get(group) === chainNumber) this.#refused.delete(group);
  }

  async request(kind: string, value: unknown): Promise<Body> {
    await new Promise((resolve) => setImmediate(resolve));
    if (!this.#open) throw new SecureChatError('CONNECTION_LOST');
    const answer = this.#office.answer(this.#device, kind, value);
    if (answer instanceof SecureChatError) throw answer;
    return answer;
  }
  register(): never {
    throw new Error('registration is met in the tests of the terminal');
  }
  login(): never {
    throw new Error('login is met in the tests of the terminal');
  }
  async attach(options: Parameters<Link['attach']>[0]): Promise<control.Attached> {
    const device = this.#office.devices.get(this.#device);
    if (device === undefined || !this.#open) throw new SecureChatError('CONNECTION_LOST');
    device.link?.drop('CONNECTION_LOST');
    device.link = this;
    this.#ack(options.storedUpTo);
    for (const row of device.rows) this.tell((events) => events.onDeliver({ ...row, payload: row.payload.slice() }));
    return {
      generation: 1,
      mailboxNext: device.next,
      submitNumberHighest: device.submitHighest,
      creditRows: 64,
      creditBytes: 2 ** 20,
      resumptionHandle: new Uint8Array(0),
      resumptionSecret: new Uint8Array(0),
      resumptionExpiresMs: 0,
      keyPackagesLeft: device.keyPackages.length,
      lastResortStored: device.lastResort !== undefined,
      listVersion: this.#office.people.get(device.account)?.list.version ?? 1,
      serverTimeMs: 0,
      registration: 'invite',
      offlineDelivery: 'on',
      fileBytesMax: 2 ** 20,
      vaultVersion: 1,
    };
  }
  submit(body: Uint8Array): void {
    const submit = decodeSubmit(body.slice());
    setImmediate(() => {
      if (this.#open) this.#office.submit(this.#device, this, submit);
    });
  }
  ack(upTo: MailboxSeq): void {
    this.#ack(upTo);
  }
  close(): void {
    this.drop('CONNECTION_LOST');
  }

  #ack(upTo: number): void {
    const rows = this.#office.devices.get(this.#device)?.rows;
    while (rows?.[0] !== undefined && rows[0].seq <= upTo) rows.shift();
  }
}

function shown(person: AccountBundle): control.Account {
  return {
    account: idBytes(person.account.account),
    accountJws: person.account.jws,
    listJws: person.list.jws,
    deviceJws: person.devices.map(({ jws }) => jws),
  };
}
