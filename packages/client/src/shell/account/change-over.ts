/** From the keys of a device to those of a reset (new-identity.ts), once the server has them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Code } from '@securechat/wire';
import type { OpenAccount } from '../open-account.ts';
import { replaceDevice } from './new-device.ts';
import { isRenewal } from './renew-device.ts';

/** After a full disk: how long before the keys are stored again. */
const STORE_RETRY_MS = 1_000;
/** How long the caller of a reset waits for the connection that tells what became of it. */
const RESET_MS = 20_000;

export class ChangeOver {
  readonly #account: OpenAccount;
  readonly #restart: () => Promise<Code | undefined>;
  #running: Promise<Code | undefined> | undefined;

  /** `restart`: connects with the keys that are there then; resolves with the code of what keeps it from attaching. */
  constructor(account: OpenAccount, restart: () => Promise<Code | undefined>) {
    this.#account = account;
    this.#restart = restart;
  }

  /** The one under way. */
  get running(): Promise<Code | undefined> | undefined {
    return this.#running;
  }

  /** A revoked device is as good as an answer that the reset came to be: it may have been lost. */
  get isDue(): boolean {
    const { ledger } = this.#account;
    return ledger.successor !== undefined && !isRenewal(ledger);
  }

  /** Resolves with the code of what keeps the new device from attaching, if anything does. Idempotent. */
  run(): Promise<Code | undefined> {
    const account = this.#account;
    this.#running ??= (async () => {
      account.dispatch({ kind: 'stop' });
      // What came for the old device is of no use to the new one.
      await account.inbox.pause();
      await account.serial.idle();
      await this.#store();
      return this.#restart();
    })().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Until it is stored: the server knows the old keys no more, and a full disk passes. */
  async #store(): Promise<void> {
    const { ledger } = this.#account;
    for (let { successor } = ledger; successor !== undefined && !this.#account.ended(); { successor } = ledger)
      await replaceDevice(ledger, successor).catch(() => delay(STORE_RETRY_MS, undefined, { ref: false }));
  }

  /** After a reset whose answer was lost: true once this device attached with the new keys, false if with the old ones. */
  async happened(): Promise<boolean> {
    const account = this.#account;
    const { ledger } = account;
    const device = ledger.successor?.device;
    const end = account.nowMs() + RESET_MS;
    while (ledger.successor !== undefined || this.#running !== undefined) {
      if (account.ended() || account.nowMs() > end) break;
      await delay(100);
    }
    return device !== undefined && ledger.account.device === device;
  }
}
