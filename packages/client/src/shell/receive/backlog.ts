/** The mailbox as it was at attach: read to its end before anything is written, unless the server keeps it back. */
import type { control, Deliver } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { Gaps } from './gaps.ts';
import type { OpenAccount } from '../open-account.ts';

/** A server that announced rows and sends none: after this long they count as lost, and writing waits no longer. */
const SILENCE_MS = 8_000;
/** An old copy of the profile acknowledged rows that it does not know of: they do not come again. */
const ROLLED_BACK_SILENCE_MS = 1_000;

export class Backlog {
  readonly #account: OpenAccount;
  readonly #gaps: Gaps;
  /** Whether a row is being stored. */
  readonly #busy: () => boolean;
  /** Its last number; undefined once it was read. */
  #upTo: number | undefined;
  #silence: NodeJS.Timeout | undefined;
  #silenceMs = SILENCE_MS;
  /** Invitations up to here may have been read, and written under, in the lost future of an old copy. */
  #joinedBeforeUpTo = 0;
  /** The highest submit number of that future. */
  #raise = 0;

  constructor(account: OpenAccount, gaps: Gaps, busy: () => boolean) {
    this.#account = account;
    this.#gaps = gaps;
    this.#busy = busy;
  }

  attached({ mailboxNext, submitNumberHighest }: control.Attached, rolledBack: boolean): void {
    this.#upTo = mailboxNext - 1;
    this.#silenceMs = rolledBack ? ROLLED_BACK_SILENCE_MS : SILENCE_MS;
    this.#joinedBeforeUpTo = rolledBack ? mailboxNext - 1 : 0;
    this.#raise = rolledBack ? submitNumberHighest : 0;
    if (!this.behind) this.#account.ledger.raise('submitNumber', this.#raise);
    this.#listen();
  }

  /** True while rows that lay in the mailbox at attach are still unread. */
  get behind(): boolean {
    return this.#upTo !== undefined && this.#account.ledger.cursor < this.#upTo;
  }

  /** An old copy of the profile may have joined by this invitation before, and written under it. */
  joinedBefore({ seq }: Deliver): boolean {
    return seq <= this.#joinedBeforeUpTo;
  }

  /** Its last row is on disk, and nobody was told yet. */
  get justRead(): boolean {
    return this.#upTo !== undefined && !this.behind;
  }

  /** Rows are on disk. */
  advanced(): void {
    if (this.justRead) this.#read();
    else if (this.#upTo !== undefined) this.#listen();
  }

  /** The account ends. */
  stop(): void {
    clearTimeout(this.#silence);
  }

  #read(): void {
    clearTimeout(this.#silence);
    this.#upTo = undefined;
    this.#account.ledger.raise('submitNumber', this.#raise);
    this.#account.dispatch({ kind: 'caught-up' });
  }

  #listen(): void {
    clearTimeout(this.#silence);
    if (!this.behind) return;
    this.#silence = setTimeout(() => void this.#ask(), this.#silenceMs);
    this.#silence.unref();
  }

  /**
   * Silence alone proves nothing: the connection may be dead, or slow. Rows that were sent come ahead of the answer to a
   * question that was asked after them.
   */
  async #ask(): Promise<void> {
    const { ledger } = this.#account;
    const link = this.#account.link();
    const { cursor } = ledger;
    const upTo = this.#upTo;
    if (this.#account.ended() || link === undefined || upTo === undefined) return;
    if (this.#busy()) return this.#listen();
    const alive = await link.request('listBlocks', {}).then(
      () => true,
      (error: unknown) =>
        error instanceof SecureChatError && error.code !== 'TIMEOUT' && error.code !== 'CONNECTION_LOST',
    );
    if (this.#account.ended() || this.#account.link() !== link || this.#upTo !== upTo) return;
    if (!alive) return link.close();
    if (this.#busy() || ledger.cursor !== cursor) return this.#listen();
    this.#gaps.tellMissingUpTo(upTo);
    this.#read();
  }
}
