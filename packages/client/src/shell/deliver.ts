/**
 * From the outbox to the socket. Each function does what one effect of the core says: under the conversation's serial
 * queue it reads the group, encrypts, and stores outbox row and advanced group state in one commit. Only then does the
 * row count as sealed, and only a sealed row reaches the socket.
 */
import { wipe } from '@securechat/crypto';
import type { ContentDraft } from '@securechat/e2ee';
import { decodeContent, encodeContent, encryptContent, foundDirect, renewLeaf } from '@securechat/e2ee';
import type { AccountBundle } from '@securechat/crypto';
import type { AccountId, DeviceId, GroupId, MessageId } from '@securechat/wire';
import { control, encodeSubmit, idBytes, idOf, limits, SecureChatError } from '@securechat/wire';
import type { Effect } from '../core/effect.ts';
import { groupOf, nextFounding, sendingGroup, withState } from '../core/lineage.ts';
import type { Lineage } from '../core/lineage.ts';
import type { ContactRecord } from '../core/record-contact.ts';
import type { ConversationRecord } from '../core/record-conversation.ts';
import type { OutboxRecord, SealedRecord } from '../core/record-outbox.ts';
import { itemOf } from '../core/record-outbox.ts';
import { clientId, freshId } from './fresh-id.ts';
import type { LedgerChange } from './ledger-change.ts';
import type { OpenAccount } from './open-account.ts';
import { failureOf, linkOf } from './open-account.ts';
import { isHalted } from './people.ts';

type Of<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** Encrypts waiting items in the group, in order. Ends with `sealed`, `stale` or `seal-failed`. */
export async function encryptItems(account: OpenAccount, effect: Of<'encrypt'>): Promise<void> {
  const { user, group, orders } = effect;
  await guarded(account, user, orders, () =>
    account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const conversation = ledger.conversation(user);
      const facts = groupOf(conversation.lineage, group);
      const record = await ledger.group(group);
      if (facts?.state === 'live' && record === undefined) {
        // Its state is gone, or of an engine that is: the history stays, the conversation goes on in a new group.
        const lineage = withState(conversation.lineage, group, 'dead');
        await ledger.commit([
          { put: 'conversation', value: { ...conversation, lineage } },
          { drop: 'group', key: group },
        ]);
        return stale(account, user);
      }
      const over = facts === undefined || sendingGroup(conversation.lineage) !== facts || record === undefined;
      if (over || record.pending !== undefined || isHalted(ledger.contacts.get(user))) return stale(account, user);

      const me = await account.people.me();
      const dropped: number[] = [];
      const rows: OutboxRecord[] = [];
      const spent: Uint8Array[] = [];
      let { state } = record;
      let receipts: Owed = conversation;
      let { chainNumber } = effect;
      for (const order of orders) {
        const row = ledger.outbox.get(order);
        const draft = row === undefined ? undefined : takeReceipts(row, receipts);
        if (row === undefined || draft === undefined) {
          dropped.push(order);
          continue;
        }
        receipts = draft.left;
        const { content } = draft;
        const encrypted = encryptContent({ engine: mls, me, group, state, entropy, chainNumber, content });
        spent.push(...encrypted.wipe);
        ({ state } = encrypted);
        const sealed = { kind: 'message', group, epoch: facts.epoch, chainNumber } as const;
        rows.push({
          ...row,
          draft: encodeContent({ ...content, chainNumber: 1 }),
          sealed: { ...sealed, ...numbers(account), payload: encrypted.ciphertext },
        });
        chainNumber += 1;
      }
      const drops = dropped.filter((order) => ledger.outbox.has(order));
      const { delivered, read } = receipts;
      await ledger.commit([
        ...rows.map((value): LedgerChange => ({ put: 'outbox', value })),
        ...drops.map((key): LedgerChange => ({ drop: 'outbox', key })),
        { put: 'group', value: { ...record, state } },
        { put: 'conversation', value: { ...conversation, delivered, read } },
      ]);
      wipe(...spent);
      announce(account, user, rows, dropped);
      if (delivered.length + read.length > 0) account.receipts.owed(user);
    }),
  );
}

/** Looks the peer up, claims a key package per device, founds the next group with the first message in it. */
export async function foundGroup(account: OpenAccount, { user, order, holder, lookup }: Of<'found'>): Promise<void> {
  await guarded(account, user, 'all', async () => {
    const keys = await claimKeys(account, user, lookup);
    await account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const conversation = ledger.conversation(user);
      const row = ledger.outbox.get(order);
      const contact = ledger.contacts.get(user);
      const moved = contact?.accountJws !== keys.contact.accountJws || contact.listJws !== keys.contact.listJws;
      if (row === undefined) return stale(account, user, [order]);
      // While the keys were fetched an invitation may have come, or other keys.
      if (moved || isHalted(contact) || sendingGroup(conversation.lineage) !== undefined) return stale(account, user);

      const me = await account.people.me();
      const taken = takeReceipts(row, conversation) ?? { content: draftOf(row), left: conversation };
      const sequences = { ownSequence: me.person.account.sequence, peerSequence: keys.bundle.account.sequence };
      const { generation, predecessor } = nextFounding(conversation.lineage, { ...sequences, holder });
      const group = freshId<GroupId>(entropy);
      const founded = foundDirect({
        engine: mls,
        me,
        peer: keys.bundle,
        keyPackages: keys.packages,
        group,
        generation,
        predecessor,
        first: taken.content,
        nowMs: account.nowMs(),
        entropy,
      });
      if (founded.kind === 'refused') throw new SecureChatError('NO_KEYS');
      const { epoch, chainNumber } = founded;
      const payload = control.Founding.encode(founded.founding).finish();
      const sealed: SealedRecord = { kind: 'found', group, epoch, chainNumber, ...numbers(account), payload };
      const draft = encodeContent({ ...taken.content, chainNumber: 1 });
      const facts = { group, generation, ...sequences, epoch, chainAccepted: 0, state: 'founding' } as const;
      const { delivered, read } = taken.left;
      const value: ConversationRecord = {
        ...conversation,
        delivered,
        read,
        lineage: [...conversation.lineage, facts],
      };
      const ownKeysMs = account.nowMs();
      await ledger.commit([
        { put: 'outbox', value: { ...row, draft, sealed } },
        { put: 'group', value: { group, user, state: founded.state, pending: undefined, received: [], ownKeysMs } },
        { put: 'conversation', value },
      ]);
      wipe(...founded.wipe);
      announce(account, user, [{ ...row, draft, sealed }]);
    });
  });
}

interface ClaimedKeys {
  readonly contact: ContactRecord;
  readonly bundle: AccountBundle;
  readonly packages: readonly { readonly device: DeviceId; readonly keyPackage: Uint8Array }[];
}

/** A device is listed a moment before its key packages are there: whoever writes to new keys at once waits for them. */
const LATE_MS = [300, 1200] as const;

/** NO_SUCH_USER, NO_KEYS, BLOCKED, KEY_CHANGED, RATE_LIMITED … A list that is out of date is looked up once more. */
async function claimKeys(account: OpenAccount, user: string, lookup: boolean): Promise<ClaimedKeys> {
  const known = account.ledger.contacts.get(user);
  const current = known === undefined || lookup ? undefined : await currentBundle(account, known);
  const fresh = known === undefined || current === undefined;
  const contact = fresh ? await account.people.lookup(account, user) : known;
  if (isHalted(contact)) throw new SecureChatError('KEY_CHANGED');
  const bundle = current ?? (await account.people.bundle(contact));
  if (bundle.devices.length === 0) throw new SecureChatError('NO_KEYS');
  for (const waitMs of fresh ? [0, ...LATE_MS] : [0]) {
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const packages = await claimed(account, contact.account);
    const listed = bundle.devices.every(({ device }) => packages.some((one) => one.device === device));
    if (listed && packages.length === bundle.devices.length) return { contact, bundle, packages };
  }
  if (!fresh) return claimKeys(account, user, true);
  throw new SecureChatError('NO_KEYS');
}

async function currentBundle(account: OpenAccount, contact: ContactRecord): Promise<AccountBundle | undefined> {
  try {
    return await account.people.bundle(contact);
  } catch {
    // A certificate has expired: the server has a newer one, or nobody has.
    return undefined;
  }
}

async function claimed(account: OpenAccount, peer: AccountId): Promise<ClaimedKeys['packages']> {
  const answer = await linkOf(account).request('claimKeyPackages', { account: idBytes(peer) });
  if (answer.$case !== 'keyPackages') throw new SecureChatError('MALFORMED');
  return answer.value.packages.map(({ device, keyPackage }) => ({ device: idOf<DeviceId>(device), keyPackage }));
}

/** Renews this device's keys in the group: the commit is prepared and stored, and counts once the server accepted it. */
export async function prepareCommit(account: OpenAccount, { user, group, order }: Of<'commit'>): Promise<void> {
  await guarded(account, user, [order], () =>
    account.serial.run(user, async () => {
      const { ledger, mls, entropy } = account;
      const row = ledger.outbox.get(order);
      const facts = groupOf(ledger.conversation(user).lineage, group);
      const record = await ledger.group(group);
      const contact = ledger.contacts.get(user);
      if (row === undefined || facts?.state !== 'live' || record === undefined || contact === undefined) {
        if (row !== undefined) await ledger.commit([{ drop: 'outbox', key: order }]);
        return stale(account, user, [order]);
      }
      const me = await account.people.me();
      const people = [me.person, await account.people.bundle(contact)];
      const nowMs = account.nowMs();
      const renewal = renewLeaf({ engine: mls, me, group, state: record.state, nowMs, entropy, people });
      const payload = control.Commit.encode(renewal.commit).finish();
      const sealed: SealedRecord = {
        kind: 'commit',
        group,
        epoch: facts.epoch,
        chainNumber: 0,
        ...numbers(account),
        payload,
      };
      await ledger.commit([
        { put: 'outbox', value: { ...row, sealed } },
        { put: 'group', value: { ...record, state: renewal.state, pending: renewal.pending } },
      ]);
      wipe(...renewal.wipe);
      announce(account, user, [{ ...row, sealed }]);
    }),
  );
}

/** Refused, with nothing stored at the server: the same bytes under fresh submit numbers. */
export async function renumberItems(account: OpenAccount, { user, orders }: Of<'renumber'>): Promise<void> {
  await guarded(account, user, orders, () =>
    account.serial.run(user, async () => {
      const { ledger } = account;
      const rows = orders.flatMap((order): OutboxRecord[] => {
        const row = ledger.outbox.get(order);
        if (row?.sealed === undefined) return [];
        return [{ ...row, sealed: { ...row.sealed, submitNumber: ledger.next('submitNumber') } }];
      });
      await ledger.commit(rows.map((value): LedgerChange => ({ put: 'outbox', value })));
      announce(account, user, rows);
    }),
  );
}

/** Hands one sealed row to the socket. */
export function submitItem(account: OpenAccount, { order, lowestUnresolved }: Of<'submit'>): void {
  const row = account.ledger.outbox.get(order);
  const link = account.link();
  if (row?.sealed === undefined || link === undefined) return;
  link.submit(encodeSubmit({ ...row.sealed, onlineOnly: row.onlineOnly, lowestUnresolved }));
}

/** A group of ours that lost its slot. Nobody else ever saw it. */
export async function forgetGroup(account: OpenAccount, { user, group }: Of<'forget-group'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const conversation = ledger.conversation(user);
    const lineage = conversation.lineage.filter((facts) => facts.group !== group);
    await ledger.commit([
      { put: 'conversation', value: { ...conversation, lineage } },
      { drop: 'group', key: group },
      ...unsealedRows(account, group, 'found'),
    ]);
  });
}

/** No more writing in this group; what still arrives in it is read. */
export async function buryGroup(account: OpenAccount, { user, group }: Of<'bury-group'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const conversation = ledger.conversation(user);
    const lineage = withState(conversation.lineage, group, 'dead');
    await ledger.commit([{ put: 'conversation', value: { ...conversation, lineage } }]);
  });
}

/** Our commit lost: the winner's is read first. */
export async function dropCommit(account: OpenAccount, { user, group }: Of<'drop-commit'>): Promise<void> {
  await account.serial.run(user, async () => {
    const { ledger } = account;
    const record = await ledger.group(group);
    if (record?.pending === undefined) return;
    await ledger.commit([
      { put: 'group', value: { ...record, pending: undefined } },
      ...unsealedRows(account, group, 'commit'),
    ]);
    wipe(record.pending);
  });
}

/** A receipt or a commit that is not worth a new group. */
export async function dropItem(account: OpenAccount, { user, order }: Of<'drop'>): Promise<void> {
  await account.serial.run(user, async () => {
    if (account.ledger.outbox.has(order)) await account.ledger.commit([{ drop: 'outbox', key: order }]);
    stale(account, user, [order]);
  });
}

function unsealedRows(account: OpenAccount, group: GroupId, kind: SealedRecord['kind']): LedgerChange[] {
  return [...account.ledger.outbox.values()]
    .filter((row) => row.sealed?.group === group && row.sealed.kind === kind && row.acceptedMs === 0)
    .map((row) => ({ put: 'outbox', value: { ...row, sealed: undefined } }));
}

interface Owed {
  readonly delivered: readonly MessageId[];
  readonly read: readonly MessageId[];
}

/** The content of a row, with the receipts owed as far as they fit; undefined for a receipt with nothing to say. */
function takeReceipts(
  row: OutboxRecord,
  owed: Owed,
): { readonly content: ContentDraft; readonly left: Owed } | undefined {
  const content = draftOf(row);
  const room = limits.idsPerContentMax.value;
  const delivered = [...content.delivered, ...owed.delivered.slice(0, room - content.delivered.length)];
  const left = { delivered: owed.delivered.slice(room - content.delivered.length), read: owed.read };
  if (content.body.kind !== 'receipt') return { content: { ...content, delivered }, left };
  const read = [...content.body.read, ...owed.read.slice(0, room - content.body.read.length)];
  if (delivered.length === 0 && read.length === 0) return undefined;
  return {
    content: { ...content, delivered, body: { kind: 'receipt', read } },
    left: { ...left, read: owed.read.slice(room - content.body.read.length) },
  };
}

function draftOf(row: OutboxRecord): ContentDraft {
  const { chainNumber: _, ...draft } = decodeContent(row.draft);
  return draft;
}

function numbers(account: OpenAccount): Pick<SealedRecord, 'id' | 'submitNumber'> {
  const id = clientId(account.ledger.next('clientCounter'), account.entropy);
  return { id, submitNumber: account.ledger.next('submitNumber') };
}

function announce(
  account: OpenAccount,
  user: string,
  rows: readonly OutboxRecord[],
  dropped: readonly number[] = [],
): void {
  const sealed = rows.flatMap((row) => {
    const item = itemOf(row);
    return item.sealed === undefined ? [] : [{ order: row.order, sealed: item.sealed }];
  });
  account.dispatch({ kind: 'sealed', user, sealed, lineage: lineageOf(account, user), dropped });
}

function stale(account: OpenAccount, user: string, dropped: readonly number[] = []): void {
  account.dispatch({ kind: 'stale', user, lineage: lineageOf(account, user), dropped });
}

function lineageOf(account: OpenAccount, user: string): Lineage {
  return account.ledger.conversation(user).lineage;
}

/** Whatever goes wrong becomes one answer to the core, which would wait for ever otherwise. */
async function guarded(
  account: OpenAccount,
  user: string,
  orders: readonly number[] | 'all',
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { code, detail } = failureOf(cause);
    account.dispatch({ kind: 'seal-failed', user, orders, code, detail });
  }
}
