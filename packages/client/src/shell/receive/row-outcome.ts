/** What a row of the mailbox comes to, once it was read. */
import type { Code, Deliver, GroupId } from '@securechat/wire';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';

export interface Outcome {
  readonly changes: readonly LedgerChange[];
  /** Told before `changes` are stored: a power cut in between must not hide it. */
  readonly gap?: Gap;
  /** Runs once `changes` and the cursor are on disk. */
  after(): void;
  /** Cannot be processed yet. */
  readonly park?: boolean;
}

export interface Gap {
  /** Undefined: of the mailbox, whoever wrote it. */
  readonly group: GroupId | undefined;
  /** 0 when nobody knows. */
  readonly missing: number;
  readonly code: Code;
}

export const nothing: Outcome = { changes: [], after: () => undefined };

export function unreadable(row: Deliver): Outcome {
  return { ...nothing, gap: { group: row.group, missing: 1, code: 'UNDECRYPTABLE' } };
}

/** A message of a device that its owner has replaced: not believed any more. */
export function ofReplacedKeys(row: Deliver): Outcome & { readonly gap: Gap } {
  return { ...nothing, gap: { group: row.group, missing: 1, code: 'SENDER_RESET' } };
}

/** Only forward: a parked row that is read now is older than the cursor. */
export function cursorAt({ ledger }: OpenAccount, row: Deliver): LedgerChange[] {
  return row.seq > ledger.cursor ? [{ put: 'cursor', value: row.seq }] : [];
}
