/** What is missing from the mailbox, told before it is stored that it is: a power cut in between must not hide it. */
import type { Deliver } from '@securechat/wire';
import { control, decodeMessage } from '@securechat/wire';
import type { OpenAccount } from '../open-account.ts';
import type { Gap } from './row-outcome.ts';

export class Gaps {
  readonly #account: OpenAccount;
  /** Numbers up to here that have not come were shown already. */
  #toldUpTo = 0;
  /** The row whose gap was shown last. */
  #toldOf: Deliver | undefined;

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /** The mailbox is counted anew: a new link. */
  attached(): void {
    this.#toldUpTo = 0;
  }

  /** Numbers that have not come when this row does. Before the cursor moves past them on the disk. */
  tellMissingBefore(row: Deliver): void {
    this.tellMissingUpTo(firstNumberOf(row) - 1);
  }

  tellMissingUpTo(last: number): void {
    const missing = last - Math.max(this.#account.ledger.cursor, this.#toldUpTo);
    if (missing <= 0) return;
    this.#toldUpTo = last;
    this.#show({ group: undefined, missing, code: 'GAP' });
  }

  /** Once, however often storing has to be tried. */
  tell(row: Deliver, gap: Gap | undefined): void {
    if (gap === undefined || this.#toldOf === row) return;
    this.#toldOf = row;
    this.#show(gap);
  }

  #show({ group, missing, code }: Gap): void {
    const user = group === undefined ? undefined : this.#account.ledger.userOfGroup(group);
    this.#account.emit({ kind: 'gap', conversation: user === undefined ? '' : `@${user}`, missing, code });
  }
}

/** A row that stands for expired ones says itself how many are gone: their numbers are no second gap. */
function firstNumberOf({ kind, seq, payload }: Deliver): number {
  if (kind !== 'expired') return seq;
  try {
    return Math.min(seq, decodeMessage(control.Missing, payload).from);
  } catch {
    return seq;
  }
}
