/** Many messages of one person at once: they share a commit. */
import { wipe } from '@securechat/crypto';
import { decryptRow } from '@securechat/e2ee';
import type { DecryptedContent } from '@securechat/e2ee';
import type { Deliver } from '@securechat/wire';
import { noteChainNumber } from '../../core/order.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { contentOutcome } from './read-row.ts';

/** Messages of one conversation that share a commit while more are waiting. */
const RUN_ROWS = 32;

/** Messages at the head of the queue that belong to one group and follow each other without a gap. */
export function plainRun({ ledger }: OpenAccount, rows: readonly Deliver[]): readonly Deliver[] {
  const first = rows[0];
  if (first === undefined || ledger.userOfGroup(first.group) === undefined) return [];
  const end = rows.findIndex(
    (row, at) => row.kind !== 'message' || row.group !== first.group || row.seq !== ledger.cursor + 1 + at,
  );
  return rows.slice(0, Math.min(RUN_ROWS, end === -1 ? rows.length : end));
}

/**
 * Many messages of one person, one commit. Ends before the first row that is more than a text or a receipt, or comes
 * after a gap: that one goes its own way. Resolves with the number of rows stored.
 */
export function acceptRun(account: OpenAccount, rows: readonly Deliver[]): Promise<number> {
  const { ledger } = account;
  const [{ group }] = rows as readonly [Deliver];
  const user = ledger.userOfGroup(group) ?? '';
  return account.serial.run(user, async () => {
    const contact = ledger.contacts.get(user);
    let record = await ledger.group(group);
    if (record === undefined || contact === undefined || account.inbox.parked.of(group).length > 0) return 0;
    const me = await account.people.me();
    const people = [me.person, await account.people.bundle(contact)];
    let conversation = ledger.conversation(user);
    const changes: LedgerChange[] = [];
    const told: (() => void)[] = [];
    const ids = new Set<string>();
    let stored = 0;
    for (const row of rows) {
      const { mls: engine } = account;
      const input = { engine, group, state: record.state, people, nowMs: account.nowMs() };
      const result = decryptRow({ ...input, row: 'message', ciphertext: row.payload });
      if (result.kind !== 'content' || !isPlain(result, ids)) break;
      ids.add(result.content.id);
      const noted = noteChainNumber(record.received, result.author.device, result.content.chainNumber);
      if (noted.missing > 0) break;
      const read = await contentOutcome(account, user, conversation, result, noted.fresh);
      for (const change of read.changes)
        if ('put' in change && change.put === 'conversation') conversation = change.value;
        else changes.push(change);
      record = { ...record, state: result.state, received: noted.received };
      told.push(() => {
        wipe(...result.wipe);
        read.after();
      });
      stored += 1;
    }
    const last = rows[stored - 1];
    if (last === undefined) return 0;
    await ledger.commit([
      ...changes,
      { put: 'group', value: record },
      { put: 'conversation', value: conversation },
      { put: 'cursor', value: last.seq },
    ]);
    for (const tell of told) tell();
    return stored;
  });
}

/** A text or a delivery receipt of a listed device, not yet in this run: nothing that another row's reading depends on. */
function isPlain({ author, content }: DecryptedContent, ids: ReadonlySet<string>): boolean {
  const { body } = content;
  const plain = body.kind === 'text' || (body.kind === 'receipt' && body.read.length === 0);
  return author.listed && plain && !ids.has(content.id);
}
