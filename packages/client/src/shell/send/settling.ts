/** Acceptances of the server on their way to the disk: those that come while others are being stored share a commit. */
import type { OpenAccount } from '../open-account.ts';
import type { Accepted } from './settle.ts';
import { settleItems } from './settle.ts';
import { stubbornly } from '../stubborn.ts';

export class Settling {
  readonly #account: OpenAccount;
  /** By user name; gone once its commit begins. */
  readonly #open = new Map<string, Accepted[]>();

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  settle(user: string, accepted: Accepted): void {
    const open = this.#open.get(user);
    if (open !== undefined) return void open.push(accepted);
    const batch = [accepted];
    this.#open.set(user, batch);
    stubbornly(this.#account, () =>
      this.#account.serial.run(user, () => {
        if (this.#open.get(user) === batch) this.#open.delete(user);
        return settleItems(this.#account, user, batch);
      }),
    );
  }
}
