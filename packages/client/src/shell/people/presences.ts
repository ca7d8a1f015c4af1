/** Who of the contacts is online, as far as the server says. */
import type { Presence } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import type { OpenAccount } from '../open-account.ts';
import { linkOf } from '../open-account.ts';

const WATCHED_MAX = 1000;

export class Presences {
  readonly #account: OpenAccount;
  /** As last heard on this connection, by user name. */
  readonly #now = new Map<string, Presence>();
  readonly #atAcceptance = new Map<string, Presence>();

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /** Undefined: nothing was heard on this connection. */
  get(user: string): Presence | undefined {
    return this.#now.get(user);
  }

  /** Of the recipient when the server last took something for them. */
  atAcceptance(user: string): Presence {
    return this.#atAcceptance.get(user) ?? 'unknown';
  }

  /** An answer to a question: no news to anybody else. */
  note(user: string, presence: Presence): void {
    this.#now.set(user, presence);
  }

  /** News, where it is another than before. */
  hear(user: string, presence: Presence): void {
    if (this.#now.get(user) === presence) return;
    this.note(user, presence);
    this.#account.emit({ kind: 'presence', user, online: presence === 'unknown' ? null : presence === 'online' });
  }

  accepted(user: string, presence: Presence): void {
    this.#atAcceptance.set(user, presence);
    this.hear(user, presence);
  }

  /** The connection ended: what was heard on it is old. */
  clear(): void {
    this.#now.clear();
  }

  /** Asks to be told of everybody who is a contact now. CONNECTION_LOST … */
  async watch(): Promise<void> {
    const contacts = [...this.#account.ledger.contacts.values()].filter(({ blocked }) => !blocked);
    const accounts = contacts.slice(0, WATCHED_MAX).map(({ account }) => idBytes(account));
    if (accounts.length > 0) await linkOf(this.#account).request('watchPresence', { accounts });
  }
}

/** As the control messages write it. */
export function presenceOf(number: number): Presence {
  return number === 1 ? 'online' : number === 2 ? 'offline' : 'unknown';
}
