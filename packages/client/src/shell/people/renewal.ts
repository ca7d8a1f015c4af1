/** Keys and certificates that come of age: seen to after each attach, and once a day while the connection holds. */
import { RENEWAL_MS, WARNING_MS } from '../account/renew-device.ts';
import { countFresh, replenish, stock } from './key-packages.ts';
import type { OpenAccount } from '../open-account.ts';
import { queueCommit } from '../send/queue.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Everybody renews their keys within 7 days; a day early, because not everybody is here every day. */
const OWN_KEYS_MS = 6 * DAY_MS;
/** So long before its end a contact's certificate is looked up each day: they had as long to renew it before. */
const LOOKED_UP_MS = RENEWAL_MS / 2;

export class Renewal {
  readonly #account: OpenAccount;
  /** The day, UTC, on which it was last done. */
  #doneOn: number | undefined;

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /** To be called every minute or so. What fails is done at a later call. */
  pulse(): void {
    const account = this.#account;
    if (account.link() !== undefined && this.#today() !== this.#doneOn)
      account.chores.once('renewal', () => this.#renew());
  }

  async #renew(): Promise<void> {
    const today = this.#today();
    // Another day, whichever way the clock was set.
    if (today === this.#doneOn) return;
    await tellOfTheEnd(this.#account);
    await renewContacts(this.#account);
    await renewLeaves(this.#account);
    await renewKeyPackages(this.#account);
    this.#doneOn = today;
  }

  #today(): number {
    return Math.floor(this.#account.nowMs() / DAY_MS);
  }
}

/** What a login did not renew in time is a person's affair. */
async function tellOfTheEnd(account: OpenAccount): Promise<void> {
  const { notAfterMs } = (await account.people.me()).certificate;
  if (notAfterMs - account.nowMs() >= WARNING_MS) return;
  const renewable = account.ledger.account.passwordSlot.length > 0;
  account.emit({ kind: 'deviceEnds', at: new Date(notAfterMs).toISOString(), renewable });
}

/** The certificates that contacts renewed: the news of it is only for those who were there. */
async function renewContacts(account: OpenAccount): Promise<void> {
  const soon = account.nowMs() + LOOKED_UP_MS;
  for (const contact of [...account.ledger.contacts.values()]) {
    const { devices } = await account.people.bundleOfAnyTime(contact);
    if (contact.blocked || devices.every(({ notAfterMs }) => notAfterMs > soon)) continue;
    await account.inbox.rowsDone();
    // Another day, if they have not renewed it yet.
    await account.people.lookup(account, contact.user).catch(() => undefined);
  }
}

/** A commit in each conversation in which this device's keys are old. */
export async function renewLeaves(account: OpenAccount): Promise<void> {
  const before = account.nowMs() - OWN_KEYS_MS;
  for (const [user, { lineage }] of account.ledger.conversations) {
    const live = lineage.find(({ state }) => state === 'live');
    if (live === undefined) continue;
    await account.serial.run(user, async () => {
      const record = await account.ledger.group(live.group);
      if (record === undefined || record.ownKeysMs > before) return;
      const waiting = [...account.ledger.outbox.values()].some((row) => row.user === user && row.kind === 'commit');
      if (!waiting) await queueCommit(account, user);
    });
  }
}

/** What lies at the server for others to write first: nothing that nears its end. */
async function renewKeyPackages(account: OpenAccount): Promise<void> {
  const left = await stock(account);
  await replenish(account, left, true, left > (await countFresh(account)));
}
