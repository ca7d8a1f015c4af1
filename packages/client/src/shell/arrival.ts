/** What a login waits for: the first attempt to attach, then the mailbox as it was, and that others can write first. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Code } from '@securechat/wire';

/** How long the mailbox and the key packages are waited for; both go on in the background. */
const READY_MS = 5_000;

export class Arrival {
  #attempt = Promise.withResolvers<Code | undefined>();
  #caughtUp = Promise.withResolvers<void>();
  readonly #reachable = Promise.withResolvers<void>();
  /** What came of the first attempt was told. */
  #tried = false;

  get tried(): boolean {
    return this.#tried;
  }

  /** Undefined when attached; otherwise why not. */
  get attempt(): Promise<Code | undefined> {
    return this.#attempt.promise;
  }

  /** Mailbox read and key packages out, or enough waited. */
  async ready(): Promise<void> {
    const patience = new AbortController();
    const enough = delay(READY_MS, undefined, { ref: false, signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all([this.#caughtUp.promise, this.#reachable.promise]), enough]);
    patience.abort();
  }

  attached(): void {
    this.#tried = true;
    this.#attempt.resolve(undefined);
  }
  caughtUp(): void {
    this.#caughtUp.resolve();
  }
  reachable(): void {
    this.#reachable.resolve();
  }

  /** There is no connection: nobody waits any longer. */
  failed(code: Code): void {
    this.#attempt.resolve(code);
    this.#caughtUp.resolve();
    this.#reachable.resolve();
  }
  /** The failure was told to whoever waited for it. */
  told(): void {
    this.#tried = true;
  }

  /** With new keys: another first attempt. */
  again(): void {
    this.#attempt = Promise.withResolvers();
    this.#caughtUp = Promise.withResolvers();
  }
}
