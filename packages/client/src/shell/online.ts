/** What an attach brings: numbers compared with ours, then the chores that wait for a connection. */
import { importRsaPrivate, openerOf, openSealed } from '@securechat/crypto';
import type { AccountId, control } from '@securechat/wire';
import { idOf, SecureChatError } from '@securechat/wire';
import { forgettable } from '../core/forgettable.ts';
import { isRenewal, publishRenewal } from './account/renew-device.ts';
import { publishDevice } from './account/recover-device.ts';
import type { LedgerChange } from './ledger/ledger-change.ts';
import { countFresh, replenish } from './people/key-packages.ts';
import type { Link } from './link/link-port.ts';
import type { OpenAccount } from './open-account.ts';
import { linkOf } from './open-account.ts';
import { renewLeaves } from './people/renewal.ts';
import { giveUp } from './send/settle.ts';

/** Far above any mailbox or outbox, far below where numbers lose precision. */
const NUMBER_MAX = 2 ** 48;
/** Groups that are over and still read, per conversation: what was sent in them has arrived or bounced long before. */
const DEAD_GROUPS_KEPT = 4;

export interface AttachedOver {
  readonly answer: control.Attached;
  /** The server knew later submits than this profile: it is an old copy of itself. */
  readonly rolledBack: boolean;
}

/** Attaches, and stores what the server's numbers say about ours before anything is sent under them. */
export async function attachOver(account: OpenAccount, link: Link): Promise<AttachedOver> {
  const { ledger, entropy } = account;
  const { account: id, device, signing, sealing } = ledger.account;
  const answer = await link.attach({
    account: id,
    device,
    signingSeed: signing,
    // Not for a resumed session: it has no sealed secret.
    openSealed: (sealed, context) => {
      const openers = [openerOf(importRsaPrivate('sealing', sealing))];
      return openSealed({ openers, purpose: 'attach', context, sealed, entropy });
    },
    storedUpTo: ledger.cursor,
    submitNumberHighest: ledger.counters.submitNumber,
    history: ledger.history,
  });
  if (isRenewal(ledger)) await publishRenewal(ledger, link);
  else {
    // Attached with the old keys: the reset that the successor was made for never happened.
    if (ledger.successor !== undefined) await ledger.commit([{ drop: 'successor', key: undefined }]);
    await restoreList(account, link, answer.listVersion);
  }
  // Numbers that no honest server reaches would use up ours for good.
  if (Math.max(answer.submitNumberHighest, answer.mailboxNext) > NUMBER_MAX) throw new SecureChatError('MALFORMED');
  const rolledBack = answer.submitNumberHighest > ledger.counters.submitNumber;
  // The number is raised once the mailbox is read: until then the next attach has to find the rollback again.
  if (rolledBack) await leaveAllGroups(account);
  await noticeOldServer(account, answer);
  await noticeRestore(account, answer.history);
  return { answer, rolledBack };
}

/** A server that was put back to a copy from before the last renewal: others know the newer list, and refuse its older. */
async function restoreList({ people, ledger }: OpenAccount, link: Link, version: number): Promise<void> {
  const own = (await people.me()).person.list.version;
  if (version < own) await publishDevice(link, ledger.account).catch(() => undefined);
}

/**
 * A server that was put back to an older state: it has forgotten what it had accepted since, and numbers the mailbox on
 * from there. What is lost is shown; what it will send has not been seen.
 */
async function noticeOldServer(account: OpenAccount, answer: control.Attached): Promise<void> {
  const { ledger } = account;
  const cursor = Math.max(0, answer.mailboxNext - 1);
  if (cursor < ledger.cursor) {
    const missing = ledger.cursor - cursor;
    // Their numbers will be given out again.
    const parked = [...ledger.parked.keys()].filter((seq) => seq > cursor);
    await ledger.commit([
      { put: 'cursor', value: cursor },
      ...parked.map((key): LedgerChange => ({ drop: 'parked', key })),
    ]);
    account.emit({ kind: 'gap', conversation: '', missing, code: 'GAP' });
  }
  for (const row of [...ledger.outbox.values()]) {
    if (row.acceptedMs === 0 || (row.sealed?.submitNumber ?? 0) <= answer.submitNumberHighest) continue;
    await account.serial.run(row.user, async () => {
      if (ledger.outbox.has(row.order)) await giveUp(account, row, 'EXPIRED');
    });
  }
}

/**
 * The operator put a copy back: epochs, groups and slots of since then are unknown to it, so each conversation goes on in
 * a successor. What others sent since may be lost, and nobody can say how much: said before it is stored, rather twice
 * than never.
 */
async function noticeRestore(account: OpenAccount, history: number | undefined): Promise<void> {
  const { ledger } = account;
  if (history === undefined || history === ledger.history) return;
  if (ledger.history !== undefined) {
    account.emit({ kind: 'gap', conversation: '', missing: 0, code: 'SERVER_RESTORED' });
    await leaveAllGroups(account);
  }
  await ledger.commit([{ put: 'history', value: history }]);
}

/**
 * Keys of the old copy's groups were used for other messages since: nothing is ever encrypted under them again. Each
 * conversation goes on in a successor.
 */
async function leaveAllGroups(account: OpenAccount): Promise<void> {
  const { ledger } = account;
  for (const user of ledger.conversations.keys())
    await account.serial.run(user, async () => {
      const conversation = ledger.conversation(user);
      // Also one that is about to be founded: what this copy calls waiting may have been accepted, and written in.
      const lineage = conversation.lineage.map((facts) => ({ ...facts, state: 'dead' as const }));
      await ledger.commit([{ put: 'conversation', value: { ...conversation, lineage } }]);
      account.dispatch({ kind: 'lineage', user, lineage });
    });
  await ledger.commit([]);
}

/** Until this is done nobody can write first. */
export async function becomeReachable(account: OpenAccount, { answer, rolledBack }: AttachedOver): Promise<void> {
  const forgotten = rolledBack || answer.keyPackagesLeft > (await countFresh(account));
  await replenish(account, answer.keyPackagesLeft, answer.lastResortStored, forgotten);
}

/** Each chore for itself: one that fails is done at the next attach. */
export async function afterAttach(
  account: OpenAccount,
  attached: control.Attached,
  keepBlocks: (blocked: ReadonlySet<AccountId>) => void,
): Promise<void> {
  const chores: (() => Promise<void>)[] = [
    () => storeVault(account, attached.vaultVersion),
    () => mirrorBlocks(account, keepBlocks),
    () => account.presences.watch(),
    () => renewLeaves(account),
    () => forgetOldRows(account),
    () => forgetOldGroups(account),
    () => account.inbox.parked.retryAll(),
    () => account.inbox.parked.giveUp(),
    () => account.transfers.resume(),
  ];
  account.receipts.resume();
  for (const chore of chores) {
    if (account.ended()) return;
    await chore().catch(() => undefined);
  }
}

/** The vault made at registration, if the power failed before the server had it. */
async function storeVault(account: OpenAccount, version: number): Promise<void> {
  const { ledger } = account;
  const record = ledger.account;
  if (record.vault.length === 0) return;
  if (version === 0) await linkOf(account).request('putVault', { vault: record.vault, version });
  await ledger.commit([{ put: 'account', value: { ...record, stage: 'registered', vault: new Uint8Array(0) } }]);
}

/** Our own block list as the server holds it. */
async function mirrorBlocks(account: OpenAccount, keep: (blocked: ReadonlySet<AccountId>) => void): Promise<void> {
  const answer = await linkOf(account).request('listBlocks', {});
  if (answer.$case !== 'blocks') throw new SecureChatError('MALFORMED');
  const blocked = new Set(answer.value.accounts.map((one) => idOf<AccountId>(one.account)));
  keep(blocked);
  for (const user of account.ledger.contacts.keys())
    await account.serial.run(user, async () => {
      const contact = account.ledger.contacts.get(user);
      if (contact === undefined || contact.blocked === blocked.has(contact.account)) return;
      const value = { ...contact, blocked: !contact.blocked };
      await account.ledger.commit([{ put: 'contact', value }]);
    });
}

async function forgetOldRows(account: OpenAccount): Promise<void> {
  const old = forgettable(account.ledger.outbox.values(), account.nowMs());
  if (old.length > 0) await account.ledger.commit(old.map((key): LedgerChange => ({ drop: 'outbox', key })));
}

async function forgetOldGroups(account: OpenAccount): Promise<void> {
  const { ledger } = account;
  for (const user of ledger.conversations.keys())
    await account.serial.run(user, async () => {
      const conversation = ledger.conversation(user);
      const dead = conversation.lineage.filter(({ state }) => state === 'dead');
      const old = dead.slice(0, Math.max(0, dead.length - DEAD_GROUPS_KEPT));
      if (old.length === 0) return;
      const lineage = conversation.lineage.filter((facts) => !old.includes(facts));
      await ledger.commit([
        { put: 'conversation', value: { ...conversation, lineage } },
        ...old.map(({ group }): LedgerChange => ({ drop: 'group', key: group })),
      ]);
      account.dispatch({ kind: 'lineage', user, lineage });
    });
}
