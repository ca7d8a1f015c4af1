/** An invitation from the mailbox: opened with this device's sealing key, joined under the policy of its inviter. */
import { equal, importRsaPrivate, openerOf, wipe } from '@securechat/crypto';
import type { AccountBundle, SealedOpener } from '@securechat/crypto';
import { joinDirect, openInvitation } from '@securechat/e2ee';
import type { OpenedInvitation } from '@securechat/e2ee';
import type { Deliver } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { groupOf } from '../../core/lineage.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { KeyPackageRecord } from '../../core/record-key-package.ts';
import { keyPackageKey } from '../../core/record-key-package.ts';
import type { OpenAccount } from '../open-account.ts';
import { queueCommit } from '../send/queue.ts';
import type { Outcome } from './row-outcome.ts';
import { cursorAt, nothing, ofReplacedKeys, unreadable } from './row-outcome.ts';

export async function readInvitation(account: OpenAccount, row: Deliver): Promise<Outcome> {
  const { account: invitee, server, sealing } = account.ledger.account;
  const opened = await openInvitation({
    sealed: row.payload,
    group: row.group,
    invitee,
    openers: [openerFrom(sealing)],
    server,
    nowMs: account.nowMs(),
    entropy: account.entropy,
  });
  if (opened.kind === 'refused') return unreadable(row);
  const user = opened.inviter.account.username;
  return account.serial.run(user, async () => {
    const outcome = await join(account, row, user, opened);
    if (outcome.gap !== undefined) return outcome;
    // The commit belongs into the queue of the conversation: nothing may change it in between.
    await account.ledger.commit([...outcome.changes, ...cursorAt(account, row)]);
    outcome.after();
    return nothing;
  });
}

async function join(account: OpenAccount, row: Deliver, user: string, opened: OpenedInvitation): Promise<Outcome> {
  const { ledger, mls } = account;
  const conversation = ledger.conversation(user);
  if (groupOf(conversation.lineage, row.group) !== undefined) return nothing;
  const inviter = await newest(account, opened, ledger.contacts.get(user));
  const adopted = await account.people.adopt(account, inviter).catch((error: unknown) => {
    if (error instanceof SecureChatError && error.code === 'CERTIFICATE_REJECTED') return undefined;
    throw error;
  });
  const keys = keyPackageFor(account, mls.welcomedReferences(opened.welcome) ?? []);
  if (adopted === undefined || keys === undefined) {
    wipe(...opened.wipe);
    return isReplaced(opened.inviter, ledger.contacts.get(user)) ? ofReplacedKeys(row) : unreadable(row);
  }
  const me = await account.people.me();
  const { keyPackage, secrets } = keys;
  const nowMs = account.nowMs();
  const joined = joinDirect({
    engine: mls,
    me,
    invitation: opened,
    inviter,
    keyPackage,
    secrets: secrets.slice(),
    nowMs,
  });
  if (joined.kind === 'refused') {
    wipe(...opened.wipe);
    return unreadable(row);
  }
  const { group, generation, epoch } = joined;
  // What adopting changed in the chain of groups counts.
  const changed = adopted.changes.find((change) => 'put' in change && change.put === 'conversation');
  const base =
    changed !== undefined && 'put' in changed && changed.put === 'conversation' ? changed.value : conversation;
  const facts = {
    group,
    generation,
    ownSequence: me.person.account.sequence,
    peerSequence: inviter.account.sequence,
    epoch,
    chainAccepted: 0,
    // Its first keys may have encrypted something already: it is read, and a successor is written in.
    state: account.inbox.backlog.joinedBefore(row) ? ('dead' as const) : ('live' as const),
  };
  const value = { ...base, lineage: [...base.lineage, facts] };
  const { lastResort } = keys;
  return {
    changes: [
      ...adopted.changes,
      {
        put: 'group',
        value: { group, user, state: joined.state, pending: undefined, received: [], ownKeysMs: nowMs },
      },
      { put: 'conversation', value },
      ...(lastResort ? [] : [{ drop: 'keyPackage', key: keyPackageKey(keys.reference) } as const]),
    ],
    after: () => {
      wipe(...joined.wipe);
      if (!lastResort) wipe(keys.secrets);
      adopted.after();
      account.dispatch({ kind: 'lineage', user, lineage: value.lineage });
      account.inbox.parked.retry(group);
      // A last-resort package serves many: its keys are renewed before anything is written.
      if (lastResort) void account.serial.run(user, () => queueCommit(account, user)).catch(() => undefined);
    },
  };
}

/**
 * The inviter as this device knows them where that is later than what they sent: a device that renewed its certificate
 * meanwhile is the same, and what it founded before is theirs.
 */
async function newest(
  { people }: OpenAccount,
  { inviter, inviterDevice }: OpenedInvitation,
  known: ContactRecord | undefined,
): Promise<AccountBundle> {
  if (known?.accountJws !== inviter.account.jws || known.listVersion <= inviter.list.version) return inviter;
  const bundle = await people.bundle(known);
  const [before, now] = [inviter, bundle].map(({ devices }) => devices.find(({ device }) => device === inviterDevice));
  const same = before !== undefined && now !== undefined && equal(before.signing, now.signing);
  return same ? bundle : inviter;
}

/** Founded before its owner replaced the keys of that device, and read after. */
function isReplaced({ account, list }: AccountBundle, known: ContactRecord | undefined): boolean {
  if (known?.account !== account.account) return false;
  return account.sequence < known.sequence || (account.sequence === known.sequence && list.version < known.listVersion);
}

function keyPackageFor(account: OpenAccount, references: readonly Uint8Array[]): KeyPackageRecord | undefined {
  for (const reference of references) {
    const record = account.ledger.keyPackages.get(keyPackageKey(reference));
    if (record !== undefined) return record;
  }
  return undefined;
}

function openerFrom(pkcs8: Uint8Array): SealedOpener {
  return openerOf(importRsaPrivate('sealing', pkcs8.slice()));
}
