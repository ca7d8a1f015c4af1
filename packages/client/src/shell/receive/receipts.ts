/**
 * "Delivered" and "read", told to those who may know: everybody on an invite-only or closed server, people we have written
 * to on an open one. They ride on the next message, or go together after a short while.
 */
import { queueContent } from '../send/queue.ts';
import type { OpenAccount } from '../open-account.ts';

/** Long enough that a burst is answered once, short enough to be felt as "at once". */
const GATHER_MS = 300;

export class Receipts {
  readonly #account: OpenAccount;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /** Whether this person may learn what arrived and what was read. */
  mayKnow(user: string): boolean {
    const contact = this.#account.ledger.contacts.get(user);
    if (contact === undefined || contact.blocked) return false;
    return this.#account.registration() !== 'open' || contact.written;
  }

  /** Something is owed to this person. */
  owed(user: string): void {
    if (this.#timers.has(user) || this.#account.link() === undefined || !this.mayKnow(user)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(user);
      void this.#send(user);
    }, GATHER_MS);
    this.#timers.set(user, timer);
  }

  /** After attaching: what was owed before. */
  resume(): void {
    for (const [user, { delivered, read }] of this.#account.ledger.conversations)
      if (delivered.length > 0 || read.length > 0) this.owed(user);
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #send(user: string): Promise<void> {
    const account = this.#account;
    if (account.ended()) return;
    await account.serial
      .run(user, async () => {
        const { delivered, read } = account.ledger.conversation(user);
        const waiting = [...account.ledger.outbox.values()].some(
          (row) => row.user === user && row.kind === 'receipt' && row.sealed === undefined,
        );
        if (waiting || (delivered.length === 0 && read.length === 0)) return;
        // What it says is filled in when it is encrypted.
        await queueContent(account, { user, kind: 'receipt', body: { kind: 'receipt', read: [] } });
      })
      // A full disk, a logout: the ids are kept, and go with the next occasion.
      .catch(() => undefined);
  }
}
